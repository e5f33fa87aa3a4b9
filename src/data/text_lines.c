/* Lines of text, each a sample: those of a table with a label column, or lines alone. */
#include "data/csv_label.h"
#include "data/text.h"
#include "data/vocabulary.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* A table's cells, or lines. */
typedef struct lines {
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
} lines;

static csv_cell cell_at(const lines *l, size_t row, size_t column)
{
    return l->cells.items[row * l->columns + column];
}

/* ---- reading ---- */

static bool ends_with(const char *whole, const char *end)
{
    size_t a = strlen(whole), b = strlen(end);
    return a >= b && strcasecmp(whole + a - b, end) == 0;
}

/* Is name one of the cells of a line? */
static bool has_name(const char *line, const char *end, const char *name)
{
    static const char around[] = "\t,;|\"\r";
    size_t n = strlen(name);
    for (const char *at = line; n > 0 && at + n <= end; at++)
        if (memcmp(at, name, n) == 0 && (at == line || strchr(around, at[-1])) &&
            (at + n == end || strchr(around, at[n])))
            return true;
    return false;
}

/* Does the first line name the columns of a model? */
static bool has_kept_names(const kiln_text_dataset_args *a, const char *content, size_t size)
{
    const char *stop = memchr(content, '\n', size), *end = stop ? stop : content + size;
    return a->kept_text_column && a->kept_label_column &&
           has_name(content, end, a->kept_text_column) &&
           has_name(content, end, a->kept_label_column);
}

static bool is_table(const text_request *r, const char *content, size_t size)
{
    return ends_with(r->name, ".tsv") || ends_with(r->name, ".csv") || r->args->text_column ||
           r->args->label_column || r->args->labels == KILN_YES ||
           has_kept_names(r->args, content, size);
}

static kiln_status add_row(lines *l, int64_t line, size_t count, const csv_cell *cells)
{
    if (l->numbers.count == INT32_MAX)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d rows", l->r->name, INT32_MAX);
    KILN_TRY(MEM_PUSH_ROOM(&l->numbers));
    KILN_TRY(mem_grow(&l->cells.items, &l->cells.capacity, l->cells.count + count,
                      sizeof *l->cells.items));
    for (size_t i = 0; i < count; i++)
        l->cells.items[l->cells.count++] = cells[i];
    l->numbers.items[l->numbers.count++] = line;
    return KILN_OK;
}

static kiln_status read_table(lines *l, char *content, size_t size)
{
    bool more;
    KILN_TRY(csv_start(&l->scan, l->r->name, content, size));
    l->scan.plain = l->scan.separator == '\t'; /* messages hold quotes of their own */
    for (;;) {
        KILN_TRY(csv_next(&l->scan, &more));
        if (!more)
            return KILN_OK;
        if (l->columns == 0)
            l->columns = l->scan.count;
        if (l->scan.count != l->columns)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: line %" PRId64 " has %zu columns, but line %" PRId64
                             " has %zu; put texts with the separator in them in quotes, or give a "
                             ".tsv file",
                             l->r->name, l->scan.line, l->scan.count, l->numbers.items[0],
                             l->columns);
        KILN_TRY(add_row(l, l->scan.line, l->scan.count, l->scan.items));
    }
}

static kiln_status read_lines(lines *l, char *content, size_t size)
{
    int64_t line = 1;
    l->columns = 1;
    for (char *p = content, *end = content + size; p < end; line++) {
        char *stop = memchr(p, '\n', (size_t)(end - p)), *next = stop ? stop + 1 : end;
        if (stop == NULL)
            stop = end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        csv_cell cell = {.text = p, .length = (size_t)(stop - p)};
        bool blank = true;
        for (size_t i = 0; i < cell.length; i++)
            blank = blank && (p[i] == ' ' || p[i] == '\t');
        if (!blank)
            KILN_TRY(add_row(l, line, 1, &cell));
        p = next;
    }
    return KILN_OK;
}

/* ---- which column is what ---- */

static bool is_cell(csv_cell cell, const char *word)
{
    return cell.length == strlen(word) && memcmp(cell.text, word, cell.length) == 0;
}

static kiln_status find_column(const lines *l, const char *what, const char *given, size_t *column,
                               bool *header)
{
    for (size_t i = 0; i < l->columns; i++)
        if (is_cell(cell_at(l, 0, i), given)) {
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
static kiln_status find_kept(const lines *l, const char *what, const char *kept, size_t *column,
                             bool *header)
{
    if (find_column(l, what, kept, column, header) == KILN_OK)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "%s: has no column '%.80s' in its first line, where the model's %s is; name "
                     "the column that it is in here with --%s-column (%s_column)",
                     l->r->name, kept, what, what, what);
}

static size_t longest_column(const lines *l)
{
    size_t best = 0, most = 0;
    for (size_t c = 0; c < l->columns; c++) {
        size_t bytes = 0;
        for (size_t i = 0; i < l->numbers.count; i++)
            bytes += c == l->label ? 0 : cell_at(l, i, c).length;
        if (bytes > most) {
            most = bytes;
            best = c;
        }
    }
    return best;
}

/* How many values a column has, and how many of them stand in it only once. alone: the first row's
 * does. */
static kiln_status count_values(const lines *l, size_t column, size_t *values, size_t *single,
                                bool *alone)
{
    token_counts counts = {0};
    kiln_status status = KILN_OK;
    char none[] = "none";
    const model_text whole = {.split = none};
    for (size_t i = 0; i < l->numbers.count && status == KILN_OK; i++) {
        csv_cell cell = cell_at(l, i, column);
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

static bool is_known(const lines *l, csv_cell cell)
{
    for (size_t i = 0; i < l->r->args->class_count; i++)
        if (is_cell(cell, l->r->args->class_names[i]))
            return true;
    return false;
}

/* How many cells of a column, but for the first where there are others, are known classes; *all: is
 * that each of them? */
static size_t count_known(const lines *l, size_t column, bool *all)
{
    size_t known = 0, start = l->numbers.count > 1;
    for (size_t i = start; i < l->numbers.count; i++)
        known += is_known(l, cell_at(l, i, column));
    *all = known == l->numbers.count - start;
    return known;
}

/* The column all of whose cells are known classes; or the one with most of them, where there must
 * be one. */
static size_t known_column(const lines *l, bool must)
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
static kiln_status fewest_column(const lines *l, size_t *column)
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
static kiln_status find_header(lines *l, bool named)
{
    size_t values = 0, single = 0;
    bool alone = false;
    if (named) {
        l->first = 1;
    } else if (l->label < l->columns && l->r->args->class_count) {
        l->first = !is_known(l, cell_at(l, 0, l->label));
    } else if (l->label < l->columns) {
        KILN_TRY(count_values(l, l->label, &values, &single, &alone));
        l->first = alone && single == 1 && values > 1 && l->numbers.count > 3;
    }
    return KILN_OK;
}

/* The text's column as it is given, or as it was for the model. */
static kiln_status find_text(lines *l, bool *named)
{
    const kiln_text_dataset_args *a = l->r->args;
    if (a->text_column)
        return find_column(l, "text", a->text_column, &l->text, named);
    if (a->kept_text_column == NULL)
        return KILN_OK;
    if (l->columns > 1)
        return find_kept(l, "text", a->kept_text_column, &l->text, named);
    l->text = 0;
    *named = is_cell(cell_at(l, 0, 0), a->kept_text_column);
    return KILN_OK;
}

/* The label's column as it was for the model. Where no labels are needed it may be missing, or have
 * others in it. */
static kiln_status find_kept_label(lines *l, bool *named)
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

static kiln_status choose_columns(lines *l)
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
static bool is_named(const lines *l, size_t column)
{
    csv_cell name = l->first ? cell_at(l, 0, column) : (csv_cell){0};
    for (size_t c = 0; c < l->columns && name.length; c++) {
        csv_cell other = cell_at(l, 0, c);
        if (c != column && other.length == name.length &&
            memcmp(other.text, name.text, name.length) == 0)
            return false;
    }
    return name.length > 0;
}

/* Which column later texts of the model are read from: that of this name, else, where somebody said
 * which, of this index. */
static kiln_status keep_column(const lines *l, size_t column, const char *given, char **kept)
{
    free(*kept);
    *kept = NULL;
    if (column == l->columns || !(is_named(l, column) || given))
        return KILN_OK;
    csv_cell name = cell_at(l, 0, column);
    *kept = is_named(l, column) ? str_format("%.*s", (int)name.length, name.text)
                                : str_format("%zu", column);
    return *kept ? KILN_OK : kiln_last_status();
}

static void say_column(const lines *l, text *out, const char *what, size_t column)
{
    csv_cell name = cell_at(l, 0, column);
    if (is_named(l, column))
        text_add(out, "%s from '%.*s'", what, (int)name.length, name.text);
    else
        text_add(out, "%s from column %zu", what, column);
}

/* Notes the columns for later texts, and in words. */
static kiln_status keep_columns(lines *l, kiln_dataset *dataset)
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

/* ---- the split ---- */

/* Labels of all rows, as a data set that can be split. */
static kiln_status read_labels(lines *l, kiln_dataset *labelled)
{
    csv_labels labels = {.file = l->r->name,
                         .column = l->label,
                         .known_count = l->r->args->class_count,
                         .known = l->r->args->class_names};
    kiln_status status = KILN_OK;
    if (l->label == l->columns)
        return KILN_OK;
    for (size_t i = l->first; i < l->numbers.count && status == KILN_OK; i++)
        status = csv_labels_add(&labels, cell_at(l, i, l->label), l->numbers.items[i]);
    if (status == KILN_OK)
        status = csv_labels_finish(&labels, labelled);
    csv_labels_free(&labels);
    if (status == KILN_OK && labelled->class_names == NULL)
        status = kiln_fail(KILN_ERROR_FORMAT,
                           "%s: column %zu holds numbers of many values, not classes; name the "
                           "label column",
                           l->r->name, l->label);
    if (status == KILN_OK && labels.known_count == 0 && labelled->class_count == 1)
        status = kiln_fail(KILN_ERROR_FORMAT,
                           "%s: column %zu, the label, is '%.80s' in every line; give lines of at "
                           "least two classes, or name another label column",
                           l->r->name, l->label, labelled->class_names[0]);
    return status;
}

static kiln_status number_rows(lines *l, kiln_dataset *labelled)
{
    int32_t *rows = mem_new((size_t)labelled->samples, sizeof *rows);
    for (int64_t i = 0; rows && i < labelled->samples; i++)
        rows[i] = (int32_t)(l->first + (size_t)i);
    return dataset_take_input(labelled, NULL, KILN_INT32, (kiln_shape){0}, rows,
                              (size_t)labelled->samples * sizeof *rows);
}

static kiln_status note_rows(lines *l, const kiln_dataset *wanted, const kiln_dataset *other)
{
    const kiln_dataset *const parts[] = {wanted, other};
    size_t count = 0;
    l->row_count = (size_t)wanted->samples;
    l->other_count = other ? (size_t)other->samples : 0;
    l->rows = mem_new(l->row_count + l->other_count, sizeof *l->rows);
    if (l->rows == NULL)
        return kiln_last_status();
    for (size_t p = 0; p < 2; p++)
        for (int64_t i = 0; parts[p] && i < parts[p]->samples; i++)
            l->rows[count++] = ((const int32_t *)parts[p]->inputs[0].data)[i];
    return KILN_OK;
}

/* Which rows are wanted; their labels become the data set's target. */
static kiln_status choose_rows(lines *l, kiln_dataset *dataset)
{
    const text_request *r = l->r;
    kiln_dataset *all = dataset_new(r->name), *parts[2] = {NULL, NULL};
    if (all == NULL)
        return kiln_last_status();
    all->samples = (int64_t)(l->numbers.count - l->first);
    kiln_status status = read_labels(l, all);
    if (status == KILN_OK)
        status = number_rows(l, all);
    if (status == KILN_OK && r->args->validation_split != 0)
        status = kiln_dataset_split(all, r->args->validation_split, r->args->seed, 1, &parts[0],
                                    &parts[1]);
    const kiln_dataset *wanted = parts[0] ? parts[r->validation] : all,
                       *other = parts[0] ? parts[!r->validation] : NULL;
    if (status == KILN_OK)
        status = note_rows(l, wanted, other);
    if (status == KILN_OK) {
        dataset->samples = wanted->samples;
        dataset->split_by_class = true;
        if (wanted->target_count)
            status = dataset_share_column(dataset, true, NULL, &wanted->targets[0], 0);
    }
    if (status == KILN_OK && all->class_names)
        status = dataset_set_class_names(dataset, all->class_count,
                                         (const char *const *)all->class_names);
    kiln_dataset_free(parts[0]);
    kiln_dataset_free(parts[1]);
    kiln_dataset_free(all);
    return status;
}

/* ---- the texts ---- */

/* What a line is called when it is shown: its text, cut. */
static char *shown_text(csv_cell cell)
{
    size_t length = cell.length, most = 48;
    if (length > most)
        for (length = most; length > 0 && ((unsigned char)cell.text[length] & 0xC0) == 0x80;)
            length--;
    char *out = str_format("%.*s%s", (int)length, cell.text, length < cell.length ? "..." : "");
    for (char *c = out; c && *c; c++)
        *c = (unsigned char)*c < 32 ? ' ' : *c;
    return out;
}

static kiln_status name_samples(const lines *l, kiln_dataset *dataset)
{
    dataset->sample_names = mem_new(l->row_count, sizeof *dataset->sample_names);
    for (size_t i = 0; dataset->sample_names && i < l->row_count; i++) {
        dataset->sample_names[i] = shown_text(cell_at(l, (size_t)l->rows[i], l->text));
        if (dataset->sample_names[i] == NULL)
            return kiln_last_status();
    }
    return dataset->sample_names ? KILN_OK : kiln_last_status();
}

/* The vocabulary and the length of a sample, from the training part. */
static kiln_status learn(lines *l, const intern_text *texts)
{
    text_request *r = l->r;
    bool second = r->validation;
    const intern_text *from = second ? texts + l->row_count : texts;
    size_t count = second ? l->other_count : l->row_count;
    token_counts counts = {0};
    kiln_status status = KILN_OK;
    if (r->rules.length == 0)
        KILN_TRY(text_longest(&r->rules, count, from, true, &r->rules.length));
    if (r->rules.tokens)
        return KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = token_counts_add(&counts, &r->rules, from[i].text, from[i].length);
    if (status == KILN_OK)
        status = token_counts_finish(&counts, true, r->args->max_tokens, &r->rules);
    token_counts_free(&counts);
    return status;
}

static kiln_status fill_texts(lines *l, kiln_dataset *dataset)
{
    text_request *r = l->r;
    size_t count = l->row_count + l->other_count;
    KILN_TRY(name_samples(l, dataset));
    intern_text *texts = mem_new(count, sizeof *texts);
    if (texts == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < count; i++) {
        csv_cell cell = cell_at(l, (size_t)l->rows[i], l->text);
        char *bytes = (char *)cell.text; /* inside the content, which is ours to change */
        texts[i] = (intern_text){bytes, text_standardize(&r->rules, bytes, cell.length)};
    }
    kiln_status status = learn(l, texts);
    if (status == KILN_OK && !model_text_reserves(&r->rules))
        status = kiln_fail(KILN_ERROR_ARGUMENT,
                           "%s: the vocabulary of lines begins with '' and '[UNK]'; this one does "
                           "not",
                           r->name);
    if (status == KILN_OK) {
        int32_t *numbers = text_encode(&r->rules, r->name, l->row_count, texts);
        status = numbers
                     ? dataset_take_input(dataset, NULL, KILN_INT32,
                                          (kiln_shape){1, {r->rules.length}}, numbers,
                                          l->row_count * (size_t)r->rules.length * sizeof *numbers)
                     : kiln_last_status();
    }
    free(texts);
    return status;
}

static kiln_status fill(lines *l, char *content, size_t size, kiln_dataset *dataset)
{
    l->table = is_table(l->r, content, size);
    KILN_TRY(l->table ? read_table(l, content, size) : read_lines(l, content, size));
    if (l->numbers.count == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has only blank lines; give a file with text in it",
                         l->r->name);
    KILN_TRY(choose_columns(l));
    if (l->numbers.count == l->first)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has a header but no rows", l->r->name);
    KILN_TRY(keep_columns(l, dataset));
    KILN_TRY(choose_rows(l, dataset));
    return fill_texts(l, dataset);
}

kiln_status text_lines_fill(text_request *r, char *content, size_t size, kiln_dataset *dataset)
{
    lines l = {.r = r};
    kiln_status status = fill(&l, content, size, dataset);
    csv_end(&l.scan);
    free(l.cells.items);
    free(l.numbers.items);
    free(l.rows);
    return status;
}
