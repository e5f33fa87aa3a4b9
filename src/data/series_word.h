/* The parts of a date as it is written, and writing another date in the same way. */
#ifndef DATA_SERIES_WORD_H
#define DATA_SERIES_WORD_H

#include "data/series_date.h"

typedef enum word_part {
    PART_YEAR,
    PART_MONTH,
    PART_DAY,
    PART_HOUR, /* 0..23 */
    PART_MINUTE,
    PART_SECOND,
    PART_FRACTION,     /* microseconds */
    PARTS,             /* values; those behind write the same ones in other ways */
    PART_NAME = PARTS, /* of the month */
    PART_QUARTER,
    PART_COMPACT, /* year, month and day */
    PART_NOON     /* AM or PM */
} word_part;

typedef struct date_word {
    int values[PARTS];
    int64_t offset; /* seconds that its zone is ahead of UTC */
    bool ordered;   /* as series_date has it */
    series_format seen;
    size_t count; /* what is between the pieces stays as it is */
    struct {
        word_part part;
        size_t at, length;
    } pieces[9];
} date_word;

/* Finds the parts of a word, none of which is out of its range (a day is 1..31). false: it is no
 * date of this order. */
bool word_split(const char *word, enum series_order order, date_word *parts);

/* Is the value among those that the word says? */
bool word_has(const date_word *parts, word_part part);

/* The word with other values. NULL on failure; free with free(). */
char *word_write(const char *word, const series_format *format, const date_word *parts);

#endif
