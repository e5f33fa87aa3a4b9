#include "data/csv_label.h"

#include "data/csv.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

void csv_labels_free(csv_labels *labels)
{
    free(labels->ids.items);
    intern_free(&labels->texts);
    free(labels->numbers.items);
}

static bool same_text(csv_cell a, csv_cell b)
{
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static kiln_status unknown_label(const csv_labels *l, csv_cell cell, int64_t line)
{
    char shown[CSV_SHOWN];
    text names = {0};
    for (size_t i = 0; i < l->known_count && i < 5; i++)
        text_add(&names, "%s%s", i ? ", " : "", l->known[i]);
    kiln_fail(KILN_ERROR_FORMAT,
              "%s: line %" PRId64 ", column %zu: the label %s is none of the %zu classes (%s%s)",
              l->file, line, l->column + 1, csv_show(cell, shown), l->known_count,
              names.data ? names.data : "", l->known_count > 5 ? ", ..." : "");
    text_free(&names);
    return KILN_ERROR_FORMAT;
}

static kiln_status add_known(csv_labels *l, csv_cell cell, int64_t line)
{
    double value;
    char canonical[32] = "";
    if (csv_number(cell, &value) && value == floor(value) && fabs(value) < 1e15)
        snprintf(canonical, sizeof canonical, "%.0f", value + 0.0); /* "3.0" is class "3" */
    for (size_t i = 0; i < l->known_count; i++) {
        csv_cell name = {.text = l->known[i], .length = strlen(l->known[i])};
        if (same_text(name, cell) || (canonical[0] && strcmp(canonical, l->known[i]) == 0)) {
            KILN_TRY(MEM_PUSH_ROOM(&l->ids));
            l->ids.items[l->ids.count++] = (int32_t)i;
            return KILN_OK;
        }
    }
    return unknown_label(l, cell, line);
}

kiln_status csv_labels_add(csv_labels *l, csv_cell cell, int64_t line)
{
    double value = 0;
    char shown[CSV_SHOWN];
    if (cell.length == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: line %" PRId64 ", column %zu: the label is empty",
                         l->file, line, l->column + 1);
    if (l->known_count > 0)
        return add_known(l, cell, line);
    bool number = csv_number(cell, &value);
    if (l->kind == LABEL_NONE) {
        l->kind = number ? LABEL_NUMBER : LABEL_TEXT;
        l->first_line = line;
    }
    if (number != (l->kind == LABEL_NUMBER))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64
                         ", column %zu: the label %s is %s, but on line %" PRId64 " it is %s",
                         l->file, line, l->column + 1, csv_show(cell, shown),
                         number ? "a number" : "text", l->first_line, number ? "text" : "a number");
    if (!number) {
        KILN_TRY(MEM_PUSH_ROOM(&l->ids));
        uint32_t id;
        KILN_TRY(intern_add(&l->texts, cell.text, cell.length, &id));
        l->ids.items[l->ids.count++] = (int32_t)id;
        return KILN_OK;
    }
    if (isinf((float)value))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 ", column %zu: the label %s does not fit into float32",
                         l->file, line, l->column + 1, csv_show(cell, shown));
    KILN_TRY(MEM_PUSH_ROOM(&l->numbers));
    l->numbers.items[l->numbers.count++] = value;
    return KILN_OK;
}

static int compare_texts(const void *a, const void *b)
{
    const intern_text *x = *(const intern_text *const *)a, *y = *(const intern_text *const *)b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Classes in the order of their texts' bytes. */
static kiln_status finish_text(csv_labels *l, kiln_dataset *dataset)
{
    size_t n = l->texts.count;
    const intern_text **sorted = mem_new(n, sizeof *sorted);
    int32_t *rank = mem_new(n, sizeof *rank);
    dataset->class_names = mem_new(n, sizeof *dataset->class_names);
    kiln_status status = sorted && rank && dataset->class_names ? KILN_OK : kiln_last_status();
    if (status == KILN_OK) {
        for (size_t i = 0; i < n; i++)
            sorted[i] = &l->texts.items[i];
        qsort(sorted, n, sizeof *sorted, compare_texts);
        for (; dataset->class_count < n; dataset->class_count++) {
            const intern_text *cell = sorted[dataset->class_count];
            char *name = str_format("%.*s", (int)cell->length, cell->text);
            if (name == NULL) {
                status = kiln_last_status();
                break;
            }
            dataset->class_names[dataset->class_count] = name;
            rank[cell - l->texts.items] = (int32_t)dataset->class_count;
        }
    }
    for (size_t i = 0; i < l->ids.count && status == KILN_OK; i++)
        l->ids.items[i] = rank[l->ids.items[i]];
    free(sorted);
    free(rank);
    return status;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Are these numbers classes: few integers, each on more than one row on average, or 0..C-1? Then
 * *values has them in order. */
static bool find_classes(const csv_labels *l, double values[CSV_MOST_CLASSES], size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < l->numbers.count; i++) {
        double v = l->numbers.items[i];
        if (v != floor(v) || fabs(v) > 1e15)
            return false;
        if (*count > 0 && bsearch(&v, values, *count, sizeof v, compare_numbers))
            continue;
        if (*count == CSV_MOST_CLASSES)
            return false;
        values[(*count)++] = v + 0.0; /* no -0 */
        qsort(values, *count, sizeof v, compare_numbers);
    }
    bool consecutive = *count > 0 && values[0] == 0 && values[*count - 1] == (double)(*count - 1);
    return consecutive || 2 * *count <= l->numbers.count;
}

static kiln_status finish_numbers(csv_labels *l, kiln_dataset *dataset)
{
    double values[CSV_MOST_CLASSES];
    size_t count, rows = l->numbers.count;
    if (!find_classes(l, values, &count)) {
        float *out = mem_new(rows, sizeof *out);
        for (size_t i = 0; out && i < rows; i++)
            out[i] = (float)l->numbers.items[i];
        return dataset_take_target(dataset, NULL, KILN_FLOAT32, (kiln_shape){0}, out,
                                   rows * sizeof *out);
    }
    dataset->class_names = mem_new(count, sizeof *dataset->class_names);
    dataset->class_values = mem_new(count, sizeof *dataset->class_values);
    if (dataset->class_names == NULL || dataset->class_values == NULL)
        return kiln_last_status();
    for (; dataset->class_count < count; dataset->class_count++) {
        size_t i = dataset->class_count;
        dataset->class_values[i] = values[i];
        dataset->class_names[i] = str_format("%.0f", values[i]);
        if (dataset->class_names[i] == NULL)
            return kiln_last_status();
    }
    int32_t *out = mem_new(rows, sizeof *out);
    for (size_t i = 0; out && i < rows; i++) {
        const double *at =
            bsearch(&l->numbers.items[i], values, count, sizeof *values, compare_numbers);
        out[i] = (int32_t)(at - values);
    }
    return dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, out, rows * sizeof *out);
}

kiln_status csv_labels_finish(csv_labels *l, kiln_dataset *dataset)
{
    if (l->known_count == 0 && l->kind == LABEL_NUMBER)
        return finish_numbers(l, dataset);
    if (l->known_count > 0)
        KILN_TRY(dataset_set_class_names(dataset, l->known_count, l->known));
    else
        KILN_TRY(finish_text(l, dataset));
    int32_t *out = l->ids.items;
    l->ids.items = NULL; /* the data set's from here on */
    return dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, out,
                               l->ids.count * sizeof *out);
}
