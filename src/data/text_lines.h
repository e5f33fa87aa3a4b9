/* A text of lines while it is read: its rows, and which of their columns is what. */
#ifndef DATA_TEXT_LINES_H
#define DATA_TEXT_LINES_H

#include "data/csv_label.h"
#include "data/text.h"

/* A table's cells, or lines. */
typedef struct text_lines {
    text_request *r;
    csv_scan scan;
    size_t columns;
    struct {
        csv_cell *items; /* (rows, columns) */
        size_t count, capacity;
    } cells;
    struct {
        int64_t *items; /* the line each row is on */
        size_t count, capacity;
    } numbers;
    size_t first;       /* row of data: 1 behind a header */
    size_t text, label; /* columns; label == columns: none */
    bool table;         /* not lines as they are */
    int64_t *rows;      /* of the wanted part, in order, then of the other one */
    size_t row_count, other_count;
} text_lines;

static inline csv_cell lines_cell(const text_lines *l, size_t row, size_t column)
{
    return l->cells.items[row * l->columns + column];
}

/* Finds the columns of the text and of the label, and whether the first row names them. */
kiln_status text_lines_choose_columns(text_lines *l);

/* Notes the columns for later texts of the model, and in words. */
kiln_status text_lines_keep_columns(text_lines *l, kiln_dataset *dataset);

#endif
