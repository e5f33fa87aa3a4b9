/* kiln fit --log-json: a line of JSON for each epoch. */
#ifndef CLI_LOG_JSON_H
#define CLI_LOG_JSON_H

#include <kiln/train.h>
#include <stdbool.h>

/* append: goes on behind what is there. NULL on failure. */
kiln_callback *log_json_callback(const char *path, bool append);

#endif
