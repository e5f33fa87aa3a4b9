/* Numbers with commas in them. */
#ifndef DATA_CSV_COMMA_H
#define DATA_CSV_COMMA_H

#include "data/csv_scan.h"

typedef enum csv_comma {
    COMMA_NONE,     /* the cell is no such number */
    COMMA_DECIMAL,  /* "12,5", "1.234,5" between semicolons */
    COMMA_THOUSANDS /* "1,234.5" in quotes between commas */
} csv_comma;

/* What the commas of a cell are; *value: the number, unless they are none. */
csv_comma csv_comma_number(const csv_scan *scan, csv_cell cell, double *value);

#endif
