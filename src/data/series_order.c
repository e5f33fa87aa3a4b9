/* The order of a series' rows: that of their dates. */
#include "data/series_order.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

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

/* The first entry that is before (-1), or the same as (0), the one in front of it; 0: none. */
static size_t find_pair(const dated *list, size_t count, int order)
{
    for (size_t i = 1; i < count; i++)
        if (series_date_compare(&list[i].date, &list[i - 1].date) == order)
            return i;
    return 0;
}

/* Says what is odd about the dates, and sorts by them. */
static kiln_status sort_rows(series_table *t, dated *list)
{
    size_t n = (size_t)t->rows, disorder = find_pair(list, n, -1), twice;
    qsort(list, n, sizeof *list, compare);
    twice = find_pair(list, n, 0);
    if (disorder > 0 && twice > 0 && t->format.order == ORDER_NUMBER) { /* 1..12, and again */
        text_add(&t->notes,
                 "%s: the numbers in column %s repeat and are out of order, so that they are no "
                 "times: the rows are taken in the file's order\n",
                 t->file, t->date_name);
        return KILN_OK;
    }
    if (disorder > 0) {
        text_add(&t->notes,
                 "%s: dates are out of order (%s comes behind %s): the rows are taken in the order "
                 "of their dates\n",
                 t->file, t->dates[disorder], t->dates[disorder - 1]);
        KILN_TRY(reorder(t, list));
    }
    if (twice > 0)
        text_add(&t->notes, "%s: %s is the date of several rows: they stay in their order\n",
                 t->file, t->dates[twice]);
    series_date *dates = mem_new(n, sizeof *dates);
    if (dates == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < n; i++)
        dates[i] = list[i].date;
    t->interval = series_interval_of(dates, n);
    free(dates);
    return KILN_OK;
}

static kiln_status order_rows(series_table *t)
{
    dated *list = mem_new((size_t)t->rows, sizeof *list);
    kiln_status status = list ? KILN_OK : kiln_last_status();
    for (int64_t i = 0; list && i < t->rows; i++) {
        list[i].row = i;
        series_date_read(t->dates[i], &t->format, &list[i].date); /* all of them can be read */
    }
    if (list)
        status = sort_rows(t, list);
    free(list);
    return status;
}

/* "s.csv: line 3, column 1 (Date): 'n/a' " */
static void say_where(series_table *t, const series_dates_place *place, int64_t row)
{
    const char *word = t->dates[row];
    text_add(&t->notes, "%s: line %" PRId64 ", column %zu (%s): ", t->file, place->lines[row],
             place->column + 1, t->date_name);
    if (*word)
        text_add(&t->notes, "'%.40s' ", word);
    else
        text_add(&t->notes, "the cell is empty, which ");
}

/* Numbers that are not all dates are a column of numbers like others. */
static void forget_dates(series_table *t)
{
    for (int64_t i = 0; i < t->rows; i++)
        free(t->dates[i]);
    free(t->dates);
    free(t->date_name);
    t->dates = NULL;
    t->date_name = NULL;
}

kiln_status series_order(series_table *t, const series_dates_place *place)
{
    static const char order_of_file[] = "the rows are taken in the file's order; ";
    series_reading reading = series_format_of(t->dates, t->rows);
    if (place->if_compact &&
        (reading.result != READING_GOOD || reading.format.order != ORDER_COMPACT)) {
        forget_dates(t);
        return KILN_OK;
    }
    t->format = reading.format;
    if (reading.result == READING_GOOD) {
        KILN_TRY(order_rows(t));
    } else if (reading.result == READING_AMBIGUOUS) {
        say_where(t, place, reading.row);
        text_add(&t->notes,
                 "is one date with the day first and another with the month first, and no row "
                 "decides: %swrite dates as 2020-01-31 to have the rows sorted by them\n",
                 order_of_file);
    } else if (place->named || reading.read > 0 || isdigit((unsigned char)*t->dates[0])) {
        say_where(t, place, reading.row);
        text_add(&t->notes, "is no date that can be read: %s%s to have the rows sorted by dates\n",
                 order_of_file,
                 2 * reading.read >= t->rows ? "correct it or leave the row out"
                                             : "write dates as 2020-01-31");
    } /* else they are names */
    return t->notes.failed ? kiln_fail_memory(t->notes.length) : KILN_OK;
}
