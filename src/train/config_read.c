/* Reads Keras's compile configuration. */
#include "train/config.h"
#include "train/training.h"

#include <string.h>

const char *config_class(const json_t *value)
{
    if (json_is_string(value))
        return json_string_value(value);
    return json_string_value(json_object_get(value, "class_name"));
}

kiln_status config_check_rest(const char *what, const json_t *config, const char *const *used)
{
    static const struct {
        const char *key, *value; /* NULL: any */
    } meant[] = {{"dtype", NULL},
                 {"reduction", "\"sum_over_batch_size\""},
                 {"reduction", "\"auto\""}, /* the same, in Keras 2 */
                 {"axis", "-1"},
                 {"ignore_class", "null"},
                 {"from_logits", "false"},
                 {"curve", "\"ROC\""},
                 {"summation_method", "\"interpolation\""},
                 {"multi_label", "false"},
                 {"num_labels", "null"},
                 {"label_weights", "null"},
                 {"thresholds", "null"},
                 {"top_k", "null"},
                 {"class_id", "null"},
                 {"class_aggregation", "\"uniform_average\""},
                 {"num_regressors", "0"}};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        bool fine = false;
        for (const char *const *u = used; *u && !fine; u++)
            fine = strcmp(*u, key) == 0;
        char *words = json_dumps(value, JSON_ENCODE_ANY);
        if (words == NULL)
            return kiln_fail_memory(sizeof *value);
        for (size_t i = 0; i < sizeof meant / sizeof *meant && !fine; i++)
            fine = strcmp(meant[i].key, key) == 0 &&
                   (meant[i].value == NULL || strcmp(meant[i].value, words) == 0);
        if (!fine)
            kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: %.100s is %.100s, which is not supported", what,
                      key, words);
        free(words);
        if (!fine)
            return KILN_ERROR_UNSUPPORTED;
    }
    return KILN_OK;
}

/* A number of a configuration as a field of an argument structure: 0 is said on purpose. */
static double number(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    if (!json_is_number(value))
        return 0;
    double x = json_number_value(value);
    return x == 0 ? KILN_ZERO : x;
}

static int64_t integer(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    return json_is_number(value) ? (int64_t)json_number_value(value) : 0;
}

static kiln_choice choice(const json_t *config, const char *key)
{
    return json_is_true(json_object_get(config, key)) ? KILN_YES : KILN_NO;
}

static kiln_status read_pieces(const json_t *c, kiln_schedule *s)
{
    const json_t *boundaries = json_object_get(c, "boundaries"),
                 *values = json_object_get(c, "values");
    size_t count = json_array_size(boundaries);
    if (count < 1 || count > KILN_SCHEDULE_PIECES || json_array_size(values) != count + 1)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "PiecewiseConstantDecay has %zu boundaries and %zu values; 1 to %d "
                         "boundaries and one value more are wanted",
                         count, json_array_size(values), KILN_SCHEDULE_PIECES);
    s->piece_count = (int)count;
    for (size_t i = 0; i <= count; i++) {
        if (i < count)
            s->boundaries[i] = json_number_value(json_array_get(boundaries, i));
        s->values[i] = json_number_value(json_array_get(values, i));
    }
    return KILN_OK;
}

static kiln_status read_schedule(const json_t *value, kiln_schedule *s)
{
    const char *name = config_class(value);
    const json_t *c = json_object_get(value, "config");
    if (name == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "the learning rate is neither a number nor a schedule");
    *s = (kiln_schedule){.initial_learning_rate = number(c, "initial_learning_rate"),
                         .decay_steps = integer(c, "decay_steps")};
    if (strcmp(name, "ExponentialDecay") == 0) {
        s->kind = KILN_SCHEDULE_EXPONENTIAL;
        s->decay_rate = number(c, "decay_rate");
        s->staircase = choice(c, "staircase");
    } else if (strcmp(name, "CosineDecay") == 0) {
        s->kind = KILN_SCHEDULE_COSINE;
        s->alpha = number(c, "alpha");
        s->warmup_target = number(c, "warmup_target");
        s->warmup_steps = integer(c, "warmup_steps");
    } else if (strcmp(name, "PolynomialDecay") == 0) {
        s->kind = KILN_SCHEDULE_POLYNOMIAL;
        s->end_learning_rate = number(c, "end_learning_rate");
        s->power = number(c, "power");
        s->cycle = choice(c, "cycle");
    } else if (strcmp(name, "PiecewiseConstantDecay") == 0) {
        s->kind = KILN_SCHEDULE_PIECEWISE;
        return read_pieces(c, s);
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "the learning rate schedule %s is not known",
                         name);
    }
    return KILN_OK;
}

static kiln_status read_optimizer(const json_t *value, kiln_optimizer *o)
{
    static const struct {
        const char *class_name, *name;
        kiln_optimizer_kind kind;
    } kinds[] = {{"SGD", "sgd", KILN_OPTIMIZER_SGD},
                 {"Adam", "adam", KILN_OPTIMIZER_ADAM},
                 {"AdamW", "adamw", KILN_OPTIMIZER_ADAMW},
                 {"RMSprop", "rmsprop", KILN_OPTIMIZER_RMSPROP},
                 {"Adagrad", "adagrad", KILN_OPTIMIZER_ADAGRAD}};
    const char *name = config_class(value);
    const json_t *c = json_object_get(value, "config");
    *o = (kiln_optimizer){0};
    if (name && strcmp(name, "LossScaleOptimizer") == 0) {
        const json_t *inner = json_object_get(c, "inner_optimizer");
        const char *within = config_class(inner);
        if (within && strcmp(within, name) == 0)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "a %s in another is not supported", name);
        KILN_TRY(read_optimizer(inner, o));
        double scale = number(c, "initial_scale");
        o->initial_scale = scale != 0 ? scale : OPTIMIZER_SCALE;
        o->dynamic_growth_steps = integer(c, "dynamic_growth_steps");
        return KILN_OK;
    }
    for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(name, kinds[i].class_name) == 0 || strcmp(name, kinds[i].name) == 0)
            o->kind = kinds[i].kind;
    if (o->kind == KILN_OPTIMIZER_DEFAULT)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "the optimizer %s is not known",
                         name ? name : "without a name");
    if (c == NULL)
        return KILN_OK;
    if (json_is_true(json_object_get(c, "use_ema")))
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: use_ema is not supported", name);
    const json_t *rate = json_object_get(c, "learning_rate");
    if (json_is_object(rate))
        KILN_TRY(read_schedule(rate, &o->schedule));
    else
        o->learning_rate = number(c, "learning_rate");
    o->momentum = number(c, "momentum");
    o->nesterov = choice(c, "nesterov");
    o->beta_1 = number(c, "beta_1");
    o->beta_2 = number(c, "beta_2");
    o->rho = number(c, "rho");
    o->centered = choice(c, "centered");
    o->amsgrad = choice(c, "amsgrad");
    o->epsilon = number(c, "epsilon");
    o->initial_accumulator_value = number(c, "initial_accumulator_value");
    o->weight_decay = number(c, "weight_decay");
    o->clipnorm = number(c, "clipnorm");
    o->clipvalue = number(c, "clipvalue");
    o->global_clipnorm = number(c, "global_clipnorm");
    o->gradient_accumulation_steps = integer(c, "gradient_accumulation_steps");
    return KILN_OK;
}

static kiln_status read_loss(const json_t *value, kiln_loss *loss)
{
    *loss = (kiln_loss){0};
    if (value == NULL || json_is_null(value))
        return KILN_OK;
    const char *name = config_class(value);
    const json_t *c = json_object_get(value, "config");
    if (name == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "a loss without a class name");
    KILN_TRY(loss_find(name, &loss->kind));
    loss->from_logits = choice(c, "from_logits");
    loss->label_smoothing = number(c, "label_smoothing") + 0.0;
    loss->delta = number(c, "delta") + 0.0;
    static const char *const used[] = {"name", "from_logits", "label_smoothing", "delta", NULL};
    return json_is_object(c) ? config_check_rest(name, c, used) : KILN_OK;
}

/* What a list or dictionary with an entry for each output says of one; NULL: nothing. A class's
 * configuration is a dictionary too, but has a class name. */
static const json_t *entry_of(const json_t *value, const kiln_model *model, size_t output)
{
    if (json_is_array(value))
        return json_array_get(value, output);
    return json_object_get(value, goal_output_name(model, output));
}

static bool by_output(const json_t *value)
{
    return json_is_array(value) || (json_is_object(value) && config_class(value) == NULL);
}

/* Fails unless there is an entry for each output, or each entry is one's. */
static kiln_status check_entries(const json_t *value, const kiln_model *model, const char *what)
{
    const char *key;
    json_t *unused;
    size_t output;
    if (json_is_array(value) && json_array_size(value) != model->output_count)
        return kiln_fail(KILN_ERROR_FORMAT, "its %s are %zu, its outputs %zu", what,
                         json_array_size(value), model->output_count);
    if (!json_is_object(value))
        return KILN_OK;
    json_object_foreach((json_t *)(uintptr_t)value, key, unused)
        KILN_TRY(goal_find_output(model, key, what, &output));
    return KILN_OK;
}

static kiln_status read_losses(const json_t *value, const kiln_model *model, output_goals *goals)
{
    if (!by_output(value))
        return read_loss(value, &goals->items[0].loss);
    KILN_TRY(check_entries(value, model, "losses"));
    KILN_TRY(goals_spread(goals, model));
    for (size_t i = 0; i < model->output_count; i++)
        KILN_TRY(read_loss(entry_of(value, model, i), &goals->items[i].loss));
    return KILN_OK;
}

static kiln_status read_weights(const json_t *value, const kiln_model *model, output_goals *goals)
{
    if (value == NULL || json_is_null(value))
        return KILN_OK;
    bool single = json_is_number(value);
    if (!single && !by_output(value))
        return kiln_fail(KILN_ERROR_FORMAT, "its loss_weights are no numbers");
    if (!single)
        KILN_TRY(check_entries(value, model, "loss_weights"));
    KILN_TRY(goals_spread(goals, model));
    for (size_t i = 0; i < model->output_count; i++) {
        const json_t *entry = single ? value : entry_of(value, model, i);
        if (entry == NULL || json_is_null(entry))
            continue;
        double weight = json_is_number(entry) ? json_number_value(entry) : -1;
        if (!(weight >= 0 && weight < 1e30))
            return kiln_fail(KILN_ERROR_FORMAT,
                             "the weight of output %s's loss is no number of at least 0",
                             goal_output_name(model, i));
        goals->items[i].weight = weight;
    }
    return KILN_OK;
}

/* A metric, or a list of them, perhaps in lists. */
static kiln_status add_metrics(const json_t *value, output_goal *goal)
{
    size_t i;
    const json_t *inner;
    if (value == NULL || json_is_null(value))
        return KILN_OK;
    if (json_is_array(value)) {
        json_array_foreach(value, i, inner) KILN_TRY(add_metrics(inner, goal));
        return KILN_OK;
    }
    if (goal->metric_count == KILN_MAX_METRICS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "more than %d metrics", KILN_MAX_METRICS);
    goal->metrics[goal->metric_count] = config_metric_read(value);
    if (goal->metrics[goal->metric_count] == NULL)
        return kiln_last_status();
    goal->metric_count++;
    return KILN_OK;
}

static kiln_status read_metrics(const json_t *value, const kiln_model *model, output_goals *goals)
{
    if (value == NULL || json_is_null(value))
        return KILN_OK;
    if (!by_output(value))
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "its metrics are not a list of names or objects");
    bool each = model->output_count > 1 &&
                (json_is_object(value) || json_array_size(value) == model->output_count);
    if (!each && json_is_object(value)) { /* of the one output */
        KILN_TRY(check_entries(value, model, "metrics"));
        return add_metrics(entry_of(value, model, 0), &goals->items[0]);
    }
    if (!each) {
        for (size_t i = 0; i < goals->count; i++)
            KILN_TRY(add_metrics(value, &goals->items[i]));
        return KILN_OK;
    }
    KILN_TRY(check_entries(value, model, "metrics"));
    KILN_TRY(goals_spread(goals, model));
    for (size_t i = 0; i < model->output_count; i++)
        KILN_TRY(add_metrics(entry_of(value, model, i), &goals->items[i]));
    return KILN_OK;
}

static kiln_status check_absent(const json_t *all, const char *key)
{
    const json_t *value = json_object_get(all, key);
    if (value == NULL || json_is_null(value))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_UNSUPPORTED, "its %s are not supported", key);
}

kiln_status config_read(const kiln_model *model, const char *words, compile_config *config)
{
    json_error_t error;
    *config = (compile_config){.goals = {.items = {{.weight = 1}}, .count = 1}};
    json_t *all = json_loads(words, JSON_REJECT_DUPLICATES, &error);
    if (all == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "the compile configuration is no JSON: line %d: %s",
                         error.line, error.text);
    const json_t *value = json_object_get(all, "optimizer");
    kiln_status status = check_absent(all, "weighted_metrics");
    if (status == KILN_OK && value && !json_is_null(value))
        status = read_optimizer(value, &config->optimizer);
    if (status == KILN_OK)
        status = read_losses(json_object_get(all, "loss"), model, &config->goals);
    if (status == KILN_OK)
        status = read_weights(json_object_get(all, "loss_weights"), model, &config->goals);
    if (status == KILN_OK)
        status = read_metrics(json_object_get(all, "metrics"), model, &config->goals);
    json_decref(all);
    if (status != KILN_OK)
        config_free(config);
    return status;
}

void config_free(compile_config *config)
{
    goals_free(&config->goals);
}
