#include "data/csv.h"

#include "base/file.h"
#include "data/csv_label.h"
#include "data/csv_scan.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* A table while it is read. */
typedef struct table {
    csv_scan scan;
    const kiln_dataset_args *args;
    size_t columns;
    int64_t first_line;
    size_t label; /* column; == columns: none */
    csv_labels labels;
    char **names; /* of all columns; NULL: no header */
    struct {
        float *items;
        size_t count, capacity;
    } values; /* (rows, features) */
    int64_t rows;
} table;

static void table_free(table *t)
{
    for (size_t i = 0; t->names && i < t->columns; i++)
        free(t->names[i]);
    free(t->names);
    free(t->values.items);
    csv_labels_free(&t->labels);
    csv_end(&t->scan);
}

/* A first row without any number is a header: a row of data has at least one. */
static bool is_header(const csv_scan *scan)
{
    double value;
    for (size_t i = 0; i < scan->count; i++)
        if (csv_number(scan->items[i], &value))
            return false;
    return true;
}

static kiln_status keep_names(table *t)
{
    t->names = mem_new(t->columns, sizeof *t->names);
    if (t->names == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < t->columns; i++) {
        csv_cell cell = t->scan.items[i];
        t->names[i] = str_format("%.*s", (int)cell.length, cell.text);
        if (t->names[i] == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

/* Is the text an integer, and nothing else? */
static bool parse_index(const char *word, int64_t *index)
{
    char *end;
    if (!isdigit((unsigned char)word[*word == '-']))
        return false;
    *index = strtoll(word, &end, 10);
    return *end == '\0';
}

static kiln_status find_label(table *t)
{
    const char *label = t->args->label, *file = t->scan.file;
    size_t matches = 0;
    int64_t index;
    for (size_t i = 0; t->names && i < t->columns; i++) {
        if (strcmp(t->names[i], label) == 0) {
            t->label = i;
            matches++;
        }
    }
    if (matches == 1)
        return KILN_OK;
    if (matches > 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: %zu columns are called '%s'; give the label's index", file, matches,
                         label);
    if (!parse_index(label, &index)) {
        if (t->names == NULL)
            return kiln_fail(
                KILN_ERROR_ARGUMENT,
                "%s: has no header that could name the label column '%s'; give its index, 0 to %zu",
                file, label, t->columns - 1);
        text names = {0};
        for (size_t i = 0; i < t->columns && i < 20; i++)
            text_add(&names, "%s%s", i ? ", " : "", t->names[i]);
        kiln_fail(KILN_ERROR_ARGUMENT, "%s: has no column '%s'; its columns are %s%s", file, label,
                  names.data ? names.data : "", t->columns > 20 ? ", ..." : "");
        text_free(&names);
        return KILN_ERROR_ARGUMENT;
    }
    if (index < -(int64_t)t->columns || index >= (int64_t)t->columns)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the label column %" PRId64 " is outside its columns, 0 to %zu", file,
                         index, t->columns - 1);
    t->label = (size_t)(index < 0 ? index + (int64_t)t->columns : index);
    return KILN_OK;
}

/* Which column is the label? */
static kiln_status choose_label(table *t)
{
    const kiln_dataset_args *args = t->args;
    t->label = t->columns;
    if (args->has_labels == KILN_NO)
        return KILN_OK;
    if (args->features > 0 && args->has_labels == KILN_DEFAULT) {
        if ((int64_t)t->columns == args->features)
            return KILN_OK;
        if ((int64_t)t->columns != args->features + 1)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s: has %zu columns; the model takes %" PRId64
                             " features, with or without a label",
                             t->scan.file, t->columns, args->features);
    }
    if (args->label)
        KILN_TRY(find_label(t));
    else
        t->label = t->columns - 1;
    if (t->columns < 2)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 ": has 1 column; at least one feature and the label "
                         "are needed, separated by a comma, tab, "
                         "semicolon or bar",
                         t->scan.file, t->first_line);
    return KILN_OK;
}

static kiln_status bad_cell(const table *t, size_t column, const char *what)
{
    char shown[CSV_SHOWN];
    csv_cell cell = t->scan.items[column];
    const char *name = t->names ? t->names[column] : "";
    if (cell.length == 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 ", column %zu%s%s%s: the cell is empty", t->scan.file,
                         t->scan.line, column + 1, *name ? " (" : "", name, *name ? ")" : "");
    return kiln_fail(KILN_ERROR_FORMAT, "%s: line %" PRId64 ", column %zu%s%s%s: %s %s",
                     t->scan.file, t->scan.line, column + 1, *name ? " (" : "", name,
                     *name ? ")" : "", csv_show(cell, shown), what);
}

static bool is_nan_or_infinity(csv_cell cell)
{
    static const char *const words[] = {"nan", "inf", "infinity"};
    size_t sign = cell.length > 0 && (cell.text[0] == '-' || cell.text[0] == '+');
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (cell.length - sign == strlen(words[i]) &&
            strncasecmp(cell.text + sign, words[i], cell.length - sign) == 0)
            return true;
    return false;
}

static kiln_status add_row(table *t)
{
    const csv_scan *scan = &t->scan;
    if (scan->count != t->columns)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: line %" PRId64 " has %zu columns, but line %" PRId64
                         " has %zu (separator %s)",
                         scan->file, scan->line, scan->count, t->first_line, t->columns,
                         scan->separator == '\t'  ? "tab"
                         : scan->separator == ';' ? "';'"
                         : scan->separator == '|' ? "'|'"
                                                  : "','");
    if (t->rows == INT32_MAX)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d rows", scan->file, INT32_MAX);
    KILN_TRY(mem_grow(&t->values.items, &t->values.capacity, t->values.count + t->columns,
                      sizeof(float)));
    for (size_t i = 0; i < t->columns; i++) {
        double value;
        if (i == t->label)
            continue;
        if (!csv_number(scan->items[i], &value))
            return bad_cell(t, i,
                            is_nan_or_infinity(scan->items[i])
                                ? "is no finite number; remove or fill such cells"
                                : "is text where a number is needed");
        t->values.items[t->values.count] = (float)value;
        if (isinf(t->values.items[t->values.count++]))
            return bad_cell(t, i, "does not fit into float32");
    }
    if (t->label < t->columns)
        KILN_TRY(csv_labels_add(&t->labels, scan->items[t->label], scan->line));
    t->rows++;
    return KILN_OK;
}

static kiln_status read_rows(table *t)
{
    bool more;
    KILN_TRY(csv_next(&t->scan, &more));
    if (!more)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is empty", t->scan.file);
    t->columns = t->scan.count;
    t->first_line = t->scan.line;
    bool header = is_header(&t->scan);
    if (header)
        KILN_TRY(keep_names(t));
    KILN_TRY(choose_label(t));
    t->labels = (csv_labels){.file = t->scan.file,
                             .column = t->label,
                             .known_count = t->args->class_count,
                             .known = t->args->class_names};
    if (header)
        KILN_TRY(csv_next(&t->scan, &more));
    if (!more)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has a header but no rows", t->scan.file);
    for (; more;) {
        KILN_TRY(add_row(t));
        KILN_TRY(csv_next(&t->scan, &more));
    }
    return KILN_OK;
}

static kiln_status fill(table *t, kiln_dataset *dataset)
{
    bool labels = t->label < t->columns;
    size_t features = t->columns - labels;
    float *values = t->values.items;
    dataset->samples = t->rows;
    dataset->split_by_class = true;
    t->values.items = NULL; /* the data set's from here on */
    KILN_TRY(dataset_take_input(dataset, NULL, KILN_FLOAT32,
                                (kiln_shape){.rank = 1, .dims = {(int64_t)features}}, values,
                                t->values.count * sizeof *values));
    if (labels)
        KILN_TRY(csv_labels_finish(&t->labels, dataset));
    if (t->names) { /* the label's name goes last, and is not counted */
        char *label = labels ? t->names[t->label] : NULL;
        for (size_t i = t->label; i + 1 < t->columns; i++)
            t->names[i] = t->names[i + 1];
        if (labels)
            t->names[t->columns - 1] = label;
        KILN_TRY(dataset_set_feature_names(dataset, features, (const char *const *)t->names));
    }
    return KILN_OK;
}

kiln_dataset *csv_parse(const char *name, char *content, size_t size, const kiln_dataset_args *args)
{
    table t = {.args = args};
    kiln_dataset *dataset = dataset_new(name);
    if (dataset == NULL)
        return NULL;
    kiln_status status = csv_start(&t.scan, name, content, size);
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
