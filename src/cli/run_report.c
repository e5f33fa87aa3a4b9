/* The page of kiln fit --report: curves, and what the trained model makes of the data. */
#include "cli/run_report.h"

#include "base/file.h"
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
    size_t count;
} scattered;

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
                        .x_name = "target",
                        .y_name = "prediction",
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
    size_t room = (size_t)(samples / stride) + 1;
    scattered s = {mem_new(room, sizeof(double)), mem_new(room, sizeof(double)),
                   mem_new(room, sizeof(double)), 0};
    kiln_status status = s.x && s.y && s.radius ? KILN_OK : KILN_ERROR_MEMORY;
    for (int64_t i = 0; status == KILN_OK && i < samples; i += stride) {
        s.x[s.count] = columns_value(data->targets[0].dtype, data->targets[0].data, i);
        s.y[s.count] = values[i];
        s.radius[s.count] = 3;
        s.count += isfinite(s.x[s.count]) && isfinite(s.y[s.count]);
    }
    if (status == KILN_OK && s.count > 1) {
        char words[128];
        page_heading(page, 2, "Predictions and targets");
        snprintf(words, sizeof words,
                 "%s samples of %.60s; on the dashed line a prediction is right.",
                 session_count((int64_t)s.count), r->data_name);
        page_figure(page, words, false, draw_scatter, &s);
    }
    free(s.x);
    free(s.y);
    free(s.radius);
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
