#include "data/csv_table.h"

#include "data/csv_comma.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

void csv_table_close(csv_table *t)
{
    for (size_t i = 0; t->names && i < t->columns; i++)
        free(t->names[i]);
    free(t->names);
    csv_end(&t->scan);
    *t = (csv_table){.columns = 0};
}

/* A first row without any number is a header: a row of data has at least one. */
static bool is_header(const csv_scan *scan)
{
    double value;
    for (size_t i = 0; i < scan->count; i++)
        if (csv_number(scan->items[i], &value) ||
            csv_comma_number(scan, scan->items[i], &value) != COMMA_NONE)
            return false;
    return true;
}

static kiln_status keep_names(csv_table *t)
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

kiln_status csv_table_open(csv_table *t, const char *file, char *content, size_t size)
{
    bool more;
    *t = (csv_table){.columns = 0};
    KILN_TRY(csv_start(&t->scan, file, content, size));
    KILN_TRY(csv_next(&t->scan, &more));
    if (!more)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is empty", file);
    t->columns = t->scan.count;
    t->first_line = t->scan.line;
    if (!is_header(&t->scan))
        return KILN_OK;
    KILN_TRY(keep_names(t));
    KILN_TRY(csv_table_next(t, &more));
    if (!more)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has a header but no rows", file);
    return KILN_OK;
}

kiln_status csv_table_next(csv_table *t, bool *more)
{
    const csv_scan *scan = &t->scan;
    KILN_TRY(csv_next(&t->scan, more));
    if (!*more || scan->count == t->columns)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: line %" PRId64 " has %zu columns, but line %" PRId64
                     " has %zu (separator %s)",
                     scan->file, scan->line, scan->count, t->first_line, t->columns,
                     scan->separator == '\t'  ? "tab"
                     : scan->separator == ';' ? "';'"
                     : scan->separator == '|' ? "'|'"
                                              : "','");
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

kiln_status csv_table_find(const csv_table *t, const char *word, const char *what, size_t *column)
{
    const char *file = t->scan.file;
    size_t matches = 0;
    int64_t index;
    for (size_t i = 0; t->names && i < t->columns; i++) {
        if (strcmp(t->names[i], word) == 0) {
            *column = i;
            matches++;
        }
    }
    if (matches == 1)
        return KILN_OK;
    if (matches > 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: %zu columns are called '%s'; give the index of the %s column", file,
                         matches, word, what);
    if (!parse_index(word, &index)) {
        if (t->names == NULL)
            return kiln_fail(
                KILN_ERROR_ARGUMENT,
                "%s: has no header that could name the %s column '%s'; give its index, 0 to %zu",
                file, what, word, t->columns - 1);
        text names = {0};
        for (size_t i = 0; i < t->columns && i < 20; i++)
            text_add(&names, "%s%s", i ? ", " : "", t->names[i]);
        kiln_fail(KILN_ERROR_ARGUMENT, "%s: has no column '%s'; its columns are %s%s", file, word,
                  names.data ? names.data : "", t->columns > 20 ? ", ..." : "");
        text_free(&names);
        return KILN_ERROR_ARGUMENT;
    }
    if (index < -(int64_t)t->columns || index >= (int64_t)t->columns)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the %s column %" PRId64 " is outside its columns, 0 to %zu", file,
                         what, index, t->columns - 1);
    *column = (size_t)(index < 0 ? index + (int64_t)t->columns : index);
    return KILN_OK;
}

kiln_status csv_table_bad_cell(const csv_table *t, size_t column, const char *what)
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

kiln_status csv_table_number(const csv_table *t, size_t column, float *value)
{
    double number;
    if (!csv_number(t->scan.items[column], &number))
        return csv_table_bad_cell(t, column,
                                  is_nan_or_infinity(t->scan.items[column])
                                      ? "is no finite number; remove or fill such cells"
                                      : "is text where a number is needed");
    *value = (float)number;
    return isinf(*value) ? csv_table_bad_cell(t, column, "does not fit into float32") : KILN_OK;
}
