/* Activations, initializers and regularizers: between Keras's JSON and the specs of the layers. */
#ifndef FORMAT_KERAS_SPEC_H
#define FORMAT_KERAS_SPEC_H

#include "format/json.h"
#include "layer/layer.h"

/* Makes a spec of a JSON value: a name, or an object with class_name and config. null gives NULL.
 * *made is the caller's. Names are checked later, by layer_check. */
kiln_status keras_spec_read(const json_t *value, layer_field_type type, char **made);

/* Writes a spec as Keras would. */
kiln_status keras_spec_write(json_writer *w, const char *key, layer_field_type type,
                             const char *source);

#endif
