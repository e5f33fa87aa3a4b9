#include "cli/series.h"

#include "cli/networks.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { MOST_COLUMNS = 256 };

static struct {
    const char *column, *features, *scale;
    int64_t window, horizon, stride, rate, start, end, difference, test_rows;
    double test_split;
    bool log;
} given = {.test_rows = -1};

#define AT(FIELD) offsetof(__typeof__(given), FIELD)

static const option options[] = {
    {"--window", OPTION_WHOLE, AT(window), "N",
     "rows a sample shows to the network; says that DATA is a series (forecast: 12)", 1},
    {"--horizon", OPTION_WHOLE, AT(horizon), "N", "rows to forecast from a window (1)", 1},
    {"--column", OPTION_TEXT, AT(column), "NAME,...",
     "columns to forecast, by name or index (the last one)", 0},
    {"--features", OPTION_TEXT, AT(features), "NAME,...", "columns the network sees besides", 0},
    {"--log", OPTION_FLAG, AT(log), NULL, "learns logarithms of the forecast columns", 0},
    {"--difference", OPTION_WHOLE, AT(difference), "N",
     "learns differences from N rows before: 1, or a season", 1},
    {"--scale", OPTION_TEXT, AT(scale), "HOW",
     "standardize (default: mean 0, deviation 1 over the rows to train on) or none", 0},
    {"--test-rows", OPTION_WHOLE, AT(test_rows), "N", "holds the last N rows out of the training",
     0},
    {"--test-split", OPTION_REAL, AT(test_split), "F", "or this share of the rows (0.2)", 0},
    {"--stride", OPTION_WHOLE, AT(stride), "N", "rows from one window to the next (1)", 1},
    {"--sampling-rate", OPTION_WHOLE, AT(rate), "N", "takes every Nth row (1)", 1},
    {"--start-index", OPTION_WHOLE, AT(start), "N", "leaves out rows before this one", 0},
    {"--end-index", OPTION_WHOLE, AT(end), "N", "leaves out rows from this one on", 1},
};

const option_group series_fit_group = {
    .title = "options for series (a .csv file with a row for each time):",
    .options = options,
    .count = sizeof options / sizeof *options,
    .values = &given,
};

bool series_is_meant(const char *model_name, const kiln_model *model)
{
    return given.window > 0 || (model && model->facts->series) ||
           (model == NULL && strcmp(model_name, "forecast") == 0);
}

int64_t series_window(void)
{
    return given.window;
}

/* ---- columns ---- */

/* Words of a list, pieces of *copy, behind those that are there. */
static kiln_status split(const char *list, const char *flag, char **copy, const char **words,
                         size_t *count)
{
    char *rest = list ? str_copy(list) : NULL;
    *copy = rest;
    if (list && rest == NULL)
        return kiln_last_status();
    while (rest) {
        char *comma = strchr(rest, ',');
        if (comma)
            *comma = '\0';
        if (*rest == '\0' || *count == MOST_COLUMNS)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': %s", flag, list,
                             *rest ? "too many columns" : "an empty name; write A,B");
        words[(*count)++] = rest;
        rest = comma ? comma + 1 : NULL;
    }
    return KILN_OK;
}

static kiln_status read_table(const char *path, const series_choice *choice, bool aloud,
                              series_table *table)
{
    kiln_status status = series_read(path, choice, table);
    if (status == KILN_OK && table->notes.data && aloud)
        fputs(table->notes.data, stderr);
    return status;
}

kiln_status series_open(const char *path, const model_series *series, bool aloud,
                        series_table *table)
{
    const series_choice choice = {series->column_count, (const char *const *)series->columns};
    return read_table(path, &choice, aloud, table);
}

/* By --column and --features. */
static kiln_status open_given(const char *path, series_table *table, size_t *targets)
{
    const char *words[MOST_COLUMNS];
    char *copies[2] = {NULL, NULL};
    size_t count = 0;
    kiln_status status = split(given.column, "--column", &copies[0], words, &count);
    *targets = count ? count : 1;
    if (status == KILN_OK && given.features && count == 0)
        status = kiln_fail(KILN_ERROR_ARGUMENT,
                           "--features: --column NAME says which column is to be forecast");
    if (status == KILN_OK)
        status = split(given.features, "--features", &copies[1], words, &count);
    if (status == KILN_OK)
        status = read_table(path, &(series_choice){count, words}, common.verbose > 0, table);
    free(copies[0]);
    free(copies[1]);
    return status;
}

/* ---- a training ---- */

/* What a model of a series has settled cannot be asked for anew. */
static kiln_status check_settled(const char *name)
{
    if (given.window || given.horizon || given.rate || given.difference || given.log ||
        given.column || given.features || given.scale)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "model %s: it goes on with its own columns, windows and scales; leave out "
                         "--window, --horizon, --column, --features, --log, --difference, --scale "
                         "and --sampling-rate",
                         name);
    return KILN_OK;
}

/* More than any file has: sums and products of them stay whole numbers. */
static kiln_status check_lengths(void)
{
    const struct {
        const char *name;
        int64_t value;
    } all[] = {{"--window", given.window},
               {"--horizon", given.horizon},
               {"--sampling-rate", given.rate},
               {"--difference", given.difference},
               {"--stride", given.stride}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].value > (int64_t)1 << 30)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s %" PRId64 ": these are more than a series has; choose fewer",
                             all[i].name, all[i].value);
    return KILN_OK;
}

static kiln_status check_scale(bool *standardize)
{
    *standardize = given.scale == NULL || strcmp(given.scale, "standardize") == 0;
    if (*standardize || strcmp(given.scale, "none") == 0)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT, "--scale '%s': it takes standardize or none",
                     given.scale);
}

/* Rows that are not held out. */
static kiln_status count_training(const series_table *t, int64_t *rows)
{
    double share = given.test_split > 0 ? given.test_split : 0.2;
    if (given.test_rows >= 0 && given.test_split > 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--test-rows and --test-split: only one of them can be used");
    if (share >= 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "--test-split %g: it takes a share below 1", share);
    *rows = given.test_rows >= 0 ? t->rows - given.test_rows
                                 : (int64_t)floor((double)t->rows * (1 - share));
    if (*rows < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: has %" PRId64 " rows, so that %" PRId64
                         " of them cannot be held out of the training",
                         t->file, t->rows, t->rows - *rows);
    return KILN_OK;
}

static void say(const series_table *t, const model_series *s, int64_t rows, int64_t windows)
{
    printf("series: ");
    for (size_t i = 0; i < s->target_count; i++)
        printf("%s%s", i ? ", " : "", s->columns[i]);
    for (size_t i = s->target_count; i < s->column_count; i++)
        printf("%s%s", i == s->target_count ? " (and of " : ", ", s->columns[i]);
    printf("%s, %s windows of %" PRId64 " with %" PRId64 " to forecast%s",
           s->column_count > s->target_count ? ")" : "", session_count(windows), s->window,
           s->horizon, s->log ? ", logarithms" : "");
    if (s->difference)
        printf(", differences%s%s", s->difference > 1 ? " over " : "",
               s->difference > 1 ? session_count(s->difference) : "");
    printf("\n%s rows to train on", session_count(rows));
    if (t->dates)
        printf(" (%s to %s)", t->dates[0], t->dates[rows - 1]);
    printf(", the last %s held out", session_count(t->rows - rows));
    if (t->dates && rows < t->rows)
        printf(" (%s to %s)", t->dates[rows], t->dates[t->rows - 1]);
    printf("\n");
}

/* Windows over the rows before the held-out ones. */
static kiln_status cut_training(series_table *t, model_series *s, const kiln_model *model,
                                bool aloud, kiln_dataset **data)
{
    int64_t rows = 0;
    bool standardize;
    KILN_TRY(check_scale(&standardize));
    if (given.start || given.end)
        KILN_TRY(series_cut(t, given.start, given.end));
    KILN_TRY(count_training(t, &rows));
    if (model) { /* its scales stay; it knows more rows */
        s->trained_rows = rows;
        free(s->trained_to);
        s->trained_to = t->dates ? str_copy(t->dates[rows - 1]) : NULL;
        if (t->dates && s->trained_to == NULL)
            return kiln_last_status();
    } else {
        KILN_TRY(series_fit(t, rows, standardize, s));
    }
    s->trained_rows += given.start;
    *data = series_windows(t, s, 0, rows - 1 - (s->horizon - 1) * s->rate,
                           given.stride ? given.stride : 1, true);
    if (*data == NULL)
        return kiln_last_status();
    if (aloud)
        say(t, s, rows, (*data)->samples);
    return KILN_OK;
}

kiln_status series_training_data(const char *path, const kiln_model *model, bool aloud,
                                 kiln_dataset **data)
{
    series_table table = {.rows = 0};
    model_series *s = NULL;
    const model_series *own = model ? model->facts->series : NULL;
    kiln_status status = check_lengths();
    if (own) {
        if (status == KILN_OK)
            status = check_settled(model->name);
        s = model_series_copy(own);
    } else {
        s = mem_new(1, sizeof *s);
    }
    if (status == KILN_OK && s == NULL)
        status = kiln_last_status();
    if (status == KILN_OK && own)
        status = series_open(path, own, common.verbose > 0, &table);
    if (status == KILN_OK && own == NULL) {
        s->window = given.window ? given.window : 12;
        s->horizon = given.horizon ? given.horizon : 1;
        s->rate = given.rate ? given.rate : 1;
        s->difference = given.difference;
        s->log = given.log;
        status = open_given(path, &table, &s->target_count);
    }
    if (status == KILN_OK)
        status = cut_training(&table, s, own ? model : NULL, aloud, data);
    series_free(&table);
    model_series_free(s);
    return status;
}
