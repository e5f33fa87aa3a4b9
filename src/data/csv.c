#include "data/csv.h"

#include "base/file.h"
#include "data/csv_label.h"
#include "data/csv_table.h"

#include <inttypes.h>

/* A table while it is read. */
typedef struct table {
    csv_table csv;
    const kiln_dataset_args *args;
    size_t label; /* column; == columns: none */
    csv_labels labels;
    struct {
        float *items;
        size_t count, capacity;
    } values; /* (rows, features) */
    int64_t rows;
} table;

static void table_free(table *t)
{
    free(t->values.items);
    csv_labels_free(&t->labels);
    csv_table_close(&t->csv);
}

/* Which column is the label? */
static kiln_status choose_label(table *t)
{
    const kiln_dataset_args *args = t->args;
    t->label = t->csv.columns;
    if (args->has_labels == KILN_NO)
        return KILN_OK;
    if (args->features > 0 && args->has_labels == KILN_DEFAULT) {
        if ((int64_t)t->csv.columns == args->features)
            return KILN_OK;
        if ((int64_t)t->csv.columns != args->features + 1)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s: has %zu columns; the model takes %" PRId64
                             " features, with or without a label",
                             t->csv.scan.file, t->csv.columns, args->features);
    }
    if (args->label)
        KILN_TRY(csv_table_find(&t->csv, t->args->label, "label", &t->label));
    else
        t->label = t->csv.columns - 1;
    if (t->csv.columns < 2)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 ": has 1 column; at least one feature and the label "
                         "are needed, separated by a comma, tab, "
                         "semicolon or bar",
                         t->csv.scan.file, t->csv.first_line);
    return KILN_OK;
}

static kiln_status add_row(table *t)
{
    const csv_scan *scan = &t->csv.scan;
    if (t->rows == INT32_MAX)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d rows", scan->file, INT32_MAX);
    KILN_TRY(mem_grow(&t->values.items, &t->values.capacity, t->values.count + t->csv.columns,
                      sizeof(float)));
    for (size_t i = 0; i < t->csv.columns; i++)
        if (i != t->label)
            KILN_TRY(csv_table_number(&t->csv, i, &t->values.items[t->values.count++]));
    if (t->label < t->csv.columns)
        KILN_TRY(csv_labels_add(&t->labels, scan->items[t->label], scan->line));
    t->rows++;
    return KILN_OK;
}

static kiln_status read_rows(table *t)
{
    KILN_TRY(choose_label(t));
    t->labels = (csv_labels){.file = t->csv.scan.file,
                             .column = t->label,
                             .known_count = t->args->class_count,
                             .known = t->args->class_names};
    for (bool more = true; more;) {
        KILN_TRY(add_row(t));
        KILN_TRY(csv_table_next(&t->csv, &more));
    }
    return KILN_OK;
}

static kiln_status fill(table *t, kiln_dataset *dataset)
{
    bool labels = t->label < t->csv.columns;
    size_t features = t->csv.columns - labels;
    float *values = t->values.items;
    dataset->samples = t->rows;
    dataset->split_by_class = true;
    t->values.items = NULL; /* the data set's from here on */
    KILN_TRY(dataset_take_input(dataset, NULL, KILN_FLOAT32,
                                (kiln_shape){.rank = 1, .dims = {(int64_t)features}}, values,
                                t->values.count * sizeof *values));
    if (labels)
        KILN_TRY(csv_labels_finish(&t->labels, dataset));
    if (t->csv.names) { /* the label's name goes last, and is not counted */
        char *label = labels ? t->csv.names[t->label] : NULL;
        for (size_t i = t->label; i + 1 < t->csv.columns; i++)
            t->csv.names[i] = t->csv.names[i + 1];
        if (labels)
            t->csv.names[t->csv.columns - 1] = label;
        KILN_TRY(dataset_set_feature_names(dataset, features, (const char *const *)t->csv.names));
    }
    return KILN_OK;
}

kiln_dataset *csv_parse(const char *name, char *content, size_t size, const kiln_dataset_args *args)
{
    table t = {.args = args};
    kiln_dataset *dataset = dataset_new(name);
    if (dataset == NULL)
        return NULL;
    kiln_status status = csv_table_open(&t.csv, name, content, size);
    if (status == KILN_OK)
        status = read_rows(&t);
    if (status == KILN_OK)
        status = fill(&t, dataset);
    table_free(&t);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

kiln_dataset *csv_read(const char *path, const kiln_dataset_args *args)
{
    void *content;
    size_t size;
    if (file_read(path, SIZE_MAX / 4, &content, &size) != KILN_OK)
        return NULL;
    kiln_dataset *dataset = csv_parse(path, content, size, args);
    free(content);
    return dataset;
}
