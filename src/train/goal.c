#include "train/goal.h"

#include "train/metric.h"
#include "train/optimizer.h"

#include <string.h>

const output_goal *goal_of(const output_goals *goals, size_t output)
{
    static const output_goal none = {.weight = 1};
    if (goals->count == 0)
        return &none;
    return &goals->items[goals->count == 1 ? 0 : output];
}

bool goals_have_loss(const output_goals *goals)
{
    for (size_t i = 0; i < goals->count; i++)
        if (goals->items[i].loss.kind != KILN_LOSS_NONE)
            return true;
    return false;
}

size_t goals_targets(const output_goals *goals, const kiln_model *model, size_t *outputs)
{
    size_t count = 0;
    for (size_t i = 0; i < model->output_count && i < GOAL_MAX; i++) {
        const output_goal *goal = goal_of(goals, i);
        if (goal->loss.kind != KILN_LOSS_NONE || goal->metric_count > 0)
            outputs[count++] = i;
    }
    return count;
}

const char *goal_output_name(const kiln_model *model, size_t output)
{
    return model_output_name(model, output);
}

kiln_status goal_find_output(const kiln_model *model, const char *name, const char *what,
                             size_t *output)
{
    const char *names[GOAL_MAX + 1] = {NULL};
    for (size_t i = 0; i < model->output_count && i < GOAL_MAX; i++) {
        names[i] = goal_output_name(model, i);
        if (strcmp(names[i], name) == 0) {
            *output = i;
            return KILN_OK;
        }
    }
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s: model %s has no output named %s%s", what,
                     model->name, name, spec_hint(name, names));
}

static void free_metrics(output_goal *goal)
{
    for (size_t i = 0; i < goal->metric_count; i++)
        free(goal->metrics[i]);
    goal->metric_count = 0;
}

kiln_status goal_set_metrics(output_goal *goal, const kiln_metrics *metrics)
{
    output_goal made = {.metric_count = 0};
    metric checked;
    bool none = metrics->names[0] && !metrics->names[1] && strcmp(metrics->names[0], "none") == 0;
    for (size_t i = 0; !none && i < KILN_MAX_METRICS && metrics->names[i]; i++) {
        kiln_status status = metric_parse(metrics->names[i], &checked);
        made.metrics[i] = status == KILN_OK ? str_copy(metrics->names[i]) : NULL;
        if (made.metrics[i] == NULL) {
            free_metrics(&made);
            return status == KILN_OK ? KILN_ERROR_MEMORY : status;
        }
        made.metric_count = i + 1;
    }
    free_metrics(goal);
    memcpy(goal->metrics, made.metrics, sizeof made.metrics);
    goal->metric_count = made.metric_count;
    return KILN_OK;
}

/* More outputs than goals are kept for. */
static kiln_status check_count(const kiln_model *model)
{
    if (model->output_count <= GOAL_MAX)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_UNSUPPORTED, "model %s has %zu outputs; %d are the most",
                     model->name, model->output_count, GOAL_MAX);
}

kiln_status goals_spread(output_goals *goals, const kiln_model *model)
{
    KILN_TRY(check_count(model));
    for (size_t i = goals->count; i < model->output_count; i++) {
        const output_goal *first = goal_of(goals, 0);
        output_goal *goal = &goals->items[i];
        *goal = (output_goal){.loss = first->loss, .weight = first->weight};
        goals->count = i + 1;
        for (size_t j = 0; i > 0 && j < goals->items[0].metric_count; j++) {
            goal->metrics[j] = str_copy(goals->items[0].metrics[j]);
            if (goal->metrics[j] == NULL)
                return KILN_ERROR_MEMORY;
            goal->metric_count = j + 1;
        }
    }
    return KILN_OK;
}

kiln_status goals_make(const kiln_model *model, const kiln_output_goals *given, output_goals *goals)
{
    bool seen[GOAL_MAX] = {false};
    KILN_TRY(goals_spread(goals, model));
    if (given->count > model->output_count)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_compile: %zu outputs are given, but model %s has %zu", given->count,
                         model->name, model->output_count);
    for (size_t i = 0; i < given->count; i++) {
        const kiln_output_goal *from = &given->items[i];
        size_t output = i;
        if (from->name)
            KILN_TRY(goal_find_output(model, from->name, "kiln_compile", &output));
        if (seen[output])
            return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_compile: output %s is given twice",
                             goal_output_name(model, output));
        seen[output] = true;
        output_goal *goal = &goals->items[output];
        kiln_status status = loss_check(&from->loss);
        if (status == KILN_OK)
            status = goal_set_metrics(goal, &from->metrics);
        if (status == KILN_OK && !(from->weight >= 0 && from->weight < 1e30))
            status = kiln_fail(KILN_ERROR_ARGUMENT,
                               "a loss's weight is %g; give a number of at least 0", from->weight);
        if (status != KILN_OK)
            return kiln_fail_in("output %s", goal_output_name(model, output));
        goal->loss = from->loss;
        goal->weight = optimizer_number(from->weight, 1);
    }
    return KILN_OK;
}

void goals_free(output_goals *goals)
{
    for (size_t i = 0; i < goals->count; i++)
        free_metrics(&goals->items[i]);
    goals->count = 0;
}
