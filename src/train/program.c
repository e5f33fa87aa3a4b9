/* Builds the graph of a mode, batch size and types of data, and its plan. */
#include "train/training.h"

#include "check/check.h"
#include "graph/autodiff.h"

#include <string.h>

/* The graph while it is built. */
typedef struct build {
    model_training *t;
    const data_types *types;
    training_mode mode;
    int64_t batch;
    ir_graph graph;
    ir_id inputs[TRAINING_MAX_COLUMNS];
    ir_id targets[TRAINING_MAX_COLUMNS], outputs[TRAINING_MAX_COLUMNS],
        output_masks[TRAINING_MAX_COLUMNS]; /* by output */
    ir_id mask, rows, weights;              /* weights: the mask times the sample weights */
    ir_id loss;                             /* mean over the batch, and penalties */
    ir_id *sums;
    int sum_count;
    plan_update *updates;
    int update_count;
    plan_assign *assigns; /* moving statistics */
    size_t assign_count;
    char **float_places; /* of layers that keep float32 */
    size_t float_count;
} build;

static bool has_targets(training_mode mode)
{
    return mode != TRAINING_PREDICT && mode != TRAINING_GENERATE;
}

static kiln_shape with_batch(int64_t batch, kiln_shape shape)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {batch}};
    for (int i = 0; i < shape.rank; i++)
        out.dims[i + 1] = shape.dims[i];
    return out;
}

static ir_id column(build *b, size_t i, double scale)
{
    return op_batch_windows(&b->graph, TRAINING_SLOT_COLUMN(i), TRAINING_SLOT_ORDER,
                            b->types->dtypes[i], with_batch(b->batch, b->types->shapes[i]),
                            b->types->strides[i], b->types->steps[i], scale);
}

static kiln_status build_inputs(build *b)
{
    const kiln_model *model = b->t->model;
    KILN_TRY(ir_set_place(&b->graph, "data"));
    for (size_t i = 0; i < b->types->input_count; i++) {
        kiln_shape wanted = with_batch(b->batch, model->calls[model->inputs[i]].shape);
        ir_id x = column(b, i, b->types->scale);
        if (x != IR_NONE && !ir_shape_equal(b->graph.items[x].shape, wanted))
            x = op_reshape(&b->graph, x, wanted);
        b->inputs[i] = x;
        if (x == IR_NONE)
            return kiln_last_status();
    }
    for (size_t i = 0; i < b->types->target_count; i++) {
        ir_id target = column(b, b->types->input_count + i, 1);
        b->targets[b->t->targets[i]] = target;
        if (target == IR_NONE)
            return kiln_last_status();
    }
    return KILN_OK;
}

static kiln_status build_outputs(build *b)
{
    layer_call call = {.graph = &b->graph,
                       .training = b->mode == TRAINING_FIT || b->mode == TRAINING_GRADIENTS,
                       .loss = IR_NONE,
                       .output_masks = b->output_masks,
                       .mixed = model_is_mixed(b->t->model)};
    kiln_status status = model_build_graph(b->t->model, &call, b->inputs, b->outputs);
    b->loss = call.loss;
    b->assigns = call.assigns;
    b->assign_count = call.assign_count;
    b->float_places = call.float_places;
    b->float_count = call.float_count;
    return status;
}

static kiln_status add_sum(build *b, ir_id node)
{
    if (node == IR_NONE)
        return kiln_last_status();
    ir_id *grown = realloc(b->sums, (size_t)(b->sum_count + 1) * sizeof *grown);
    if (grown == NULL)
        return kiln_fail_memory(sizeof *grown);
    b->sums = grown;
    b->sums[b->sum_count++] = node;
    return KILN_OK;
}

/* Where a mask says which steps count: the sum of their losses, divided by their number and
 * multiplied by the rows. */
static ir_id masked_loss(build *b, ir_id values, ir_id mask)
{
    ir_graph *g = &b->graph;
    kiln_shape rows = {.rank = g->items[mask].shape.rank, .dims = {b->batch}};
    for (int i = 1; i < rows.rank; i++)
        rows.dims[i] = 1;
    values = loss_masked_mean(g, values, mask);
    ir_id weights = op_binary(g, F_MUL, mask, op_reshape(g, b->weights, rows)),
          counted = op_binary(g, F_MUL, mask, op_reshape(g, b->mask, rows));
    ir_id sum = op_reduce(g, R_SUM, op_binary(g, F_MUL, values, weights), 0, -1, false),
          count = op_reduce(g, R_SUM, counted, 0, -1, false);
    /* No step at all: no loss. */
    count = op_binary(g, F_MAX, count, op_constant(g, 1));
    return op_binary(g, F_MUL, op_binary(g, F_DIV, sum, count), b->rows);
}

/* The sum over the batch of an output's loss. */
static ir_id output_loss(build *b, size_t output)
{
    ir_graph *g = &b->graph;
    const output_goal *goal = goal_of(&b->t->goals, output);
    ir_id values = loss_each(g, &goal->loss, b->targets[output], b->outputs[output]);
    if (b->output_masks[output] != IR_NONE)
        return masked_loss(b, values, b->output_masks[output]);
    values = loss_sample_mean(g, values);
    return op_reduce(g, R_SUM, op_binary(g, F_MUL, values, b->weights), 0, 0, false);
}

/* The losses of the outputs, summed by their weights, and the penalties; in b->loss. */
static kiln_status build_loss(build *b)
{
    ir_graph *g = &b->graph;
    const model_training *t = b->t;
    ir_id total = IR_NONE, parts[TRAINING_MAX_COLUMNS];
    int count = 0;
    KILN_TRY(ir_set_place(g, "loss"));
    b->mask = op_row_mask(g, b->batch);
    b->rows = op_row_count(g);
    b->weights = b->mask;
    if (b->types->weighted) {
        kiln_shape shape = {.rank = 1, .dims = {b->batch}};
        ir_id w = op_batch(g, TRAINING_SLOT_WEIGHTS, TRAINING_SLOT_ORDER, KILN_FLOAT32, shape, 1);
        b->weights = op_binary(g, F_MUL, b->mask, w);
    }
    for (size_t i = 0; i < t->model->output_count; i++) {
        const output_goal *goal = goal_of(&t->goals, i);
        if (goal->loss.kind == KILN_LOSS_NONE)
            continue;
        ir_id sum = output_loss(b, i), mean = op_binary(g, F_DIV, sum, b->rows);
        if (goal->weight != 1)
            mean = op_affine(g, mean, goal->weight, 0);
        total = count == 0 ? mean : op_binary(g, F_ADD, total, mean);
        parts[count++] = sum;
        if (total == IR_NONE)
            return kiln_fail_in("the loss of layer %s", goal_output_name(t->model, i));
    }
    if (b->loss != IR_NONE)
        total = op_binary(g, F_ADD, total, b->loss);
    b->loss = total;
    KILN_TRY(add_sum(b, op_binary(g, F_MUL, total, b->rows)));
    KILN_TRY(add_sum(b, b->rows));
    for (int i = 0; count > 1 && i < count; i++)
        KILN_TRY(add_sum(b, parts[i]));
    return KILN_OK;
}

/* Settles a metric of an output, whose target has this shape. */
static kiln_status resolve_metric(const model_training *t, const char *words, size_t output,
                                  kiln_shape target, metric *m)
{
    const kiln_model *model = t->model;
    KILN_TRY(metric_parse(words, m));
    m->output = output;
    KILN_TRY(metric_resolve(m, target, model->calls[model->outputs[output]].shape,
                            goal_output_name(model, output)));
    if (model->output_count > 1) {
        char name[sizeof m->name];
        snprintf(name, sizeof name, "%.60s_%.60s", goal_output_name(model, output), m->name);
        memcpy(m->name, name, sizeof name);
    }
    return KILN_OK;
}

/* Settles the metrics of all outputs, once the shapes of the targets are known. */
static kiln_status resolve_metrics(model_training *t, const data_types *types)
{
    size_t count = 0;
    if (t->metrics)
        return KILN_OK;
    metric *metrics = mem_new(TRAINING_MAX_COLUMNS * KILN_MAX_METRICS, sizeof *metrics);
    if (metrics == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < types->target_count; i++) {
        const output_goal *goal = goal_of(&t->goals, t->targets[i]);
        for (size_t j = 0; j < goal->metric_count; j++) {
            kiln_status status =
                resolve_metric(t, goal->metrics[j], t->targets[i],
                               types->shapes[types->input_count + i], &metrics[count++]);
            if (status != KILN_OK) {
                free(metrics);
                return status;
            }
        }
    }
    t->metrics = metrics;
    t->metric_count = count;
    return KILN_OK;
}

static kiln_status build_metrics(build *b)
{
    model_training *t = b->t;
    KILN_TRY(ir_set_place(&b->graph, "metrics"));
    for (size_t i = 0; i < t->metric_count; i++) {
        metric *m = &t->metrics[i];
        ir_id sums[METRIC_MAX_SUMS];
        KILN_TRY(metric_build(m, &b->graph, b->targets[m->output], b->outputs[m->output], b->mask,
                              b->output_masks[m->output], sums));
        for (int j = 0; j < m->sum_count; j++)
            KILN_TRY(add_sum(b, sums[j]));
    }
    return KILN_OK;
}

/* What the gradients are taken of: the loss times its scale, where it has one. */
static ir_id scaled_loss(build *b)
{
    ir_graph *g = &b->graph;
    optimizer *o = &b->t->optimizer;
    if (o->args.initial_scale <= 0)
        return b->loss;
    ir_id scale = op_slice(g, op_weight(g, &o->scale), 0, 0, 1, 1);
    return op_binary(g, F_MUL, b->loss, op_reshape(g, scale, (kiln_shape){0}));
}

static kiln_status build_updates(build *b)
{
    kiln_model *model = b->t->model;
    size_t weights = model_weight_count(model);
    ir_id *wrt = mem_new(weights, sizeof *wrt), *gradients = mem_new(weights, sizeof *gradients);
    b->updates = mem_new(weights, sizeof *b->updates);
    kiln_status status = wrt && gradients && b->updates ? KILN_OK : KILN_ERROR_MEMORY;
    int count = 0;
    for (size_t i = 0; status == KILN_OK && i < weights; i++) {
        kiln_layer *layer;
        ir_weight *weight = &model_weight(model, i, &layer)->weight;
        if (!b->t->trainable[i])
            continue;
        b->updates[count].weight = weight;
        wrt[count] = op_weight(&b->graph, weight);
        if (wrt[count++] == IR_NONE)
            status = kiln_last_status();
    }
    if (status == KILN_OK)
        status = ir_set_place(&b->graph, "gradients");
    if (status == KILN_OK && count > 0)
        status = graph_gradients(&b->graph, scaled_loss(b), count, wrt, gradients);
    for (int i = 0; status == KILN_OK && i < count; i++) {
        const ir_weight *weight = b->updates[i].weight;
        if (gradients[i] == IR_NONE) /* behind no loss: its gradient is 0, as in Keras on JAX */
            gradients[i] = op_broadcast(&b->graph, op_constant(&b->graph, 0), weight->shape);
        if (gradients[i] == IR_NONE)
            status = kiln_last_status();
        b->updates[i].gradient = gradients[i];
    }
    b->update_count = count;
    free(wrt);
    free(gradients);
    return status;
}

static kiln_status build_graph(build *b)
{
    KILN_TRY(build_inputs(b));
    KILN_TRY(build_outputs(b));
    if (!has_targets(b->mode))
        return KILN_OK;
    KILN_TRY(build_loss(b));
    if (b->mode != TRAINING_GRADIENTS)
        KILN_TRY(build_metrics(b));
    return b->mode == TRAINING_EVALUATE ? KILN_OK : build_updates(b);
}

static const char *const mode_names[] = {"train", "evaluate", "predict", "generate", "gradients"};

/* Its outputs are the gradients; no weight is set, neither by an optimizer nor by a layer. */
static kiln_status make_gradients_plan(const build *b, plan_request *request, program *p)
{
    ir_id *gradients = mem_new((size_t)b->update_count + 1, sizeof *gradients);
    if (gradients == NULL)
        return KILN_ERROR_MEMORY;
    for (int i = 0; i < b->update_count; i++)
        gradients[i] = b->updates[i].gradient;
    request->output_count = b->update_count;
    request->outputs = gradients;
    kiln_status status = plan_create(b->t->device, request, &p->plan);
    free(gradients);
    return status;
}

static kiln_status make_plan(build *b, program *p)
{
    model_training *t = b->t;
    blas_engine engine = t->engine;
    KILN_TRY(check_engine(t->device, &engine));
    plan_request request = {.name = mode_names[b->mode],
                            .graph = &b->graph,
                            .loss = IR_NONE,
                            .engine = engine,
                            .half = model_is_mixed(t->model),
                            .float_count = b->float_count,
                            .float_places = b->float_places,
                            .seed = p->seed};
    if (b->mode == TRAINING_GRADIENTS)
        return make_gradients_plan(b, &request, p);
    const plan_sample sample = {.rules_slot = TRAINING_SLOT_RULES,
                                .chances_slot = TRAINING_SLOT_CHANCES,
                                .tokens_slot = TRAINING_SLOT_TOKENS,
                                .order_slot = TRAINING_SLOT_ORDER};
    if (b->mode == TRAINING_GENERATE)
        request.sample = &sample;
    if (!has_targets(b->mode)) {
        request.waited_for = true;
        request.output_count = (int)t->model->output_count;
        request.outputs = b->outputs;
    } else {
        request.accumulator_count = b->sum_count;
        request.accumulators = b->sums;
        request.loss = b->loss;
    }
    if (b->mode == TRAINING_FIT && b->update_count > 0) {
        KILN_TRY(optimizer_place(&t->optimizer, t->device, b->update_count, b->updates));
        request.update_count = b->update_count;
        request.updates = b->updates;
        request.optimizer = &t->optimizer.plan;
    }
    request.assign_count = (int)b->assign_count;
    request.assigns = b->assigns;
    KILN_TRY(plan_create(t->device, &request, &p->plan));
    if (has_targets(b->mode))
        t->sums = plan_accumulator_size(p->plan);
    return KILN_OK;
}

static void program_free(program *p)
{
    if (p && p->plan)
        plan_free(p->plan);
    free(p);
}

static kiln_status program_make(model_training *t, training_mode mode, int64_t batch,
                                const data_types *types, program **made)
{
    build b = {.t = t,
               .types = types,
               .mode = mode,
               .batch = batch,
               .mask = IR_NONE,
               .rows = IR_NONE,
               .weights = IR_NONE,
               .loss = IR_NONE};
    program *p = mem_new(1, sizeof *p);
    if (p == NULL)
        return KILN_ERROR_MEMORY;
    *p = (program){.mode = mode, .batch = batch, .seed = t->seed, .types = *types};
    kiln_status status = KILN_OK;
    if (has_targets(mode))
        status = resolve_metrics(t, types);
    if (status == KILN_OK)
        status = build_graph(&b);
    if (status == KILN_OK)
        status = make_plan(&b, p);
    ir_free(&b.graph);
    free(b.sums);
    free(b.updates);
    free(b.assigns);
    for (size_t i = 0; i < b.float_count; i++)
        free(b.float_places[i]);
    free(b.float_places);
    if (status != KILN_OK) {
        program_free(p);
        return status;
    }
    *made = p;
    return KILN_OK;
}

static bool same_types(const data_types *a, const data_types *b)
{
    if (a->input_count != b->input_count || a->target_count != b->target_count ||
        a->scale != b->scale || a->weighted != b->weighted)
        return false;
    for (size_t i = 0; i < a->input_count + a->target_count; i++)
        if (a->dtypes[i] != b->dtypes[i] || !ir_shape_equal(a->shapes[i], b->shapes[i]) ||
            a->strides[i] != b->strides[i] || a->steps[i] != b->steps[i])
            return false;
    return true;
}

program *program_find(const model_training *t, training_mode mode, int64_t rows,
                      const data_types *types)
{
    program *best = NULL;
    for (size_t i = 0; i < t->program_count; i++) {
        program *p = t->programs[i];
        bool draws = mode == TRAINING_FIT || mode == TRAINING_GRADIENTS,
             same_seed = p->seed == t->seed || !draws;
        if (p->mode == mode && same_seed && p->batch >= rows && same_types(&p->types, types) &&
            (best == NULL || p->batch < best->batch))
            best = p;
    }
    return best;
}

kiln_status program_get(model_training *t, training_mode mode, int64_t batch,
                        const data_types *types, program **p)
{
    *p = program_find(t, mode, batch, types);
    if (*p && (*p)->batch == batch)
        return KILN_OK;
    KILN_TRY(
        mem_grow(&t->programs, &t->program_capacity, t->program_count + 1, sizeof *t->programs));
    program *made = NULL;
    KILN_TRY(program_make(t, mode, batch, types, &made));
    t->programs[t->program_count++] = made;
    *p = made;
    return KILN_OK;
}

void programs_free(model_training *t)
{
    for (size_t i = 0; i < t->program_count; i++)
        program_free(t->programs[i]);
    free(t->programs);
    constraints_free(t);
    t->programs = NULL;
    t->program_count = t->program_capacity = 0;
}

/* ---- sums ---- */

kiln_status training_collect(model_training *t, program *p, double *totals)
{
    double *sums = mem_new(t->sums, sizeof *sums);
    if (sums == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = plan_read_accumulators(p->plan, sums);
    if (status == KILN_OK)
        status = plan_reset_accumulators(p->plan);
    for (size_t i = 0; status == KILN_OK && i < t->sums; i++)
        totals[i] += sums[i];
    free(sums);
    return status;
}

kiln_status training_logs(const model_training *t, const double *totals, kiln_logs *logs)
{
    size_t next = 2, losses = 0;
    double samples = totals[1];
    for (size_t i = 0; i < t->model->output_count; i++)
        losses += goal_of(&t->goals, i)->loss.kind != KILN_LOSS_NONE;
    logs_clear(logs);
    KILN_TRY(logs_set(logs, "loss", samples > 0 ? totals[0] / samples : 0));
    for (size_t i = 0; losses > 1 && i < t->model->output_count; i++) {
        char name[128];
        if (goal_of(&t->goals, i)->loss.kind == KILN_LOSS_NONE)
            continue;
        snprintf(name, sizeof name, "%.100s_loss", goal_output_name(t->model, i));
        KILN_TRY(logs_set(logs, name, samples > 0 ? totals[next] / samples : 0));
        next++;
    }
    for (size_t i = 0; i < t->metric_count; i++) {
        const metric *m = &t->metrics[i];
        KILN_TRY(logs_set(logs, m->name, metric_value(m, totals + next, samples)));
        for (int j = 0; j < m->sum_count; j++)
            next += m->sizes[j];
    }
    logs_sort(logs);
    return KILN_OK;
}
