/* Which column of labelled lines is the text, which the label. */
#include "data/text_lines.h"
#include "data/vocabulary.h"

#include <inttypes.h>
#include <string.h>

static bool is_cell(csv_cell cell, const char *word)
{
    return cell.length == strlen(word) && memcmp(cell.text, word, cell.length) == 0;
}

static kiln_status find_column(const text_lines *l, const char *what, const char *given, size_t *column,
                               bool *header)
{
    for (size_t i = 0; i < l->columns; i++)
        if (is_cell(lines_cell(l, 0, i), given)) {
            *column = i;
            *header = true;
            return KILN_OK;
        }
    char *end;
    long long index = strtoll(given, &end, 10);
    if (end == given || *end)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: has no %s column '%s' in its first line; give its name there, or its "
                         "index from 0",
                         l->r->name, what, given);
    if (index < -(long long)l->columns || index >= (long long)l->columns)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the %s column %lld is outside its columns, 0 to %zu", l->r->name,
                         what, index, l->columns - 1);
    *column = (size_t)(index < 0 ? index + (long long)l->columns : index);
    return KILN_OK;
}

/* The column of a model in another table: its name must be there. */
static kiln_status find_kept(const text_lines *l, const char *what, const char *kept, size_t *column,
                             bool *header)
{
    if (find_column(l, what, kept, column, header) == KILN_OK)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "%s: has no column '%.80s' in its first line, where the model's %s is; name "
                     "the column that it is in here with --%s-column (%s_column)",
                     l->r->name, kept, what, what, what);
}

static size_t longest_column(const text_lines *l)
{
    size_t best = 0, most = 0;
    for (size_t c = 0; c < l->columns; c++) {
        size_t bytes = 0;
        for (size_t i = 0; i < l->numbers.count; i++)
            bytes += c == l->label ? 0 : lines_cell(l, i, c).length;
        if (bytes > most) {
            most = bytes;
            best = c;
        }
    }
    return best;
}

/* How many values a column has, and how many of them stand in it only once. alone: the first row's
 * does. */
static kiln_status count_values(const text_lines *l, size_t column, size_t *values, size_t *single,
                                bool *alone)
{
    token_counts counts = {0};
    kiln_status status = KILN_OK;
    char none[] = "none";
    const model_text whole = {.split = none};
    for (size_t i = 0; i < l->numbers.count && status == KILN_OK; i++) {
        csv_cell cell = lines_cell(l, i, column);
        status = token_counts_add(&counts, &whole, cell.text, cell.length);
    }
    *values = counts.times.count;
    *single = 0;
    for (size_t i = 0; i < counts.times.count; i++)
        *single += counts.times.items[i] == 1;
    *alone = counts.times.count > 0 && counts.times.items[0] == 1;
    token_counts_free(&counts);
    return status;
}

static bool is_known(const text_lines *l, csv_cell cell)
{
    for (size_t i = 0; i < l->r->args->class_count; i++)
        if (is_cell(cell, l->r->args->class_names[i]))
            return true;
    return false;
}

/* How many cells of a column, but for the first where there are others, are known classes; *all: is
 * that each of them? */
static size_t count_known(const text_lines *l, size_t column, bool *all)
{
    size_t known = 0, start = l->numbers.count > 1;
    for (size_t i = start; i < l->numbers.count; i++)
        known += is_known(l, lines_cell(l, i, column));
    *all = known == l->numbers.count - start;
    return known;
}

/* The column all of whose cells are known classes; or the one with most of them, where there must
 * be one. */
static size_t known_column(const text_lines *l, bool must)
{
    size_t best = l->columns, most = 0;
    for (size_t c = 0; c < l->columns; c++) {
        bool all;
        size_t known = count_known(l, c, &all);
        if (all)
            return c;
        if (must && known > most) {
            most = known;
            best = c;
        }
    }
    return best;
}

/* The one of the other columns with the fewest values. */
static kiln_status fewest_column(const text_lines *l, size_t *column)
{
    size_t least = SIZE_MAX;
    for (size_t c = 0; c < l->columns; c++) {
        size_t values, single;
        bool alone;
        if (c == l->text)
            continue;
        KILN_TRY(count_values(l, c, &values, &single, &alone));
        if (values < least) {
            least = values;
            *column = c;
        }
    }
    return KILN_OK;
}

/* A first row whose label occurs nowhere else, while all others do, is a header. */
static kiln_status find_header(text_lines *l, bool named)
{
    size_t values = 0, single = 0;
    bool alone = false;
    if (named) {
        l->first = 1;
    } else if (l->label < l->columns && l->r->args->class_count) {
        l->first = !is_known(l, lines_cell(l, 0, l->label));
    } else if (l->label < l->columns) {
        KILN_TRY(count_values(l, l->label, &values, &single, &alone));
        l->first = alone && single == 1 && values > 1 && l->numbers.count > 3;
    }
    return KILN_OK;
}

/* The text's column as it is given, or as it was for the model. */
static kiln_status find_text(text_lines *l, bool *named)
{
    const kiln_text_dataset_args *a = l->r->args;
    if (a->text_column)
        return find_column(l, "text", a->text_column, &l->text, named);
    if (a->kept_text_column == NULL)
        return KILN_OK;
    if (l->columns > 1)
        return find_kept(l, "text", a->kept_text_column, &l->text, named);
    l->text = 0;
    *named = is_cell(lines_cell(l, 0, 0), a->kept_text_column);
    return KILN_OK;
}

/* The label's column as it was for the model. Where no labels are needed it may be missing, or have
 * others in it. */
static kiln_status find_kept_label(text_lines *l, bool *named)
{
    const kiln_text_dataset_args *a = l->r->args;
    bool must = a->labels == KILN_YES, all;
    if (l->columns == 1)
        return KILN_OK;
    kiln_status status = find_kept(l, "label", a->kept_label_column, &l->label, named);
    if (must)
        return status;
    kiln_clear_error();
    if (l->label < l->columns && a->class_count) {
        count_known(l, l->label, &all);
        if (!all || l->label == l->text)
            l->label = l->columns;
    }
    return KILN_OK;
}

kiln_status text_lines_choose_columns(text_lines *l)
{
    const kiln_text_dataset_args *a = l->r->args;
    bool named = false;
    l->label = l->text = l->columns;
    KILN_TRY(find_text(l, &named));
    if (a->labels == KILN_NO) {
        if (l->text == l->columns)
            l->text = longest_column(l);
        return find_header(l, named);
    }
    if (a->label_column)
        KILN_TRY(find_column(l, "label", a->label_column, &l->label, &named));
    else if (a->kept_label_column)
        KILN_TRY(find_kept_label(l, &named));
    else if (a->class_count)
        l->label = known_column(l, a->labels == KILN_YES);
    if (l->text == l->columns)
        l->text = longest_column(l);
    if (l->label == l->columns && l->columns > 1 && a->class_count == 0)
        KILN_TRY(fewest_column(l, &l->label));
    if (l->label == l->columns && a->labels == KILN_YES && a->class_count && l->columns > 1)
        KILN_TRY(fewest_column(l, &l->label)); /* csv_labels says which label is unknown */
    if (l->label == l->columns && a->labels == KILN_YES)
        return kiln_fail(
            KILN_ERROR_FORMAT,
            "%s: line %" PRId64
            ": has 1 column; a label and a text are needed, separated by a tab, comma, "
            "semicolon or bar",
            l->r->name, l->numbers.items[0]);
    if (l->label == l->text)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: column %zu cannot be both the text and the label; name two columns",
                         l->r->name, l->text);
    return find_header(l, named);
}

/* Does the header have a name for this column, and for no other? */
static bool is_named(const text_lines *l, size_t column)
{
    csv_cell name = l->first ? lines_cell(l, 0, column) : (csv_cell){0};
    for (size_t c = 0; c < l->columns && name.length; c++) {
        csv_cell other = lines_cell(l, 0, c);
        if (c != column && other.length == name.length &&
            memcmp(other.text, name.text, name.length) == 0)
            return false;
    }
    return name.length > 0;
}

/* Which column later texts of the model are read from: that of this name, else, where somebody said
 * which, of this index. */
static kiln_status keep_column(const text_lines *l, size_t column, const char *given, char **kept)
{
    free(*kept);
    *kept = NULL;
    if (column == l->columns || !(is_named(l, column) || given))
        return KILN_OK;
    csv_cell name = lines_cell(l, 0, column);
    *kept = is_named(l, column) ? str_format("%.*s", (int)name.length, name.text)
                                : str_format("%zu", column);
    return *kept ? KILN_OK : kiln_last_status();
}

static void say_column(const text_lines *l, text *out, const char *what, size_t column)
{
    csv_cell name = lines_cell(l, 0, column);
    if (is_named(l, column))
        text_add(out, "%s from '%.*s'", what, (int)name.length, name.text);
    else
        text_add(out, "%s from column %zu", what, column);
}

kiln_status text_lines_keep_columns(text_lines *l, kiln_dataset *dataset)
{
    const kiln_text_dataset_args *a = l->r->args;
    const char *given_text = a->text_column ? a->text_column : a->kept_text_column,
               *given_label = a->label_column ? a->label_column : a->kept_label_column;
    text words = {0};
    if (!l->table)
        return KILN_OK;
    KILN_TRY(keep_column(l, l->text, given_text, &l->r->rules.text_column));
    KILN_TRY(keep_column(l, l->label, given_label, &l->r->rules.label_column));
    say_column(l, &words, "text", l->text);
    if (l->label < l->columns)
        say_column(l, &words, ", labels", l->label);
    text_add(&words,
             l->first ? "; the first line names the columns" : "; no line names the columns");
    dataset->columns_read = words.failed ? NULL : words.data;
    if (words.failed)
        text_free(&words);
    return dataset->columns_read ? KILN_OK : kiln_fail_memory(words.length);
}
