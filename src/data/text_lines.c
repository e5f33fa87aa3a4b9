/* Lines of text, each a sample: those of a table with a label column, or lines alone. */
#include "data/text_lines.h"
#include "data/vocabulary.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

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

static kiln_status add_row(text_lines *l, int64_t line, size_t count, const csv_cell *cells)
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

static kiln_status read_table(text_lines *l, char *content, size_t size)
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

static kiln_status read_lines(text_lines *l, char *content, size_t size)
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

/* ---- the split ---- */

/* Labels of all rows, as a data set that can be split. */
static kiln_status read_labels(text_lines *l, kiln_dataset *labelled)
{
    csv_labels labels = {.file = l->r->name,
                         .column = l->label,
                         .known_count = l->r->args->class_count,
                         .known = l->r->args->class_names};
    kiln_status status = KILN_OK;
    if (l->label == l->columns)
        return KILN_OK;
    for (size_t i = l->first; i < l->numbers.count && status == KILN_OK; i++)
        status = csv_labels_add(&labels, lines_cell(l, i, l->label), l->numbers.items[i]);
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

static kiln_status number_rows(text_lines *l, kiln_dataset *labelled)
{
    int32_t *rows = mem_new((size_t)labelled->samples, sizeof *rows);
    for (int64_t i = 0; rows && i < labelled->samples; i++)
        rows[i] = (int32_t)(l->first + (size_t)i);
    return dataset_take_input(labelled, NULL, KILN_INT32, (kiln_shape){0}, rows,
                              (size_t)labelled->samples * sizeof *rows);
}

static kiln_status note_rows(text_lines *l, const kiln_dataset *wanted, const kiln_dataset *other)
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
static kiln_status choose_rows(text_lines *l, kiln_dataset *dataset)
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

static kiln_status name_samples(const text_lines *l, kiln_dataset *dataset)
{
    dataset->sample_names = mem_new(l->row_count, sizeof *dataset->sample_names);
    for (size_t i = 0; dataset->sample_names && i < l->row_count; i++) {
        dataset->sample_names[i] = shown_text(lines_cell(l, (size_t)l->rows[i], l->text));
        if (dataset->sample_names[i] == NULL)
            return kiln_last_status();
    }
    return dataset->sample_names ? KILN_OK : kiln_last_status();
}

/* The vocabulary and the length of a sample, from the training part. */
static kiln_status learn(text_lines *l, const intern_text *texts)
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

static kiln_status fill_texts(text_lines *l, kiln_dataset *dataset)
{
    text_request *r = l->r;
    size_t count = l->row_count + l->other_count;
    KILN_TRY(name_samples(l, dataset));
    intern_text *texts = mem_new(count, sizeof *texts);
    if (texts == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < count; i++) {
        csv_cell cell = lines_cell(l, (size_t)l->rows[i], l->text);
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

static kiln_status fill(text_lines *l, char *content, size_t size, kiln_dataset *dataset)
{
    l->table = is_table(l->r, content, size);
    KILN_TRY(l->table ? read_table(l, content, size) : read_lines(l, content, size));
    if (l->numbers.count == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has only blank lines; give a file with text in it",
                         l->r->name);
    KILN_TRY(text_lines_choose_columns(l));
    if (l->numbers.count == l->first)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has a header but no rows", l->r->name);
    KILN_TRY(text_lines_keep_columns(l, dataset));
    KILN_TRY(choose_rows(l, dataset));
    return fill_texts(l, dataset);
}

kiln_status text_lines_fill(text_request *r, char *content, size_t size, kiln_dataset *dataset)
{
    text_lines l = {.r = r};
    kiln_status status = fill(&l, content, size, dataset);
    csv_end(&l.scan);
    free(l.cells.items);
    free(l.numbers.items);
    free(l.rows);
    return status;
}
