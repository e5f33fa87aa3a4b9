/* What a model knows of its series, as an object in metadata.json. */
#ifndef FORMAT_SERIES_JSON_H
#define FORMAT_SERIES_JSON_H

#include "format/json.h"
#include "model/series.h"

/* Writes it under the key "series"; nothing for NULL. */
void series_json_write(json_writer *w, const model_series *series);

/* Reads such an object; json NULL: *series is NULL. The caller frees *series. */
kiln_status series_json_read(const json_t *json, model_series **series);

#endif
