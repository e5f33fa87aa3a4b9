/* How a model sees a series: which columns, cut and changed in which way. Kept with the model, so
 * that its outputs can be turned back into the file's own units. */
#ifndef MODEL_SERIES_H
#define MODEL_SERIES_H

#include "base/memory.h"

typedef struct model_series {
    int64_t window;     /* entries that the model sees */
    int64_t horizon;    /* entries that it forecasts */
    int64_t rate;       /* rows from one entry to the next */
    int64_t difference; /* entries between the two whose difference the model sees; 0: the values
                           themselves */
    bool log;           /* of the values, before all else */
    /* The forecast columns, then those that the model only sees; log and difference are of the
     * first alone. */
    size_t column_count, target_count;
    char **columns;
    double *means, *scales; /* by column: the model sees (value - mean) / scale */
    int64_t trained_rows;   /* of the file: the rows behind them are not known to the model */
    char *trained_to;       /* date of the last one; NULL: the file has none */
} model_series;

/* NULL on failure, and for NULL. */
model_series *model_series_copy(const model_series *series);
void model_series_free(model_series *series); /* NULL is allowed */

/* Rows from the first one of a window's first difference to the last one of its target. */
int64_t model_series_rows(const model_series *series);

#endif
