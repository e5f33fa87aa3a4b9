#include "data/series.h"

#include "data/timeseries.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static double value_at(const series_table *t, int64_t row, size_t column)
{
    return (double)t->values[(size_t)row * t->columns + column];
}

/* ---- what the model sees ---- */

/* Rows before the first difference. */
static int64_t lead_of(const model_series *s)
{
    return s->difference * s->rate;
}

int64_t series_first_target(const model_series *s)
{
    return lead_of(s) + s->window * s->rate;
}

int64_t series_next_target(const series_table *t, const model_series *s)
{
    return t->rows - 1 + s->rate;
}

int64_t series_first_unknown(const series_table *t, const model_series *s)
{
    int64_t first = s->trained_rows < t->rows ? s->trained_rows : 0, least = series_first_target(s);
    for (int64_t i = 0; t->dates && s->trained_to && i < t->rows; i++)
        if (strcmp(t->dates[i], s->trained_to) == 0)
            first = i + 1;
    return first > least ? first : least;
}

/* A value before it is standardized; the row is not before lead_of where there is a difference. */
static double level(const series_table *t, const model_series *s, int64_t row, size_t column)
{
    double v = value_at(t, row, column);
    return s->log && column < s->target_count ? log(v) : v;
}

static double change(const series_table *t, const model_series *s, int64_t row, size_t column)
{
    double v = level(t, s, row, column);
    return s->difference && column < s->target_count ? v - level(t, s, row - lead_of(s), column)
                                                     : v;
}

/* "airline.csv: row 5 (1949-05)" */
static void describe_row(const series_table *t, int64_t row, char *out, size_t size)
{
    bool dated = t->dates != NULL;
    snprintf(out, size, "%s: row %" PRId64 "%s%.40s%s", t->file, row + 1, dated ? " (" : "",
             dated ? t->dates[row] : "", dated ? ")" : "");
}

static kiln_status check_log(const series_table *t, const model_series *s)
{
    char where[512];
    for (int64_t i = 0; s->log && i < t->rows; i++)
        for (size_t c = 0; c < s->target_count; c++)
            if (!(value_at(t, i, c) > 0)) {
                describe_row(t, i, where, sizeof where);
                return kiln_fail(
                    KILN_ERROR_ARGUMENT,
                    "%s: %s is %g, and a logarithm is of values above 0; leave out the "
                    "logarithm, or the row",
                    where, t->names[c], value_at(t, i, c));
            }
    return KILN_OK;
}

static kiln_status copy_names(const series_table *t, int64_t train_rows, model_series *s)
{
    s->columns = mem_new(t->columns, sizeof *s->columns);
    s->means = mem_new(t->columns, sizeof *s->means);
    s->scales = mem_new(t->columns, sizeof *s->scales);
    if (s->columns == NULL || s->means == NULL || s->scales == NULL)
        return kiln_last_status();
    for (; s->column_count < t->columns; s->column_count++) {
        s->columns[s->column_count] = str_copy(t->names[s->column_count]);
        if (s->columns[s->column_count] == NULL)
            return kiln_last_status();
    }
    s->trained_rows = train_rows;
    s->trained_to = t->dates ? str_copy(t->dates[train_rows - 1]) : NULL;
    return t->dates && s->trained_to == NULL ? kiln_last_status() : KILN_OK;
}

kiln_status series_fit(const series_table *t, int64_t train_rows, bool standardize, model_series *s)
{
    int64_t needed = model_series_rows(s);
    if (train_rows < needed)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: has %" PRId64 " of its %" PRId64
                         " rows to train on, fewer than one window takes, which is %" PRId64
                         "; choose a shorter window, or hold fewer rows back",
                         t->file, train_rows, t->rows, needed);
    KILN_TRY(check_log(t, s));
    KILN_TRY(copy_names(t, train_rows, s));
    for (size_t c = 0; c < t->columns; c++) {
        int64_t first = c < s->target_count ? lead_of(s) : 0, count = train_rows - first;
        double sum = 0, squares = 0;
        for (int64_t i = first; i < train_rows; i++)
            sum += change(t, s, i, c);
        double mean = sum / (double)count;
        for (int64_t i = first; i < train_rows; i++) {
            double d = change(t, s, i, c) - mean;
            squares += d * d;
        }
        double scale = sqrt(squares / (double)count);
        s->means[c] = standardize ? mean : 0;
        s->scales[c] = standardize && scale > 0 ? scale : 1; /* as Keras's Normalization does */
    }
    return KILN_OK;
}

/* All rows as the model sees them; those that differ from nothing are 0, and in no window. */
static float *seen(const series_table *t, const model_series *s)
{
    float *out = mem_new((size_t)t->rows * t->columns, sizeof *out);
    for (int64_t i = 0; out && i < t->rows; i++)
        for (size_t c = 0; c < t->columns; c++)
            if (c >= s->target_count || i >= lead_of(s))
                out[(size_t)i * t->columns + c] =
                    (float)((change(t, s, i, c) - s->means[c]) / s->scales[c]);
    return out;
}

kiln_dataset *series_windows(const series_table *t, const model_series *s, int64_t first,
                             int64_t last, int64_t stride, bool targets)
{
    int64_t least = series_first_target(s);
    int64_t end = targets ? t->rows - 1 - (s->horizon - 1) * s->rate : series_next_target(t, s);
    first = first > least ? first : least;
    last = last < end ? last : end;
    if (last < first) {
        kiln_fail(KILN_ERROR_ARGUMENT,
                  "%s: has %" PRId64 " rows, fewer than one window%s takes, which is %" PRId64,
                  t->file, t->rows, targets ? " and what it forecasts" : "",
                  targets ? model_series_rows(s) : least - s->rate + 1);
        return NULL;
    }
    if (check_log(t, s) != KILN_OK)
        return NULL;
    size_t bytes = (size_t)t->rows * t->columns * sizeof(float);
    float *values = seen(t, s);
    data_block *block = values ? data_block_new(values, bytes, false) : NULL;
    if (block == NULL)
        return NULL;
    /* Rows of all columns, and of the forecast ones: places in the same memory. */
    int64_t columns = (int64_t)t->columns, forecast = (int64_t)s->target_count;
    data_column x = {.dtype = KILN_FLOAT32,
                     .shape = {.rank = 1, .dims = {columns}},
                     .block = block,
                     .data = values},
                y = x;
    y.stride = columns;
    y.shape = forecast > 1 ? (kiln_shape){.rank = 1, .dims = {forecast}} : (kiln_shape){.rank = 0};
    timeseries_cut cut = {.length = s->window,
                          .rate = s->rate,
                          .stride = stride,
                          .horizon = s->horizon,
                          .first = first - s->window * s->rate,
                          .count = (last - first) / stride + 1};
    kiln_dataset *dataset = timeseries_windows(t->file, &x, targets ? &y : NULL, first, &cut);
    data_block_release(block);
    if (dataset && dataset_set_series(dataset, s) == KILN_OK)
        return dataset;
    kiln_dataset_free(dataset);
    return NULL;
}

/* ---- back to the file's units ---- */

void series_restore(const series_table *t, const model_series *s, int64_t row, const float *values,
                    double *restored)
{
    for (int64_t h = 0; h < s->horizon; h++) {
        for (size_t c = 0; c < s->target_count; c++) {
            size_t at = (size_t)h * s->target_count + c;
            double v = (double)values[at] * s->scales[c] + s->means[c];
            if (s->difference && h < s->difference)
                v += level(t, s, row + (h - s->difference) * s->rate, c);
            else if (s->difference)
                v += restored[at - (size_t)s->difference * s->target_count];
            restored[at] = v;
        }
    }
    for (size_t i = 0; s->log && i < (size_t)s->horizon * s->target_count; i++)
        restored[i] = exp(restored[i]);
}

double series_naive(const series_table *t, const model_series *s, int64_t row, int64_t step,
                    int64_t season, size_t column)
{
    int64_t from = row - s->rate, wanted = row + step * s->rate;
    if (season > 0)
        from = wanted - (wanted - from + season - 1) / season * season;
    return from >= 0 && from < t->rows ? value_at(t, from, column) : NAN;
}
