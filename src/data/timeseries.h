/* Windows over the rows of an array, one behind the other in time. */
#ifndef DATA_TIMESERIES_H
#define DATA_TIMESERIES_H

#include "data/dataset.h"

/* Which windows, in rows. */
typedef struct timeseries_cut {
    int64_t length;  /* entries of a window */
    int64_t rate;    /* rows from one entry to the next */
    int64_t stride;  /* rows from one window to the next */
    int64_t horizon; /* entries of a target: 1 is one row, more get an axis of their own */
    int64_t first;   /* where the first window begins */
    int64_t count;   /* windows */
} timeseries_cut;

/* A data set of the windows of `data`, a column of rows (no step), whose memory it shares. targets
 * (NULL: none): window i's target begins at the row of `targets` of number target_first + i *
 * stride. The caller has checked that all of them lie inside. NULL on failure. */
kiln_dataset *timeseries_windows(const char *origin, const data_column *data,
                                 const data_column *targets, int64_t target_first,
                                 const timeseries_cut *cut);

#endif
