/* The compile configuration as Keras's JSON. */
#include "train/config.h"
#include "train/training.h"

#include <math.h>
#include <string.h>

/* ---- writing ---- */

json_t *config_object(const char *module, const char *class_name, json_t *config)
{
    return json_pack("{s:s, s:s, s:o, s:n}", "module", module, "class_name", class_name, "config",
                     config, "registered_name");
}

static json_t *number_or_null(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static json_t *schedule_config(const kiln_schedule *s, const char **class_name)
{
    long long steps = s->decay_steps;
    switch (s->kind) {
    case KILN_SCHEDULE_EXPONENTIAL:
        *class_name = "ExponentialDecay";
        return json_pack("{s:f, s:I, s:f, s:b, s:s}", "initial_learning_rate",
                         s->initial_learning_rate, "decay_steps", (json_int_t)steps, "decay_rate",
                         s->decay_rate, "staircase", s->staircase == KILN_YES, "name", *class_name);
    case KILN_SCHEDULE_COSINE:
        *class_name = "CosineDecay";
        return json_pack("{s:f, s:I, s:f, s:s, s:o, s:I}", "initial_learning_rate",
                         s->initial_learning_rate, "decay_steps", (json_int_t)steps, "alpha",
                         s->alpha, "name", *class_name, "warmup_target",
                         number_or_null(s->warmup_target), "warmup_steps",
                         (json_int_t)s->warmup_steps);
    case KILN_SCHEDULE_POLYNOMIAL:
        *class_name = "PolynomialDecay";
        return json_pack("{s:f, s:I, s:f, s:f, s:b, s:s}", "initial_learning_rate",
                         s->initial_learning_rate, "decay_steps", (json_int_t)steps,
                         "end_learning_rate", optimizer_number(s->end_learning_rate, 0.0001),
                         "power", optimizer_number(s->power, 1), "cycle", s->cycle == KILN_YES,
                         "name", *class_name);
    default:
        break;
    }
    json_t *boundaries = json_array(), *values = json_array();
    for (int i = 0; i <= s->piece_count; i++) {
        if (i < s->piece_count && s->boundaries[i] == floor(s->boundaries[i]))
            json_array_append_new(boundaries, json_integer((json_int_t)s->boundaries[i]));
        else if (i < s->piece_count)
            json_array_append_new(boundaries, json_real(s->boundaries[i]));
        json_array_append_new(values, json_real(s->values[i]));
    }
    *class_name = "PiecewiseConstantDecay";
    return json_pack("{s:o, s:o, s:s}", "boundaries", boundaries, "values", values, "name",
                     "PiecewiseConstant");
}

static json_t *rate_config(const optimizer *o)
{
    const char *class_name;
    if (o->args.schedule.kind == KILN_SCHEDULE_NONE)
        return json_real(o->rate);
    json_t *config = schedule_config(&o->args.schedule, &class_name);
    return config_object("keras.optimizers.schedules", class_name, config);
}

static json_t *inner_config(const optimizer *o)
{
    const kiln_optimizer *a = &o->args;
    static const char *const names[] = {"rm_sprop", "sgd", "adam", "adam_w", "rm_sprop", "adagrad"};
    json_t *c = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:f, s:n, s:n, s:o}", "name", names[a->kind],
        "learning_rate", rate_config(o), "weight_decay", number_or_null(a->weight_decay),
        "clipnorm", number_or_null(a->clipnorm), "global_clipnorm",
        number_or_null(a->global_clipnorm), "clipvalue", number_or_null(a->clipvalue), "use_ema", 0,
        "ema_momentum", 0.99, "ema_overwrite_frequency", "loss_scale_factor",
        "gradient_accumulation_steps",
        a->gradient_accumulation_steps ? json_integer((json_int_t)a->gradient_accumulation_steps)
                                       : json_null());
    if (a->kind == KILN_OPTIMIZER_ADAMW) /* which Keras wants as a number */
        json_object_set_new(c, "weight_decay", json_real(a->weight_decay));
    switch (a->kind) {
    case KILN_OPTIMIZER_SGD:
        json_object_set_new(c, "momentum", json_real(a->momentum));
        json_object_set_new(c, "nesterov", json_boolean(a->nesterov == KILN_YES));
        break;
    case KILN_OPTIMIZER_ADAM:
    case KILN_OPTIMIZER_ADAMW:
        json_object_set_new(c, "beta_1", json_real(a->beta_1));
        json_object_set_new(c, "beta_2", json_real(a->beta_2));
        json_object_set_new(c, "epsilon", json_real(a->epsilon));
        json_object_set_new(c, "amsgrad", json_boolean(a->amsgrad == KILN_YES));
        break;
    case KILN_OPTIMIZER_ADAGRAD:
        json_object_set_new(c, "initial_accumulator_value",
                            json_real(a->initial_accumulator_value));
        json_object_set_new(c, "epsilon", json_real(a->epsilon));
        break;
    default:
        json_object_set_new(c, "rho", json_real(a->rho));
        json_object_set_new(c, "momentum", json_real(a->momentum));
        json_object_set_new(c, "epsilon", json_real(a->epsilon));
        json_object_set_new(c, "centered", json_boolean(a->centered == KILN_YES));
        break;
    }
    return config_object("keras.optimizers", optimizer_class_name(a->kind), c);
}

static json_t *optimizer_config(const optimizer *o)
{
    json_t *inner = inner_config(o);
    if (o->args.initial_scale <= 0)
        return inner;
    json_t *c = json_pack("{s:s, s:o, s:f, s:I}", "name", "loss_scale_optimizer", "inner_optimizer",
                          inner, "initial_scale", o->args.initial_scale, "dynamic_growth_steps",
                          (json_int_t)o->args.dynamic_growth_steps);
    return config_object("keras.optimizers", "LossScaleOptimizer", c);
}

static json_t *loss_config(const kiln_loss *loss)
{
    bool logits = loss->from_logits == KILN_YES;
    if (loss->kind == KILN_LOSS_NONE || loss->kind == KILN_LOSS_CUSTOM)
        return json_null();
    json_t *c =
        json_pack("{s:s, s:s}", "name", loss_name(loss->kind), "reduction", "sum_over_batch_size");
    switch (loss->kind) {
    case KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
        json_object_set_new(c, "from_logits", json_boolean(logits));
        json_object_set_new(c, "ignore_class", json_null());
        break;
    case KILN_LOSS_CATEGORICAL_CROSSENTROPY:
    case KILN_LOSS_BINARY_CROSSENTROPY:
        json_object_set_new(c, "from_logits", json_boolean(logits));
        json_object_set_new(c, "label_smoothing", json_real(loss->label_smoothing));
        json_object_set_new(c, "axis", json_integer(-1));
        break;
    case KILN_LOSS_HUBER:
        json_object_set_new(c, "name", json_string("huber_loss"));
        if (loss->delta > 0 && loss->delta != 1)
            json_object_set_new(c, "delta", json_real(loss->delta));
        break;
    default:
        break;
    }
    return config_object("keras.losses", loss_class_name(loss->kind), c);
}

static json_t *metrics_config(const output_goal *goal)
{
    if (goal->metric_count == 0)
        return json_null();
    json_t *list = json_array();
    for (size_t i = 0; i < goal->metric_count; i++) {
        metric m;
        if (metric_parse(goal->metrics[i], &m) == KILN_OK)
            json_array_append_new(list, config_metric_write(&m));
    }
    return list;
}

/* A list with an entry for each output where Keras wants that: losses and weights where they are
 * not the same for all, metrics wherever there are several outputs. */
static void goals_config(const model_training *t, json_t **loss, json_t **weights, json_t **metrics)
{
    size_t outputs = t->model->output_count;
    bool several = t->goals.count > 1, weighted = false, measured = false;
    for (size_t i = 0; i < outputs; i++) {
        const output_goal *goal = goal_of(&t->goals, i);
        weighted |= goal->weight != 1;
        measured |= goal->metric_count > 0;
    }
    *loss = several ? json_array() : loss_config(&goal_of(&t->goals, 0)->loss);
    *weights = weighted ? json_array() : json_null();
    *metrics = outputs > 1 && measured ? json_array() : metrics_config(goal_of(&t->goals, 0));
    for (size_t i = 0; i < outputs; i++) {
        const output_goal *goal = goal_of(&t->goals, i);
        if (several)
            json_array_append_new(*loss, loss_config(&goal->loss));
        if (weighted) /* Keras wants one where there is a loss, and none elsewhere */
            json_array_append_new(*weights, goal->loss.kind == KILN_LOSS_NONE
                                                ? json_null()
                                                : json_real(goal->weight));
        if (outputs > 1 && measured)
            json_array_append_new(*metrics, metrics_config(goal));
    }
}

kiln_status config_write(const model_training *t, text *out)
{
    json_t *loss, *weights, *metrics;
    goals_config(t, &loss, &weights, &metrics);
    json_t *all = json_pack("{s:o, s:o, s:o, s:o, s:n, s:b, s:i, s:s}", "optimizer",
                            optimizer_config(&t->optimizer), "loss", loss, "loss_weights", weights,
                            "metrics", metrics, "weighted_metrics", "run_eagerly", 0,
                            "steps_per_execution", 1, "jit_compile", "auto");
    char *words = all ? json_dumps(all, JSON_PRESERVE_ORDER) : NULL;
    json_decref(all);
    if (words == NULL)
        return kiln_fail_memory(4096);
    text_add(out, "%s", words);
    free(words);
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
