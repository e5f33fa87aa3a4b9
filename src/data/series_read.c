/* Reading a series from a CSV file. */
#include "data/series.h"

#include "base/file.h"
#include "data/csv_table.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* A file while it is read. */
typedef struct reading {
    csv_table csv;
    size_t *columns; /* of the file, by column of the series */
    size_t date;     /* column of dates; == csv.columns: none */
    size_t value_capacity, date_capacity;
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

/* Is a column one of dates: named so, or text in the first row? */
static bool may_be_dates(const csv_table *csv, size_t column)
{
    static const char *const words[] = {"date", "day",       "month",    "time",
                                        "year", "timestamp", "datetime", "ds"};
    double value;
    for (size_t i = 0; csv->names && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(csv->names[column], words[i]) == 0)
            return true;
    return !csv_number(csv->scan.items[column], &value);
}

static bool is_chosen(const reading *r, const series_table *t, size_t column)
{
    for (size_t i = 0; i < t->columns; i++)
        if (r->columns[i] == column)
            return true;
    return false;
}

static kiln_status add_column(reading *r, series_table *t, size_t column)
{
    if (is_chosen(r, t, column))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: column %zu is asked for twice", t->file,
                         column + 1);
    char *name = r->csv.names && r->csv.names[column][0] ? str_copy(r->csv.names[column])
                                                         : str_format("%zu", column);
    if (name == NULL)
        return kiln_last_status();
    r->columns[t->columns] = column;
    t->names[t->columns++] = name;
    return KILN_OK;
}

static kiln_status choose_columns(reading *r, const series_choice *choice, series_table *t)
{
    const csv_table *csv = &r->csv;
    size_t count = choice->count ? choice->count : 1, column = csv->columns;
    r->columns = mem_new(count, sizeof *r->columns);
    t->names = mem_new(count, sizeof *t->names);
    if (r->columns == NULL || t->names == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < choice->count; i++) {
        KILN_TRY(csv_table_find(csv, choice->words[i], "series", &column));
        KILN_TRY(add_column(r, t, column));
    }
    if (choice->count == 0) {
        while (column-- > 1 && may_be_dates(csv, column))
            ;
        KILN_TRY(add_column(r, t, column));
    }
    for (r->date = 0; r->date < csv->columns; r->date++)
        if (!is_chosen(r, t, r->date) && may_be_dates(csv, r->date))
            break;
    if (r->date == csv->columns)
        return KILN_OK;
    t->date_name = str_copy(csv->names && csv->names[r->date][0] ? csv->names[r->date] : "date");
    return t->date_name ? KILN_OK : kiln_last_status();
}

static kiln_status add_row(reading *r, series_table *t)
{
    size_t count = (size_t)t->rows * t->columns;
    if (t->rows == INT32_MAX / 2)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has more than %d rows", t->file, INT32_MAX / 2);
    KILN_TRY(mem_grow(&t->values, &r->value_capacity, count + t->columns, sizeof *t->values));
    for (size_t i = 0; i < t->columns; i++)
        KILN_TRY(csv_table_number(&r->csv, r->columns[i], &t->values[count + i]));
    if (r->date < r->csv.columns) {
        csv_cell cell = r->csv.scan.items[r->date];
        KILN_TRY(mem_grow(&t->dates, &r->date_capacity, (size_t)t->rows + 1, sizeof *t->dates));
        t->dates[t->rows] = str_format("%.*s", (int)cell.length, cell.text);
        if (t->dates[t->rows] == NULL)
            return kiln_last_status();
    }
    t->rows++;
    return KILN_OK;
}

/* ---- the order of time ---- */

typedef struct dated {
    series_date date;
    int64_t row;
} dated;

static int compare(const void *a, const void *b)
{
    const dated *x = a, *y = b;
    int order = series_date_compare(&x->date, &y->date);
    return order ? order : (x->row > y->row) - (x->row < y->row);
}

/* Puts values and dates into the order of `list`. */
static kiln_status reorder(series_table *t, const dated *list)
{
    size_t n = (size_t)t->rows;
    float *values = mem_new(n * t->columns, sizeof *values);
    char **dates = mem_new(n, sizeof *dates);
    if (values == NULL || dates == NULL) {
        free(values);
        free(dates);
        return kiln_last_status();
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(values + i * t->columns, t->values + (size_t)list[i].row * t->columns,
               t->columns * sizeof *values);
        dates[i] = t->dates[list[i].row];
    }
    free(t->values);
    free(t->dates);
    t->values = values;
    t->dates = dates;
    return KILN_OK;
}

/* Says what is odd about the dates, sorts by them, and finds their distance. */
static kiln_status order_rows(series_table *t, dated *list, series_date *dates)
{
    size_t n = (size_t)t->rows, disorder = 0, twice = 0;
    for (size_t i = 0; i < n; i++) {
        list[i].row = (int64_t)i;
        if (!series_date_read(t->dates[i], &list[i].date))
            return KILN_OK; /* words of another kind: names of the rows */
    }
    for (size_t i = 1; i < n && disorder == 0; i++)
        disorder = series_date_compare(&list[i].date, &list[i - 1].date) < 0 ? i : 0;
    if (disorder > 0) {
        text_add(&t->notes,
                 "%s: dates are out of order (%s comes behind %s): the rows are taken in the order "
                 "of their dates\n",
                 t->file, t->dates[disorder], t->dates[disorder - 1]);
        qsort(list, n, sizeof *list, compare);
        KILN_TRY(reorder(t, list));
    }
    for (size_t i = 1; i < n && twice == 0; i++)
        twice = series_date_compare(&list[i].date, &list[i - 1].date) == 0 ? i : 0;
    if (twice > 0)
        text_add(&t->notes, "%s: %s is the date of several rows: they stay in their order\n",
                 t->file, t->dates[twice]);
    for (size_t i = 0; i < n; i++)
        dates[i] = list[i].date;
    t->interval = series_interval_of(dates, n);
    return t->notes.failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static kiln_status use_dates(series_table *t)
{
    if (t->dates == NULL)
        return KILN_OK;
    dated *list = mem_new((size_t)t->rows, sizeof *list);
    series_date *dates = mem_new((size_t)t->rows, sizeof *dates);
    kiln_status status = list && dates ? order_rows(t, list, dates) : kiln_last_status();
    free(list);
    free(dates);
    return status;
}

static kiln_status read_text(char *content, size_t size, const series_choice *choice, reading *r,
                             series_table *t)
{
    KILN_TRY(csv_table_open(&r->csv, t->file, content, size));
    KILN_TRY(choose_columns(r, choice, t));
    for (bool more = true; more;) {
        KILN_TRY(add_row(r, t));
        KILN_TRY(csv_table_next(&r->csv, &more));
    }
    return use_dates(t);
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
