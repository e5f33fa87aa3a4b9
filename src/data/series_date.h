/* Dates of a series' rows: their order, the distance between them, and those that come next. */
#ifndef DATA_SERIES_DATE_H
#define DATA_SERIES_DATE_H

#include "base/memory.h"

/* A date that was understood. */
typedef struct series_date {
    int64_t months;  /* since the year 0; of a plain number: that number */
    int day;         /* 1..31; 0: there is none */
    int64_t seconds; /* since 1970-01-01, for dates with a day */
    int fields;      /* numbers in the text: 1 (a plain number), 2 (month), 3 (day), 5, 6 (time) */
} series_date;

/* "1949", "1949-01", "1949-01-31", "1949-01-31 06:00", "1949-01-31T06:00:00"; '/' or '.' for '-'.
 */
bool series_date_read(const char *word, series_date *date);

/* Before (< 0), the same (0) or after (> 0)? */
int series_date_compare(const series_date *a, const series_date *b);

/* The distance that all neighbours in a list have, where it is one. */
typedef struct series_interval {
    enum { INTERVAL_NONE, INTERVAL_NUMBER, INTERVAL_MONTHS, INTERVAL_SECONDS } unit;
    int64_t length;
    bool month_ends; /* INTERVAL_MONTHS: each date is the last day of its month */
} series_interval;

series_interval series_interval_of(const series_date *dates, size_t count);

/* Rows in a natural period: 12 for months, 4 for quarters, 7 for days, 24 for hours; 0: unknown. */
int64_t series_interval_season(const series_interval *interval);

/* The date `steps` intervals after the last one, written as `word` (the last one) is. NULL
 * when the interval is unknown, or on failure. Free with free(). */
char *series_date_after(const char *word, const series_interval *interval, int64_t steps);

#endif
