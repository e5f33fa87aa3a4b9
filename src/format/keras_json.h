/* Keras's architecture JSON: what model.to_json() writes and keras.models.model_from_json() reads.
 *
 * The layers' field tables drive both directions. */
#ifndef FORMAT_KERAS_JSON_H
#define FORMAT_KERAS_JSON_H

#include "format/open_axis.h"
#include "model/model.h"

/* Builds a model from a text of `bytes` bytes. origin names it in messages ("model.json"). A
 * non-empty compile_config in it is kept in the model's facts. open may be NULL. */
kiln_status keras_json_read(const char *origin, const char *json, size_t bytes, open_axis *open,
                            kiln_model **model);

/* Appends the model's architecture; indent is the number of spaces a level, or -1 for a single
 * line. compile_config is a JSON text, or NULL: none. Fails for a model that Keras has no words
 * for. */
kiln_status keras_json_write(const kiln_model *model, const char *compile_config, int indent,
                             text *out);

#endif
