#include "cli/judge.h"

#include "cli/objective.h"
#include "train/feed.h"

#include <math.h>
#include <string.h>

void judge_free(judged *j)
{
    free(j->names);
    free(j->number_names);
    free(j->labels);
    free(j->scores);
    free(j->counts);
}

int judge_best(const float *scores, size_t classes)
{
    size_t best = 0;
    for (size_t i = 1; i < classes; i++)
        if (scores[i] > scores[best])
            best = i;
    return (int)best;
}

/* The class of a sample; -1: it has none. */
static int label_of(const data_column *target, int64_t i, size_t classes)
{
    int64_t row = kiln_shape_size(target->shape);
    if (row == 1) {
        double label = columns_value(target->dtype, target->data, i);
        return label >= 0 && label < (double)classes ? (int)label : -1;
    }
    const float *values = (const float *)target->data + i * row;
    return target->dtype == KILN_FLOAT32 && (size_t)row == classes ? judge_best(values, classes)
                                                                   : -1;
}

static kiln_status name_classes(judged *j)
{
    const kiln_dataset *d = j->data;
    j->names = mem_new(j->classes, sizeof *j->names);
    j->number_names = mem_new(j->classes, 8);
    if (j->names == NULL || j->number_names == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < j->classes; i++) {
        snprintf(&j->number_names[8 * i], 8, "%d", (int)i);
        j->names[i] = d->class_count == j->classes ? d->class_names[i] : &j->number_names[8 * i];
    }
    return KILN_OK;
}

/* Scores of a single output are that of class 1. */
static kiln_status spread_scores(judged *j, float *values, int64_t row, bool from_logits)
{
    j->scores = mem_new((size_t)j->samples * j->classes + 1, sizeof *j->scores);
    if (j->scores == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < j->samples; i++) {
        float *to = &j->scores[(size_t)i * j->classes];
        objective_probabilities(&values[i * row], row, from_logits);
        if (row == 1) {
            to[1] = values[i];
            to[0] = 1 - to[1];
        } else {
            memcpy(to, &values[i * row], j->classes * sizeof *to);
        }
    }
    return KILN_OK;
}

static kiln_status compare_all(judged *j, float *values, int64_t row, bool from_logits)
{
    KILN_TRY(name_classes(j));
    KILN_TRY(spread_scores(j, values, row, from_logits));
    j->labels = mem_new((size_t)j->samples + 1, sizeof *j->labels);
    j->counts = mem_new(j->classes * j->classes, sizeof *j->counts);
    if (j->labels == NULL || j->counts == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < j->samples; i++) {
        int label = label_of(&j->data->targets[0], i, j->classes),
            best = judge_best(&j->scores[(size_t)i * j->classes], j->classes);
        j->labels[i] = label;
        if (label >= 0)
            j->counts[(size_t)label * j->classes + (size_t)best]++;
    }
    return KILN_OK;
}

bool judge_is_meant(const kiln_model *model, const kiln_dataset *d)
{
    bool from_logits;
    if (d == NULL || d->function || d->target_count != 1 || model->output_count != 1 ||
        d->samples < 1 || !objective_is_classifier(model, 0, &from_logits))
        return false;
    const data_column *target = &d->targets[0];
    return kiln_model_output_shape(model, 0).rank == 1 &&
           (target->dtype != KILN_FLOAT32 || kiln_shape_size(target->shape) != 1);
}

kiln_status judge_data(judged *j, kiln_model *model, const kiln_dataset *data, int64_t batch)
{
    bool from_logits;
    int64_t row = kiln_shape_size(kiln_model_output_shape(model, 0));
    *j = (judged){.data = data, .classes = row == 1 ? 2 : (size_t)row};
    objective_is_classifier(model, 0, &from_logits);
    float *values = kiln_predict_with(&(kiln_predict_args){.model = model,
                                                           .data = (kiln_dataset *)(uintptr_t)data,
                                                           .batch_size = batch,
                                                           .verbose = KILN_NO},
                                      &j->samples);
    if (values == NULL)
        return kiln_last_status();
    kiln_status status = compare_all(j, values, row, from_logits);
    free(values);
    return status;
}

/* ---- the worst mistakes ---- */

static int by_confidence(const void *x, const void *y)
{
    const mistake *a = x, *b = y;
    if (a->right != b->right)
        return a->right < b->right ? -1 : 1;
    return a->sample < b->sample ? -1 : a->sample > b->sample;
}

kiln_status judge_mistakes(const judged *j, mistake **all, size_t *count)
{
    *count = 0;
    *all = mem_new((size_t)j->samples + 1, sizeof **all);
    if (*all == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < j->samples; i++) {
        const float *scores = &j->scores[(size_t)i * j->classes];
        int label = j->labels[i], best = judge_best(scores, j->classes);
        if (label >= 0 && best != label)
            (*all)[(*count)++] =
                (mistake){i, label, best, (double)scores[label], (double)scores[best]};
    }
    qsort(*all, *count, sizeof **all, by_confidence);
    return KILN_OK;
}

/* ---- samples that are pictures ---- */

bool sample_is_picture(const data_column *c)
{
    const kiln_shape *s = &c->shape;
    return (s->rank == 2 || (s->rank == 3 && (s->dims[2] == 1 || s->dims[2] == 3))) &&
           s->dims[0] >= 4 && s->dims[1] >= 4 && s->dims[0] <= 4096 && s->dims[1] <= 4096 &&
           c->dtype != KILN_INT32 && data_column_is_packed(c);
}

/* Every `step`-th pixel. */
static void take_pixels(const data_column *c, int64_t sample, const sample_picture *p, int step)
{
    const int64_t size = kiln_shape_size(c->shape), at = sample * size, width = c->shape.dims[1];
    uint8_t *to = p->pixels;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; c->dtype == KILN_FLOAT32 && i < size; i++) {
        double v = columns_value(c->dtype, c->data, at + i);
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            for (int k = 0; k < p->channels; k++) {
                int64_t from =
                    at + ((int64_t)y * step * width + (int64_t)x * step) * p->channels + k;
                double v = columns_value(c->dtype, c->data, from);
                if (c->dtype == KILN_FLOAT32)
                    v = high > low ? (v - low) / (high - low) * 255 : 0;
                *to++ = (uint8_t)(v >= 0 ? v <= 255 ? v : 255 : 0);
            }
}

kiln_status sample_take_picture(const data_column *c, int64_t sample, int longest,
                                sample_picture *p)
{
    const int height = (int)c->shape.dims[0], width = (int)c->shape.dims[1],
              step = ((height > width ? height : width) - 1) / longest + 1;
    *p = (sample_picture){.height = (height - 1) / step + 1,
                          .width = (width - 1) / step + 1,
                          .channels = c->shape.rank == 3 ? (int)c->shape.dims[2] : 1};
    p->pixels = mem_new((size_t)p->height * (size_t)p->width * (size_t)p->channels, 1);
    if (p->pixels == NULL)
        return KILN_ERROR_MEMORY;
    take_pixels(c, sample, p, step);
    return KILN_OK;
}
