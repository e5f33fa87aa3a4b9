/* Records and cells of CSV text, quoted as in RFC 4180. */
#ifndef DATA_CSV_SCAN_H
#define DATA_CSV_SCAN_H

#include "base/memory.h"

/* A cell without its quotes and, where it was not quoted, without blanks around it. */
typedef struct csv_cell {
    const char *text; /* not terminated */
    size_t length;
    bool quoted;
} csv_cell;

typedef struct csv_scan {
    const char *file; /* for messages */
    char *at, *end;   /* text that is left; doubled quotes are resolved in place */
    char separator;
    bool plain;        /* quotes are characters like others */
    int64_t next_line; /* line number that `at` is on, from 1 */
    int64_t line;      /* where the current record starts */
    csv_cell *items;   /* its cells */
    size_t count, capacity;
} csv_scan;

/* Starts at a text, which the scan changes. The separator is the one of comma, tab, semicolon and
 * bar that cuts the first records into the same number of cells (commas of "1,5;2,5" are none); a
 * name that ends in .tsv says tab.
 * Text that is binary or UTF-16 is an error. */
kiln_status csv_start(csv_scan *scan, const char *file, char *content, size_t size);

/* The next record that is not blank; *more is false at the end. */
kiln_status csv_next(csv_scan *scan, bool *more);

void csv_end(csv_scan *scan);

/* Is the cell a decimal number ("-1.5e3")? A value too large for double is infinite. */
bool csv_number(csv_cell cell, double *value);

/* The cell in quotes for messages, cut after some 40 bytes; returns buffer. */
#define CSV_SHOWN 64
const char *csv_show(csv_cell cell, char buffer[CSV_SHOWN]);

#endif
