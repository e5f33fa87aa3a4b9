#include "cli/forecast.h"

#include "base/file.h"
#include "train/training.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static struct {
    int64_t test_rows, season;
} given = {.test_rows = -1, .season = -1};

static const option options[] = {
    {"--test-rows", OPTION_WHOLE, offsetof(__typeof__(given), test_rows), "N",
     "forecasts the last N rows (those behind the ones trained on)", 0},
    {"--season", OPTION_WHOLE, offsetof(__typeof__(given), season), "N",
     "rows of a season, to compare with (12 for months, 7 for days; 0: none)", 0},
};

const option_group forecast_group = {
    .title = "options for models of series:",
    .options = options,
    .count = sizeof options / sizeof *options,
    .values = &given,
};

/* ---- forecasts ---- */

static kiln_status check_model(const kiln_model *model)
{
    const model_series *s = model->facts->series;
    int64_t wanted = s->horizon * (int64_t)s->target_count,
            there =
                model->output_count == 1 ? kiln_shape_size(kiln_model_output_shape(model, 0)) : -1;
    if (there == wanted)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_SHAPE,
                     "model %s: its series has %" PRId64 " values to forecast, but its outputs are "
                     "others; train it anew",
                     model->name, wanted);
}

kiln_status forecast_open(forecast *f, const char *path, const kiln_model *model, bool targets,
                          kiln_dataset **windows)
{
    *f = (forecast){.series = model->facts->series};
    KILN_TRY(check_model(model));
    KILN_TRY(series_open(path, f->series, common.verbose > 0, &f->table));
    const series_table *t = &f->table;
    f->known = t->rows;
    f->first =
        given.test_rows >= 0 ? t->rows - given.test_rows : series_first_unknown(t, f->series);
    if (f->first < series_first_target(f->series))
        f->first = series_first_target(f->series);
    if (targets && f->first + (f->series->horizon - 1) * f->series->rate >= t->rows)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: no row of it is held out (it has %" PRId64
                         ", and the model was trained up to the last one, or has no window before "
                         "it); --test-rows N evaluates the last N rows",
                         path, t->rows);
    *windows = series_windows(t, f->series, f->first, INT64_MAX, 1, targets);
    return *windows ? KILN_OK : kiln_last_status();
}

kiln_status forecast_open_trained(forecast *f, const char *path, const kiln_model *model,
                                  bool *held, kiln_dataset **windows)
{
    const model_series *s = model->facts->series;
    *f = (forecast){.series = s};
    KILN_TRY(check_model(model));
    KILN_TRY(series_open(path, s, false, &f->table));
    f->known = f->table.rows;
    f->first = series_first_unknown(&f->table, s);
    *held = s->trained_rows < f->known && f->first + (s->horizon - 1) * s->rate < f->known;
    if (!*held)
        f->first = series_first_target(s);
    *windows = series_windows(&f->table, s, f->first, INT64_MAX, 1, true);
    return *windows ? KILN_OK : kiln_last_status();
}

void forecast_close(forecast *f)
{
    series_free(&f->table);
    free(f->values);
    *f = (forecast){.count = 0};
}

static size_t row_values(const forecast *f)
{
    return (size_t)f->series->horizon * f->series->target_count;
}

/* Makes room for `count` forecasts from row `first` on; those that are there stay. */
static kiln_status make_room(forecast *f, int64_t count)
{
    double *grown = realloc(f->values, (size_t)count * row_values(f) * sizeof *grown);
    if (grown == NULL)
        return kiln_fail_memory((size_t)count * row_values(f) * sizeof *grown);
    f->values = grown;
    return KILN_OK;
}

static kiln_status take(forecast *f, const float *outputs, int64_t samples)
{
    size_t row = row_values(f);
    KILN_TRY(make_room(f, f->count + samples));
    for (int64_t i = 0; i < samples; i++, f->count++)
        series_restore(&f->table, f->series, f->first + f->count, outputs + (size_t)i * row,
                       f->values + (size_t)f->count * row);
    return KILN_OK;
}

kiln_status forecast_take(forecast *f, const float *outputs, int64_t samples, int64_t row)
{
    if (row != (int64_t)row_values(f))
        return kiln_fail(KILN_ERROR_SHAPE, "the model's outputs are no forecasts of this series");
    return take(f, outputs, samples);
}

kiln_status forecast_predict(forecast *f, kiln_model *model, kiln_dataset *windows)
{
    int64_t samples;
    float *outputs =
        kiln_predict(&samples, model, windows, .batch_size = common.batch_size, .verbose = KILN_NO);
    kiln_status status = outputs ? forecast_take(f, outputs, samples,
                                                 kiln_shape_size(kiln_model_output_shape(model, 0)))
                                 : kiln_last_status();
    free(outputs);
    return status;
}

/* Puts the forecast of the row behind the last one into the table, as if it were known. */
static kiln_status append(forecast *f)
{
    series_table *t = &f->table;
    size_t row = t->columns * sizeof *t->values;
    float *values = realloc(t->values, (size_t)(t->rows + 1) * row);
    if (values == NULL)
        return kiln_fail_memory((size_t)(t->rows + 1) * row);
    t->values = values;
    for (size_t c = 0; c < t->columns; c++)
        values[(size_t)t->rows * t->columns + c] = (float)forecast_at(f, t->rows, c);
    if (t->dates) {
        char **dates = realloc(t->dates, (size_t)(t->rows + 1) * sizeof *dates);
        if (dates == NULL)
            return kiln_fail_memory((size_t)(t->rows + 1) * sizeof *dates);
        t->dates = dates;
        dates[t->rows] = str_copy(forecast_date(f, t->rows));
        if (dates[t->rows] == NULL)
            return kiln_last_status();
    }
    t->rows++;
    return KILN_OK;
}

/* Fails where the forecast of a row is no number that can be written, or gone on from. */
static kiln_status check_row(const forecast *f, int64_t row)
{
    for (size_t c = 0; c < f->series->target_count; c++) {
        double value = forecast_at(f, row, c);
        if (!isfinite((float)value) || (f->series->log && !((float)value > 0)))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--steps %" PRId64 ": the forecast of %s left the range of numbers at "
                             "step %" PRId64 ", where it is %g; ask for fewer steps",
                             f->steps, f->series->columns[c], row - f->known + 1, value);
    }
    return KILN_OK;
}

/* The last rows of a table, which stay its own. */
static series_table last_rows(const series_table *t, int64_t rows)
{
    series_table tail = *t;
    tail.rows = rows;
    tail.values += (size_t)(t->rows - rows) * t->columns;
    tail.dates = t->dates ? t->dates + (t->rows - rows) : NULL;
    return tail;
}

/* Takes the forecast of the row behind the last one as known, and makes the next from it. */
static kiln_status go_on(forecast *f, kiln_model *model)
{
    int64_t samples;
    KILN_TRY(check_row(f, f->table.rows));
    KILN_TRY(append(f));
    series_table tail = last_rows(&f->table, series_first_target(f->series));
    kiln_dataset *windows = series_windows(&tail, f->series, tail.rows, tail.rows, 1, false);
    if (windows == NULL)
        return kiln_last_status();
    float *outputs = kiln_predict(&samples, model, windows, .verbose = KILN_NO);
    kiln_dataset_free(windows);
    kiln_status status = outputs ? take(f, outputs, samples) : kiln_last_status();
    free(outputs);
    return status;
}

kiln_status forecast_go_on(forecast *f, kiln_model *model, int64_t steps)
{
    const model_series *s = f->series;
    int64_t there = s->horizon + s->rate - 1;
    f->steps = steps;
    if (steps > there && (s->rate != 1 || s->column_count > s->target_count))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--steps %" PRId64 ": model %s forecasts %" PRId64
                         " rows, and cannot go on from there, because it %s",
                         steps, model->name, there,
                         s->rate != 1 ? "sees every Nth row only"
                                      : "sees columns that it does not forecast");
    for (int64_t i = there; i < steps; i++)
        KILN_TRY(go_on(f, model));
    for (int64_t row = f->table.rows; steps > there && row < forecast_end(f); row++)
        KILN_TRY(check_row(f, row));
    return KILN_OK;
}

const char *forecast_date(const forecast *f, int64_t row)
{
    static char ring[4][48];
    static unsigned next;
    const series_table *t = &f->table;
    char *out = ring[next++ % 4];
    if (t->dates && row < t->rows) {
        snprintf(out, sizeof *ring, "%s", t->dates[row]);
        return out;
    }
    char *date = t->dates ? series_date_after(t->dates[f->known - 1], &t->format, &t->interval,
                                              row - f->known + 1)
                          : NULL;
    if (date)
        snprintf(out, sizeof *ring, "%s", date);
    else if (t->dates)
        snprintf(out, sizeof *ring, "+%" PRId64, row - f->known + 1);
    else
        snprintf(out, sizeof *ring, "%" PRId64, row);
    free(date);
    return out;
}

/* The forecast that a row is taken from, and its entry there: of several the one that has the row
 * first. false: there is none. */
static bool find_entry(const forecast *f, int64_t row, int64_t *i, int64_t *step)
{
    int64_t behind = row - (f->first + f->count - 1); /* the first row of the last forecast */
    *i = behind > 0 ? f->count - 1 : row - f->first;
    *step = behind > 0 ? behind / f->series->rate : 0;
    return *i >= 0 && *step < f->series->horizon && (behind <= 0 || behind % f->series->rate == 0);
}

double forecast_at(const forecast *f, int64_t row, size_t column)
{
    int64_t i, step;
    if (!find_entry(f, row, &i, &step))
        return NAN;
    return forecast_entry(f, i, step, column);
}

double forecast_entry(const forecast *f, int64_t i, int64_t step, size_t column)
{
    const model_series *s = f->series;
    return f->values[((size_t)i * (size_t)s->horizon + (size_t)step) * s->target_count + column];
}

/* Is a row known, or forecast? Between two entries of the last forecast there are others. */
static bool is_shown(const forecast *f, int64_t row)
{
    int64_t i, step;
    return row < f->known || find_entry(f, row, &i, &step);
}

int64_t forecast_end(const forecast *f)
{
    int64_t end = f->first + f->count + (f->series->horizon - 1) * f->series->rate;
    int64_t left = f->steps;
    for (int64_t row = f->known; left > 0 && row < end; row++) {
        left -= is_shown(f, row);
        end = left == 0 ? row + 1 : end;
    }
    return end;
}

/* ---- errors ---- */

int64_t forecast_season(const forecast *f)
{
    return given.season >= 0 ? given.season : series_interval_season(&f->table.interval);
}

static double said(const forecast *f, forecaster who, int64_t i, int64_t step, size_t column)
{
    if (who == FORECAST_MODEL)
        return forecast_entry(f, i, step, column);
    return series_naive(&f->table, f->series, f->first + i, step,
                        who == FORECAST_SEASON ? forecast_season(f) : 0, column);
}

void forecast_measure(const forecast *f, forecaster who, size_t column, forecast_errors *e)
{
    const series_table *t = &f->table;
    double relative = 0, squares = 0, absolute = 0;
    *e = (forecast_errors){.count = 0};
    int64_t reach = (f->series->horizon - 1) * f->series->rate;
    for (int64_t i = 0; i < f->count && f->first + i + reach < f->known; i++)
        for (int64_t step = 0; step < f->series->horizon; step++) {
            int64_t row = f->first + i + step * f->series->rate;
            double known = (double)t->values[(size_t)row * t->columns + column],
                   error = said(f, who, i, step, column) - known;
            relative += fabs(error) / fabs(known); /* infinite or NaN by 0 */
            squares += error * error;
            absolute += fabs(error);
            e->count++;
        }
    double count = (double)e->count;
    e->mape = isfinite(relative) ? 100 * relative / count : NAN;
    e->rmse = sqrt(squares / count);
    e->mae = absolute / count;
}

static const char *const names[] = {"model", "persistence", "seasonal-naive"};

static bool knows(const forecast *f, forecaster who)
{
    forecast_errors e;
    if (who == FORECAST_SEASON && forecast_season(f) == 0)
        return false;
    forecast_measure(f, who, 0, &e);
    return e.count > 0 && isfinite(e.rmse);
}

void forecast_print_errors(const forecast *f, const char *model_name)
{
    const model_series *s = f->series;
    int64_t last = f->known - 1;
    forecast_errors e;
    for (size_t c = 0; c < s->target_count; c++) {
        forecast_measure(f, FORECAST_MODEL, c, &e);
        if (e.count == 0)
            return;
        printf("%s, %s rows", s->columns[c], session_count(last - f->first + 1));
        if (f->table.dates)
            printf(" (%s to %s)", forecast_date(f, f->first), forecast_date(f, last));
        if (s->horizon == 1)
            printf(", one step ahead:\n");
        else
            printf(", %s steps ahead:\n", session_count(s->horizon));
        printf("  %-24s %10s %12s %12s\n", "", "MAPE", "RMSE", "MAE");
        for (forecaster who = 0; who < FORECASTERS; who++) {
            if (!knows(f, who))
                continue;
            char mape[24] = "-";
            forecast_measure(f, who, c, &e);
            if (isfinite(e.mape))
                snprintf(mape, sizeof mape, "%.2f %%", e.mape);
            printf("  %-24s %10s %12.6g %12.6g\n", who == FORECAST_MODEL ? model_name : names[who],
                   mape, e.rmse, e.mae);
        }
    }
}

static json_t *real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

kiln_status forecast_add_errors(const forecast *f, json_t *object)
{
    const model_series *s = f->series;
    json_t *all = json_object();
    for (size_t c = 0; c < s->target_count; c++) {
        json_t *column = json_object();
        for (forecaster who = 0; who < FORECASTERS; who++) {
            forecast_errors e;
            if (!knows(f, who))
                continue;
            forecast_measure(f, who, c, &e);
            json_t *errors = json_object();
            json_object_set_new(errors, "mape", real(e.mape));
            json_object_set_new(errors, "rmse", real(e.rmse));
            json_object_set_new(errors, "mae", real(e.mae));
            json_object_set_new(column, names[who], errors);
        }
        json_object_set_new(all, s->columns[c], column);
    }
    return json_object_set_new(object, "forecast", all) == 0 ? KILN_OK : kiln_fail_memory(64);
}

/* ---- values ---- */

void forecast_print(const forecast *f, int64_t rows)
{
    const series_table *t = &f->table;
    const model_series *s = f->series;
    const char *title = t->dates ? t->date_name : "row";
    int64_t first = rows > 0 && f->known - f->first > rows ? f->known - rows : f->first;
    int64_t end = forecast_end(f);
    int width = (int)strlen(title);
    for (int64_t row = first; row < end; row++) {
        int length = (int)strlen(forecast_date(f, row));
        width = width < length ? length : width;
    }
    printf("%-*s", width, title);
    for (size_t c = 0; c < s->target_count; c++)
        printf("  %14s  %14s", s->columns[c], "forecast");
    printf("\n");
    for (int64_t row = first; row < end; row++) {
        if (!is_shown(f, row))
            continue;
        printf("%-*s", width, forecast_date(f, row));
        for (size_t c = 0; c < s->target_count; c++) {
            if (row < f->known)
                printf("  %14g", (double)t->values[(size_t)row * t->columns + c]);
            else
                printf("  %14s", "");
            printf("  %14.6g", forecast_at(f, row, c));
        }
        printf("\n");
    }
    if (first > f->first)
        printf("and %s rows before: --rows 0 shows them all, -o FILE.csv writes them\n",
               session_count(first - f->first));
}

kiln_status forecast_write_csv(const forecast *f, const char *path, int64_t *rows)
{
    const series_table *t = &f->table;
    const model_series *s = f->series;
    int64_t end = forecast_end(f);
    text out = {0};
    *rows = 0;
    cli_add_cell(&out, t->dates ? t->date_name : "row");
    for (size_t c = 0; c < s->target_count; c++) {
        text_add(&out, ",");
        cli_add_cell(&out, s->columns[c]);
        text_add(&out, ",");
        char *name =
            s->target_count > 1 ? str_format("%s_forecast", s->columns[c]) : str_copy("forecast");
        if (name)
            cli_add_cell(&out, name);
        out.failed = out.failed || name == NULL;
        free(name);
    }
    text_add(&out, "\n");
    for (int64_t row = f->first; row < end; row++) {
        if (!is_shown(f, row))
            continue;
        ++*rows;
        cli_add_cell(&out, forecast_date(f, row));
        for (size_t c = 0; c < s->target_count; c++) {
            text_add(&out, ",");
            if (row < f->known)
                text_add(&out, "%.9g", (double)t->values[(size_t)row * t->columns + c]);
            text_add(&out, ",%.9g", forecast_at(f, row, c));
        }
        text_add(&out, "\n");
    }
    kiln_status status =
        out.failed ? kiln_fail_memory(out.length) : file_write_atomic(path, out.data, out.length);
    text_free(&out);
    return status;
}
