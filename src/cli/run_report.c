/* The page of kiln fit --report: curves, and what the trained model makes of the data. */
#include "cli/run_report.h"

#include "base/file.h"
#include "cli/forecast.h"
#include "cli/judge.h"
#include "cli/objective.h"
#include "report/chart.h"
#include "report/escape.h"
#include "report/page.h"
#include "report/picture.h"
#include "train/feed.h"

#include <math.h>
#include <string.h>

enum { MOST_CLASSES = 100, MOST_POINTS = 1500 };
enum { LARGEST_PICTURE = 96 };

/* ---- classes ---- */

static void draw_matrix(text *out, const void *user, double width)
{
    const judged *j = user;
    chart_matrix(out, "Confusion matrix", j->names, j->counts, j->classes, width);
}

static void add_classes(const judged *j, text *page)
{
    static const char *const headings[] = {"Class",    "\tSamples", "\tPrecision",
                                           "\tRecall", "\tF1",      "Most often taken for"};
    enum { COLUMNS = sizeof headings / sizeof *headings };
    page_table_begin(page, headings, COLUMNS);
    for (size_t c = 0; c < j->classes; c++) {
        double right = j->counts[c * j->classes + c], all = 0, taken = 0, most = 0;
        size_t rival = c;
        for (size_t k = 0; k < j->classes; k++) {
            double count = j->counts[c * j->classes + k];
            all += count;
            taken += j->counts[k * j->classes + c];
            if (k != c && count > most) {
                most = count;
                rival = k;
            }
        }
        double precision = taken > 0 ? right / taken : 0, recall = all > 0 ? right / all : 0,
               f1 = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
        char cells[COLUMNS][128];
        snprintf(cells[0], 128, "%.100s", j->names[c]);
        snprintf(cells[1], 128, "\t%s", session_count((int64_t)all));
        snprintf(cells[2], 128, "\t%.3f", precision);
        snprintf(cells[3], 128, "\t%.3f", recall);
        snprintf(cells[4], 128, "\t%.3f", f1);
        if (most > 0)
            snprintf(cells[5], 128, "%.80s (%.0f)", j->names[rival], most);
        else
            snprintf(cells[5], 128, "\xe2\x80\x93");
        const char *row[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++)
            row[k] = cells[k];
        page_table_row(page, -1, row, COLUMNS);
    }
    page_table_end(page);
}

/* ---- the worst mistakes ---- */

static kiln_status add_mistake(const judged *j, const mistake *m, bool picture, text *page)
{
    char words[300];
    snprintf(words, sizeof words, "%.60s, taken for %.60s (%.0f %%)", j->names[m->label],
             j->names[m->taken_for], 100 * m->taken);
    text_add(page, "<div>");
    if (picture) {
        sample_picture p;
        KILN_TRY(sample_take_picture(&j->data->inputs[0], m->sample, LARGEST_PICTURE, &p));
        kiln_status status = picture_add(page, p.pixels, p.width, p.height, p.channels, words);
        free(p.pixels);
        KILN_TRY(status);
    }
    escape_add(page, words);
    text_add(page, "<br>sample %lld</div>\n", (long long)m->sample);
    return KILN_OK;
}

static kiln_status add_mistakes(const judged *j, text *page)
{
    bool picture = j->data->input_count == 1 && sample_is_picture(&j->data->inputs[0]);
    mistake *all;
    size_t count;
    char words[200];
    KILN_TRY(judge_mistakes(j, &all, &count));
    page_heading(page, 2, "The worst mistakes");
    snprintf(words, sizeof words,
             "%s of %s samples are taken for another class; these have the least probability of "
             "the right one.",
             session_count((int64_t)count), session_count(j->samples));
    page_paragraph(page, count ? words : "There is none: every sample has its class.");
    kiln_status status = KILN_OK;
    text_add(page, "<div class=\"pictures\">\n");
    for (size_t i = 0; i < count && i < JUDGE_MOST_MISTAKES && status == KILN_OK; i++)
        status = add_mistake(j, &all[i], picture, page);
    text_add(page, "</div>\n");
    free(all);
    return status;
}

static kiln_status add_judgement(const run_report *r, const judged *j, text *page)
{
    char words[200];
    double right = 0, all = 0;
    for (size_t i = 0; i < j->classes * j->classes; i++) {
        all += j->counts[i];
        right += i % (j->classes + 1) == 0 ? j->counts[i] : 0;
    }
    page_heading(page, 2, "Right and wrong");
    snprintf(words, sizeof words, "%.2f %% of %s samples of %.60s have the right class.",
             all > 0 ? 100 * right / all : 0, session_count((int64_t)all), r->data_name);
    page_paragraph(page, words);
    if (j->classes <= MOST_CLASSES)
        page_figure(page, "Rows: the class; columns: what it was taken for.", false, draw_matrix,
                    j);
    add_classes(j, page);
    return add_mistakes(j, page);
}

/* ---- numbers ---- */

typedef struct scattered {
    double *x, *y, *radius;
    size_t count, room;
    const char *x_name, *y_name;
} scattered;

static kiln_status scatter_begin(scattered *s, size_t room, const char *x_name, const char *y_name)
{
    *s = (scattered){.x = mem_new(room, sizeof(double)),
                     .y = mem_new(room, sizeof(double)),
                     .radius = mem_new(room, sizeof(double)),
                     .room = room,
                     .x_name = x_name,
                     .y_name = y_name};
    return s->x && s->y && s->radius ? KILN_OK : KILN_ERROR_MEMORY;
}

static void scatter_add(scattered *s, double x, double y)
{
    if (s->count == s->room || !isfinite(x) || !isfinite(y))
        return;
    s->x[s->count] = x;
    s->y[s->count] = y;
    s->radius[s->count++] = 3;
}

static void scatter_end(scattered *s)
{
    free(s->x);
    free(s->y);
    free(s->radius);
}

static void draw_scatter(text *out, const void *user, double width)
{
    const scattered *s = user;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < s->count; i++) {
        low = fmin(low, fmin(s->x[i], s->y[i]));
        high = fmax(high, fmax(s->x[i], s->y[i]));
    }
    const double ends[2] = {low, high};
    chart_draw(out,
               &(chart){.title = "Predictions against targets",
                        .x_name = s->x_name,
                        .y_name = s->y_name,
                        .series =
                            (chart_series[]){
                                {.x = ends, .y = ends, .count = 2, .color = -1, .dashed = true},
                                {.x = s->x, .y = s->y, .radius = s->radius, .count = s->count}},
                        .count = 2},
               width, width < 400 ? 260 : 380);
}

/* Predictions against targets, of single numbers. */
static kiln_status add_numbers(const run_report *r, const kiln_dataset *data, const float *values,
                               int64_t samples, text *page)
{
    int64_t stride = (samples - 1) / MOST_POINTS + 1;
    scattered s;
    kiln_status status = scatter_begin(&s, (size_t)(samples / stride) + 1, "target", "prediction");
    for (int64_t i = 0; status == KILN_OK && i < samples; i += stride)
        scatter_add(&s, columns_value(data->targets[0].dtype, data->targets[0].data, i), values[i]);
    if (status == KILN_OK && s.count > 1) {
        char words[128];
        page_heading(page, 2, "Predictions and targets");
        snprintf(words, sizeof words,
                 "%s samples of %.60s; on the dashed line a prediction is right.",
                 session_count((int64_t)s.count), r->data_name);
        page_figure(page, words, false, draw_scatter, &s);
    }
    scatter_end(&s);
    return status;
}

/* ---- series ---- */

/* Of what the model learned: its losses are not in the file's units. */
static void say_units(const model_series *s, text *page)
{
    bool scaled = false;
    for (size_t c = 0; c < s->target_count; c++)
        scaled |= s->means[c] != 0 || s->scales[c] != 1;
    if (!scaled && !s->log && !s->difference)
        return;
    char words[200];
    snprintf(words, sizeof words,
             "Losses and metrics are of what the network learns, not in the series' own units: "
             "%s%s.",
             scaled ? "standardized " : "",
             s->log && s->difference ? "differences of logarithms"
             : s->log                ? "logarithms"
             : s->difference         ? "differences"
                                     : "values");
    page_paragraph(page, words);
}

/* Forecasts of a column against what came, in the file's units. */
static kiln_status add_column(const forecast *f, size_t column, bool held, text *page)
{
    const model_series *s = f->series;
    const series_table *t = &f->table;
    int64_t stride = (f->count * s->horizon - 1) / MOST_POINTS + 1;
    scattered points;
    char words[400];
    kiln_status status = scatter_begin(&points, MOST_POINTS, "value", "forecast");
    for (int64_t k = 0; status == KILN_OK && k < f->count * s->horizon; k += stride) {
        int64_t i = k / s->horizon, step = k % s->horizon, row = f->first + i + step * s->rate;
        scatter_add(&points, t->values[(size_t)row * t->columns + column],
                    forecast_entry(f, i, step, column));
    }
    if (status == KILN_OK && points.count > 1) {
        snprintf(words, sizeof words, "%.80s: forecasts and values", s->columns[column]);
        page_heading(page, 2, words);
        snprintf(
            words, sizeof words,
            "%s forecasts of rows that were %s, in the series' own units; on the dashed line a "
            "forecast is right.",
            session_count((int64_t)points.count), held ? "held out of the training" : "trained on");
        page_figure(page, words, false, draw_scatter, &points);
    }
    scatter_end(&points);
    return status;
}

static kiln_status add_series(const run_report *r, text *page)
{
    forecast f;
    bool held;
    kiln_dataset *windows = NULL;
    kiln_status status = forecast_open_trained(&f, r->series_file, r->model, &held, &windows);
    if (status == KILN_OK && windows->samples > JUDGE_MOST_SAMPLES) {
        kiln_dataset *whole = windows;
        windows = kiln_dataset_slice(whole, 0, JUDGE_MOST_SAMPLES);
        status = windows ? KILN_OK : kiln_last_status();
        kiln_dataset_free(whole);
    }
    if (status == KILN_OK)
        status = forecast_predict(&f, r->model, windows);
    for (size_t c = 0; status == KILN_OK && c < f.series->target_count; c++)
        status = add_column(&f, c, held, page);
    kiln_dataset_free(windows);
    forecast_close(&f);
    return status;
}

/* ---- the page ---- */

static kiln_status predict_numbers(const run_report *r, const kiln_dataset *data, text *page)
{
    int64_t samples = 0;
    float *values = kiln_predict_with(&(kiln_predict_args){.model = r->model,
                                                           .data = (kiln_dataset *)(uintptr_t)data,
                                                           .batch_size = r->batch,
                                                           .verbose = KILN_NO},
                                      &samples);
    kiln_status status = values ? add_numbers(r, data, values, samples, page) : kiln_last_status();
    free(values);
    return status;
}

static kiln_status add_predictions(const run_report *r, const kiln_dataset *data, text *page)
{
    bool from_logits;
    if (judge_is_meant(r->model, data)) {
        judged j;
        kiln_status status = judge_data(&j, r->model, data, r->batch);
        if (status == KILN_OK)
            status = add_judgement(r, &j, page);
        judge_free(&j);
        return status;
    }
    const data_column *target = &data->targets[0];
    bool number =
        kiln_shape_size(target->shape) == 1 &&
        (target->dtype == KILN_FLOAT32 || !objective_is_classifier(r->model, 0, &from_logits));
    if (!number || kiln_shape_size(kiln_model_output_shape(r->model, 0)) != 1)
        return KILN_OK;
    return predict_numbers(r, data, page);
}

/* Of data that are arrays with one target, for a model with one output; the first ones of very
 * many. */
static kiln_status add_data(const run_report *r, text *page)
{
    const kiln_dataset *d = r->data;
    if (r->series_file)
        return add_series(r, page);
    if (d == NULL || d->function || d->target_count != 1 || r->model->output_count != 1 ||
        d->samples < 1)
        return KILN_OK;
    if (d->samples <= JUDGE_MOST_SAMPLES)
        return add_predictions(r, d, page);
    kiln_dataset *part = kiln_dataset_slice(d, 0, JUDGE_MOST_SAMPLES);
    kiln_status status = part ? add_predictions(r, part, page) : kiln_last_status();
    kiln_dataset_free(part);
    return status;
}

static kiln_status add_summary(const run_report *r, text *page)
{
    char *words = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&words, &bytes);
    if (stream == NULL)
        return kiln_fail_memory(0);
    kiln_status status = kiln_summary(r->model, stream);
    fclose(stream);
    if (status == KILN_OK) {
        page_heading(page, 2, "The network");
        page_code(page, words);
    }
    free(words);
    return status;
}

kiln_status run_report_write(const run_report *r, const char *path)
{
    text page = {0};
    run_curves curves;
    kiln_status status = run_curves_from_history(r->history, "training", &curves);
    page_begin(&page, r->title, r->lead);
    page_heading(&page, 2, "Learning curves");
    if (status == KILN_OK)
        status = run_curves_page(&page, &curves, 1);
    if (status == KILN_OK && r->series_file)
        say_units(r->model->facts->series, &page);
    if (status == KILN_OK)
        status = add_data(r, &page);
    if (status == KILN_OK)
        status = add_summary(r, &page);
    char *foot = str_format("Kiln %s", kiln_version());
    page_end(&page, foot ? foot : "Kiln");
    free(foot);
    if (status == KILN_OK)
        status = page.failed ? KILN_ERROR_MEMORY : file_write_atomic(path, page.data, page.length);
    text_free(&page);
    run_curves_free(&curves);
    return status;
}
