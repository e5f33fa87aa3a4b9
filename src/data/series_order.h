/* The order of a series' rows while it is read. */
#ifndef DATA_SERIES_ORDER_H
#define DATA_SERIES_ORDER_H

#include "data/series.h"

/* Where a table's dates come from. */
typedef struct series_dates_place {
    size_t column;        /* of the file */
    const int64_t *lines; /* of the file, by row */
    bool named;           /* its header says that they are dates */
    bool if_compact;      /* nothing but numbers such as 20200131 says so: all must be ones */
} series_dates_place;

/* Sorts the rows by their dates, finds how these are written and the distance between them, and
 * notes what is odd. Rows stay as they are where the dates cannot be read. */
kiln_status series_order(series_table *table, const series_dates_place *place);

#endif
