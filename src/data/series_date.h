/* Dates of a series' rows: reading a word, the distance between rows, and the dates that come next.
 */
#ifndef DATA_SERIES_DATE_H
#define DATA_SERIES_DATE_H

#include "base/memory.h"

/* How the dates of a column are written, as far as a single one does not say it. */
typedef struct series_format {
    enum series_order {
        ORDER_COMPACT, /* 20200131 */
        ORDER_YEAR,    /* 2020-01-31; 20-01-31 */
        ORDER_DAY,     /* 31/01/2020 */
        ORDER_MONTH,   /* 01/31/2020 */
        ORDER_NUMBER,  /* any number; no date */
        ORDERS
    } order;
    int decimals;    /* ORDER_NUMBER: digits behind the point of the number that has most */
    bool short_days; /* a day or month has one digit somewhere: 1/9/2020 */
    bool short_hours;
    bool long_names; /* January, not Jan */
} series_format;

/* A date that was understood. */
typedef struct series_date {
    int64_t time;   /* microseconds since 1970-01-01 in UTC, of a month that of its first day; of a
                       plain number: that number times 10^decimals */
    int64_t months; /* since the year 0 */
    int day;        /* 1..31; 0: there is none */
    int fields;     /* 1 (a plain number), 2 (month or quarter), 3 (day), 5, 6 (time) */
    bool ordered;   /* the format's order says which of its numbers is which */
    series_format seen; /* what the word says about the column's format */
} series_date;

/* Reads a word by a format's order and decimals. Whatever the order is among dates, these say it
 * themselves: "1949-01", "1949-01-31", "1949-01-31T06:00:00.5+02:00", "01/1949", "31-Jan-49",
 * "January 31, 1949", "1949Q1"; a time as "6:00 PM" may stand behind any day. */
bool series_date_read(const char *word, const series_format *format, series_date *date);

/* Before (< 0), the same (0) or after (> 0)? */
int series_date_compare(const series_date *a, const series_date *b);

/* How the words of a column are written. */
typedef struct series_reading {
    enum { READING_GOOD, READING_BAD_WORD, READING_AMBIGUOUS } result;
    series_format format; /* READING_GOOD */
    int64_t row;          /* the first that cannot be read, or that can in two ways */
    int64_t read;         /* rows that can be read */
} series_reading;
series_reading series_format_of(char *const *words, int64_t count);

/* The distance that all neighbours in a list have, where it is one. */
typedef struct series_interval {
    enum { INTERVAL_NONE, INTERVAL_NUMBER, INTERVAL_MONTHS, INTERVAL_TIME } unit;
    int64_t length;  /* as series_date has it: INTERVAL_TIME is in microseconds */
    bool month_ends; /* INTERVAL_MONTHS: each date is the last day of its month */
} series_interval;

series_interval series_interval_of(const series_date *dates, size_t count);

/* Rows in a natural period: 12 for months, 4 for quarters, 7 for days, 24 for hours; 0: unknown. */
int64_t series_interval_season(const series_interval *interval);

/* The date `steps` intervals after the last one, written as `word` (the last one) is, or as ISO
 * 8601 has it where that cannot hold it. NULL when the interval is unknown, or on failure. Free
 * with free(). */
char *series_date_after(const char *word, const series_format *format,
                        const series_interval *interval, int64_t steps);

#endif
