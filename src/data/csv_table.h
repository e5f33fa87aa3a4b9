/* What tables of any kind have in common: a header, columns by name, cells that must be numbers. */
#ifndef DATA_CSV_TABLE_H
#define DATA_CSV_TABLE_H

#include "data/csv_scan.h"

/* A table's head, and the record that is being read. */
typedef struct csv_table {
    csv_scan scan;
    size_t columns;
    char **names;       /* of all columns; NULL: no header */
    int64_t first_line; /* which says how many columns there are */
} csv_table;

/* Reads the header, if there is one, and the first row of data into table->scan. Fails for a file
 * without rows. Close it also after a failure. */
kiln_status csv_table_open(csv_table *table, const char *file, char *content, size_t size);
void csv_table_close(csv_table *table);

/* The next row; *more false at the end. A row of another number of columns is an error. */
kiln_status csv_table_next(csv_table *table, bool *more);

/* The column that a word means: a name, or an index from 0 (from the end where it is negative).
 * what, for messages: "label". */
kiln_status csv_table_find(const csv_table *table, const char *word, const char *what,
                           size_t *column);

/* A cell of the row at hand as a float. */
kiln_status csv_table_number(const csv_table *table, size_t column, float *value);

/* Fails and says where and what: "a.csv: line 3, column 2 (size): 'x' is no length". */
kiln_status csv_table_bad_cell(const csv_table *table, size_t column, const char *what);

#endif
