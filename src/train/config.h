/* Parts of the compile configuration in Keras's JSON. */
#ifndef TRAIN_CONFIG_H
#define TRAIN_CONFIG_H

#include "train/metric.h"

#include <jansson.h>

/* {"module": ..., "class_name": ..., "config": ..., "registered_name": null}; takes config over. */
json_t *config_object(const char *module, const char *class_name, json_t *config);

/* The name of a class: of an object, or the text itself; NULL: neither. */
const char *config_class(const json_t *value);

/* Fails for a key that is none of `used` (ends with NULL) and has another value than the one Kiln
 * means. */
kiln_status config_check_rest(const char *what, const json_t *config, const char *const *used);

/* A metric as Keras takes it: by name, or as an object where the name does not say all. */
json_t *config_metric_write(const metric *m);

/* A metric as a text that metric_parse takes; the caller's. NULL on failure. */
char *config_metric_read(const json_t *value);

#endif
