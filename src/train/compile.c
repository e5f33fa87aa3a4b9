#include "train/training.h"

#include "base/env.h"
#include "check/check.h"

#include <string.h>

/* ---- life of a training ---- */

/* What hangs on the device and on the compiled choices. */
static void free_programs_and_buffers(model_training *t)
{
    programs_free(t);
    for (size_t i = 0; i < sizeof t->staging / sizeof *t->staging; i++)
        if (t->staging[i].memory)
            device_free(t->device, t->staging[i].memory);
    memset(t->staging, 0, sizeof t->staging);
    t->staging_rows = 0;
    free(t->metrics);
    t->metrics = NULL;
    t->metric_count = t->sums = 0;
    free(t->batch_sums);
    t->batch_sums = NULL;
}

static void training_free(model_training *t)
{
    free_programs_and_buffers(t);
    optimizer_free(&t->optimizer);
    goals_free(&t->goals);
    free(t->trainable);
    free(t->problem);
    history_free(&t->history);
    logs_free(&t->evaluate_logs);
    logs_free(&t->batch_logs);
    kiln_device_close(t->device);
    free(t);
}

static void free_training(kiln_model *model)
{
    if (model->training)
        training_free(training_of(model));
    model->training = NULL;
}

kiln_status training_get(kiln_model *model, model_training **t)
{
    if (model == NULL)
        return kiln_fail_null("the model");
    if (model->training == NULL) {
        model_training *made = mem_new(1, sizeof *made);
        if (made == NULL)
            return KILN_ERROR_MEMORY;
        made->model = model;
        kiln_optimizer args;
        kiln_status status = optimizer_resolve(&(kiln_optimizer){0}, &args);
        if (status != KILN_OK) {
            free(made);
            return status;
        }
        optimizer_init(&made->optimizer, &args);
        model->training = made;
        model->free_training = free_training;
    }
    *t = training_of(model);
    return KILN_OK;
}

void training_note_targets(model_training *t)
{
    t->target_count = goals_targets(&t->goals, t->model, t->targets);
}

kiln_status training_needs_loss(const model_training *t, const char *what)
{
    if (goals_have_loss(&t->goals))
        return KILN_OK;
    if (t->problem)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: model %s is not compiled, for its file's compile configuration "
                         "cannot be used (%s); call kiln_compile first",
                         what, t->model->name, t->problem);
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     t->compiled ? "%s: model %s was compiled without a loss; give kiln_compile one"
                                 : "%s: model %s is not compiled; call kiln_compile first",
                     what, t->model->name ? t->model->name : "");
}

static kiln_status place_weights(model_training *t)
{
    kiln_model *model = t->model;
    size_t count = model_weight_count(model);
    KILN_TRY(model_seed_weights(model));
    ir_weight **weights = mem_new(count, sizeof *weights);
    if (weights == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        kiln_layer *layer;
        weights[i] = &model_weight(model, i, &layer)->weight;
    }
    kiln_status status = store_place(t->device, weights, count);
    free(weights);
    return status;
}

/* Notes which weights are to be trained: a change takes effect at the next kiln_compile. */
static kiln_status note_trainable(model_training *t)
{
    size_t count = model_weight_count(t->model);
    bool *trainable = mem_new(count, sizeof *trainable);
    if (trainable == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        kiln_layer *layer;
        const ir_weight *weight = &model_weight(t->model, i, &layer)->weight;
        trainable[i] = layer->trainable && weight->trainable;
    }
    free(t->trainable);
    t->trainable = trainable;
    return KILN_OK;
}

kiln_status training_ready(model_training *t)
{
    if (t->trainable == NULL)
        KILN_TRY(note_trainable(t));
    if (t->device == NULL) {
        t->device = kiln_device_open(NULL);
        if (t->device == NULL)
            return kiln_last_status();
    }
    KILN_TRY(check_device(t->device));
    KILN_TRY(place_weights(t));
    if (t->seed == 0)
        t->seed = t->model->seed;
    return KILN_OK;
}

/* ---- kiln_compile ---- */

static kiln_status choose_engine(const char *gemm, blas_engine *engine)
{
    const char *name = gemm ? gemm : env_get(ENV_GEMM);
    *engine = BLAS_AUTO;
    return name ? blas_engine_parse(name, engine) : KILN_OK;
}

/* The goals that a call gives, and what it leaves out of those before (of a model from a file). */
static kiln_status choose_goals(const kiln_compile_args *args, const output_goals *before,
                                output_goals *goals)
{
    bool all = args->loss.kind != KILN_LOSS_NONE || args->metrics.names[0];
    KILN_TRY(loss_check(&args->loss));
    if (args->outputs.count > 0) {
        if (all)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "kiln_compile: give a loss and metrics for all outputs, or .outputs "
                             "with those of each; not both");
        return goals_make(args->model, &args->outputs, goals);
    }
    size_t count = before->count > 0 ? before->count : 1;
    for (size_t i = 0; i < count; i++) {
        const output_goal *old = goal_of(before, i);
        output_goal *goal = &goals->items[i];
        bool keep = args->loss.kind == KILN_LOSS_NONE;
        *goal =
            (output_goal){.loss = keep ? old->loss : args->loss, .weight = keep ? old->weight : 1};
        goals->count = i + 1;
        kiln_metrics metrics = args->metrics;
        for (size_t j = 0; metrics.names[0] == NULL && j < old->metric_count; j++)
            metrics.names[j] = old->metrics[j];
        KILN_TRY(goal_set_metrics(goal, &metrics));
    }
    return KILN_OK;
}

static bool is_given(const kiln_optimizer *o)
{
    static const kiln_optimizer nothing;
    return memcmp(o, &nothing, sizeof nothing) != 0;
}

kiln_status kiln_compile_with(const kiln_compile_args *args)
{
    model_training *t = NULL;
    kiln_optimizer resolved;
    blas_engine engine;
    if (args == NULL)
        return kiln_fail_null("the arguments of kiln_compile");
    if (args->model == NULL)
        return kiln_fail_null("the model to compile");
    kiln_optimizer wanted = args->optimizer;
    if (wanted.initial_scale == 0 && model_is_mixed(args->model))
        wanted.initial_scale = OPTIMIZER_SCALE;
    KILN_TRY(optimizer_resolve(&wanted, &resolved));
    KILN_TRY(choose_engine(args->gemm, &engine));
    KILN_TRY(training_get(args->model, &t));
    if (t->fit)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a model cannot be compiled while it is trained");

    /* A model from a file that has not run yet keeps what the file says and the call leaves out. */
    bool from_file = t->compiled && t->device == NULL;
    static const output_goals none;
    output_goals goals = {.count = 0};
    kiln_status chosen = choose_goals(args, from_file ? &t->goals : &none, &goals);
    if (chosen != KILN_OK) {
        goals_free(&goals);
        return chosen;
    }
    if (!from_file || is_given(&args->optimizer)) {
        optimizer_free(&t->optimizer);
        optimizer_init(&t->optimizer, &resolved);
    }
    if (t->optimizer.args.initial_scale == 0 && wanted.initial_scale > 0)
        t->optimizer.args.initial_scale = t->optimizer.scale_start[0] = (float)wanted.initial_scale;
    goals_free(&t->goals);
    t->goals = goals;
    training_note_targets(t);
    free_programs_and_buffers(t);
    KILN_TRY(note_trainable(t));
    t->engine = engine;
    t->compiled = true;
    if (args->device && args->device != t->device) {
        kiln_device_close(t->device);
        t->device = device_retain(args->device);
    }
    return training_ready(t);
}
