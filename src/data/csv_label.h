/* The label column of a table while it is read. */
#ifndef DATA_CSV_LABEL_H
#define DATA_CSV_LABEL_H

#include "base/intern.h"
#include "data/csv_scan.h"
#include "data/dataset.h"

typedef struct csv_labels {
    const char *file;
    size_t column;      /* from 0 */
    size_t known_count; /* classes that a model knows; 0: the file says */
    const char *const *known;
    enum { LABEL_NONE, LABEL_TEXT, LABEL_NUMBER } kind;
    int64_t first_line;
    /* text, or known classes: a class number for each row, and each class's text */
    struct {
        int32_t *items;
        size_t count, capacity;
    } ids;
    intern texts;
    /* numbers */
    struct {
        double *items;
        size_t count, capacity;
    } numbers;
} csv_labels;

/* Adds the label of the next row. */
kiln_status csv_labels_add(csv_labels *labels, csv_cell cell, int64_t line);

/* Makes the labels of all rows the data set's target. */
kiln_status csv_labels_finish(csv_labels *labels, kiln_dataset *dataset);

void csv_labels_free(csv_labels *labels);

#endif
