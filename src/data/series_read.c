/* Reading a series from a CSV file. */
#include "data/series.h"

#include "base/file.h"
#include "data/csv_comma.h"
#include "data/csv_table.h"
#include "data/series_order.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

/* A cell that says how numbers are written. */
typedef struct sign_seen {
    int64_t line; /* 0: there was none */
    char shown[CSV_SHOWN];
} sign_seen;

/* A file while it is read. */
typedef struct reading {
    csv_table csv;
    size_t *columns; /* of the file, by column of the series */
    size_t date;     /* column of dates; == csv.columns: none */
    int64_t *lines;  /* of the file, by row; where there are dates */
    sign_seen comma, point;
    size_t value_capacity, date_capacity, line_capacity;
} reading;

void series_free(series_table *t)
{
    for (size_t i = 0; t->names && i < t->columns; i++)
        free(t->names[i]);
    for (int64_t i = 0; t->dates && i < t->rows; i++)
        free(t->dates[i]);
    free(t->file);
    free(t->names);
    free(t->values);
    free(t->dates);
    free(t->date_name);
    text_free(&t->notes);
    *t = (series_table){.rows = 0};
}

/* ---- columns ---- */

static bool is_named_date(const csv_table *csv, size_t column)
{
    static const char *const words[] = {"date", "day",       "month",    "time",
                                        "year", "timestamp", "datetime", "ds"};
    for (size_t i = 0; csv->names && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(csv->names[column], words[i]) == 0)
            return true;
    return false;
}

static bool is_number(const csv_table *csv, size_t column)
{
    double value;
    csv_cell cell = csv->scan.items[column];
    return csv_number(cell, &value) || csv_comma_number(&csv->scan, cell, &value) != COMMA_NONE;
}

/* Can the first row's cell be read as a date? Of numbers these are 20200131 alone. */
static bool is_date(const csv_table *csv, size_t column)
{
    char word[CSV_SHOWN];
    csv_cell cell = csv->scan.items[column];
    series_date date;
    bool found = false;
    if (cell.length >= sizeof word)
        return false;
    snprintf(word, sizeof word, "%.*s", (int)cell.length, cell.text);
    int orders = is_number(csv, column) ? ORDER_COMPACT + 1 : ORDER_NUMBER;
    for (int order = 0; order < orders && !found; order++)
        found = series_date_read(word, &(series_format){.order = (enum series_order)order}, &date);
    return found;
}

/* How much a column looks like one of dates; 0: not at all. A number that is a date without a name
 * that says so, 20200131, is one in the first column alone. */
static int date_rank(const csv_table *csv, size_t column)
{
    bool named = is_named_date(csv, column), number = is_number(csv, column);
    if (is_date(csv, column) && (named || !number || (column == 0 && csv->columns > 1)))
        return named ? 4 : number ? 2 : 3;
    return named ? 2 : !number;
}

static bool is_chosen(const reading *r, const series_table *t, size_t column)
{
    for (size_t i = 0; i < t->columns; i++)
        if (r->columns[i] == column)
            return true;
    return false;
}

/* Does a name find the column, and no other? */
static bool has_own_name(const csv_table *csv, size_t column)
{
    size_t same = 0;
    for (size_t i = 0; csv->names && i < csv->columns; i++)
        same += strcmp(csv->names[i], csv->names[column]) == 0;
    return same == 1 && csv->names[column][0];
}

static kiln_status add_column(reading *r, series_table *t, size_t column)
{
    if (is_chosen(r, t, column))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: column %zu is asked for twice", t->file,
                         column + 1);
    char *name =
        has_own_name(&r->csv, column) ? str_copy(r->csv.names[column]) : str_format("%zu", column);
    if (name == NULL)
        return kiln_last_status();
    r->columns[t->columns] = column;
    t->names[t->columns++] = name;
    return KILN_OK;
}

/* The last column that holds numbers; else the last that may be meant to. */
static size_t last_values(const csv_table *csv)
{
    for (int most = 0; most < 2; most++)
        for (size_t column = csv->columns; column-- > 0;)
            if (date_rank(csv, column) <= most && (most > 0 || is_number(csv, column)))
                return column;
    return 0;
}

static kiln_status choose_columns(reading *r, const series_choice *choice, series_table *t)
{
    const csv_table *csv = &r->csv;
    size_t count = choice->count ? choice->count : 1, column;
    int best = 0;
    r->columns = mem_new(count, sizeof *r->columns);
    t->names = mem_new(count, sizeof *t->names);
    if (r->columns == NULL || t->names == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < choice->count; i++) {
        KILN_TRY(csv_table_find(csv, choice->words[i], "series", &column));
        KILN_TRY(add_column(r, t, column));
    }
    if (choice->count == 0)
        KILN_TRY(add_column(r, t, last_values(csv)));
    r->date = csv->columns;
    for (column = 0; column < csv->columns; column++) {
        int rank = is_chosen(r, t, column) ? 0 : date_rank(csv, column);
        r->date = rank > best ? column : r->date;
        best = rank > best ? rank : best;
    }
    if (r->date == csv->columns)
        return KILN_OK;
    t->date_name = str_copy(csv->names && csv->names[r->date][0] ? csv->names[r->date] : "date");
    return t->date_name ? KILN_OK : kiln_last_status();
}

/* ---- rows ---- */

/* Keeps the first cell that writes its numbers in one way, unless cells before are in another. */
static kiln_status note_sign(reading *r, size_t column, bool comma)
{
    char what[128 + CSV_SHOWN];
    sign_seen *seen = comma ? &r->comma : &r->point, *other = comma ? &r->point : &r->comma;
    if (seen->line == 0) {
        seen->line = r->csv.scan.line;
        csv_show(r->csv.scan.items[column], seen->shown);
    }
    if (other->line == 0)
        return KILN_OK;
    snprintf(what, sizeof what,
             "has a decimal %s, but %s on line %" PRId64 " has a %s; write all numbers alike",
             comma ? "comma" : "point", other->shown, other->line, comma ? "point" : "comma");
    return csv_table_bad_cell(&r->csv, column, what);
}

/* Says once how commas were understood. */
static void say_commas(const reading *r, series_table *t, csv_comma how, double number)
{
    text_add(&t->notes, "%s: commas are taken as %s (line %" PRId64 ": %s is %.9g)\n", t->file,
             how == COMMA_DECIMAL ? "decimal points" : "signs between thousands", r->comma.line,
             r->comma.shown, number);
}

static bool has_digit(csv_cell cell)
{
    for (size_t i = 0; i < cell.length; i++)
        if (isdigit((unsigned char)cell.text[i]))
            return true;
    return false;
}

/* A cell as a number, which may have commas. */
static kiln_status read_value(reading *r, series_table *t, size_t column, float *value)
{
    csv_cell cell = r->csv.scan.items[column];
    double number;
    if (csv_number(cell, &number)) {
        if (r->csv.scan.separator == ';' && memchr(cell.text, '.', cell.length))
            KILN_TRY(note_sign(r, column, false));
        return csv_table_number(&r->csv, column, value);
    }
    csv_comma comma = csv_comma_number(&r->csv.scan, cell, &number);
    if (comma == COMMA_NONE && has_digit(cell) && !is_date(&r->csv, column))
        return csv_table_bad_cell(&r->csv, column,
                                  "is text where a number is needed; write 1234.5, with a decimal "
                                  "point and nothing between thousands or around it");
    if (comma == COMMA_NONE)
        return csv_table_number(&r->csv, column, value); /* says what is wrong */
    bool first = r->comma.line == 0;
    KILN_TRY(note_sign(r, column, true));
    if (first)
        say_commas(r, t, comma, number);
    *value = (float)number;
    return isinf(*value) ? csv_table_bad_cell(&r->csv, column, "does not fit into float32")
                         : KILN_OK;
}

static kiln_status add_date(reading *r, series_table *t)
{
    csv_cell cell = r->csv.scan.items[r->date];
    size_t rows = (size_t)t->rows;
    KILN_TRY(mem_grow(&t->dates, &r->date_capacity, rows + 1, sizeof *t->dates));
    KILN_TRY(mem_grow(&r->lines, &r->line_capacity, rows + 1, sizeof *r->lines));
    r->lines[rows] = r->csv.scan.line;
    t->dates[rows] = str_format("%.*s", (int)cell.length, cell.text);
    return t->dates[rows] ? KILN_OK : kiln_last_status();
}

static kiln_status add_row(reading *r, series_table *t)
{
    size_t count = (size_t)t->rows * t->columns;
    if (t->rows == INT32_MAX / 2)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d rows", t->file, INT32_MAX / 2);
    KILN_TRY(mem_grow(&t->values, &r->value_capacity, count + t->columns, sizeof *t->values));
    for (size_t i = 0; i < t->columns; i++)
        KILN_TRY(read_value(r, t, r->columns[i], &t->values[count + i]));
    if (r->date < r->csv.columns)
        KILN_TRY(add_date(r, t));
    t->rows++;
    return KILN_OK;
}

static kiln_status read_text(char *content, size_t size, const series_choice *choice, reading *r,
                             series_table *t)
{
    KILN_TRY(csv_table_open(&r->csv, t->file, content, size));
    KILN_TRY(choose_columns(r, choice, t));
    bool dated = r->date < r->csv.columns, named = dated && is_named_date(&r->csv, r->date);
    bool number = dated && is_number(&r->csv, r->date);
    for (bool more = true; more;) {
        KILN_TRY(add_row(r, t));
        KILN_TRY(csv_table_next(&r->csv, &more));
    }
    if (!dated)
        return t->notes.failed ? kiln_fail_memory(t->notes.length) : KILN_OK;
    return series_order(t, &(series_dates_place){.column = r->date,
                                                 .lines = r->lines,
                                                 .named = named,
                                                 .if_compact = number && !named});
}

kiln_status series_read(const char *path, const series_choice *choice, series_table *t)
{
    void *content;
    size_t size;
    reading r = {.date = 0};
    *t = (series_table){.file = str_copy(path)};
    if (t->file == NULL)
        return kiln_last_status();
    KILN_TRY(file_read(path, SIZE_MAX / 4, &content, &size));
    kiln_status status = read_text(content, size, choice, &r, t);
    csv_table_close(&r.csv);
    free(r.columns);
    free(r.lines);
    free(content);
    return status;
}

kiln_status series_cut(series_table *t, int64_t first, int64_t end)
{
    end = end ? end : t->rows;
    if (first < 0 || end > t->rows || first >= end)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the rows %" PRId64 " to %" PRId64
                         " (excluded) were asked for, but there are %" PRId64,
                         t->file, first, end, t->rows);
    size_t row = t->columns * sizeof *t->values;
    for (int64_t i = 0; t->dates && i < t->rows; i++)
        if (i < first || i >= end)
            free(t->dates[i]);
    if (t->dates)
        memmove(t->dates, t->dates + first, (size_t)(end - first) * sizeof *t->dates);
    memmove(t->values, (char *)t->values + (size_t)first * row, (size_t)(end - first) * row);
    t->rows = end - first;
    return KILN_OK;
}
