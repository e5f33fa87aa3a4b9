/* Reads Keras's compile configuration. */
#include "train/training.h"

#include <jansson.h>
#include <string.h>

static const char *class_of(const json_t *value)
{
    if (json_is_string(value))
        return json_string_value(value);
    return json_string_value(json_object_get(value, "class_name"));
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
    const char *name = class_of(value);
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
    const char *name = class_of(value);
    const json_t *c = json_object_get(value, "config");
    *o = (kiln_optimizer){0};
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
    const char *name = class_of(value);
    const json_t *c = json_object_get(value, "config");
    if (name == NULL)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "its losses are a list or a dictionary; one loss for all outputs is "
                         "supported");
    KILN_TRY(loss_find(name, &loss->kind));
    loss->from_logits = choice(c, "from_logits");
    loss->label_smoothing = number(c, "label_smoothing") + 0.0;
    loss->delta = number(c, "delta") + 0.0;
    return KILN_OK;
}

/* "accuracy", or {"class_name": "TopKCategoricalAccuracy", "config": {"k": 3}} as a text; NULL on
 * failure. */
static char *metric_text(const json_t *value)
{
    const char *name = class_of(value), *class_name, *argument;
    metric m;
    if (name == NULL) {
        kiln_fail(KILN_ERROR_UNSUPPORTED, "its metrics are not a list of names or objects");
        return NULL;
    }
    if (metric_parse(name, &m) != KILN_OK)
        return NULL;
    const json_t *config = json_object_get(value, "config");
    argument = metric_argument_name(&m);
    const json_t *given = argument ? json_object_get(config, argument) : NULL;
    if (json_is_array(given) && json_array_size(given) == 1)
        given = json_array_get(given, 0);
    class_name = json_is_string(value) ? name : metric_canonical_name(&m);
    if (json_is_number(given))
        return str_format("%s(%s=%.17g)", class_name, argument, json_number_value(given));
    return str_copy(class_name);
}

static kiln_status read_metrics(const json_t *list, compile_config *config)
{
    size_t i, j;
    const json_t *value, *inner;
    json_array_foreach(list, i, value)
    {
        if (!json_is_array(value)) {
            if (config->metric_count == KILN_MAX_METRICS)
                return kiln_fail(KILN_ERROR_UNSUPPORTED, "more than %d metrics", KILN_MAX_METRICS);
            config->metrics[config->metric_count] = metric_text(value);
            if (config->metrics[config->metric_count] == NULL)
                return kiln_last_status();
            config->metric_count++;
            continue;
        }
        if (json_array_size(list) != 1)
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "its metrics differ by output; the same for all are supported");
        json_array_foreach(value, j, inner)
        {
            if (config->metric_count == KILN_MAX_METRICS)
                return kiln_fail(KILN_ERROR_UNSUPPORTED, "more than %d metrics", KILN_MAX_METRICS);
            config->metrics[config->metric_count] = metric_text(inner);
            if (config->metrics[config->metric_count] == NULL)
                return kiln_last_status();
            config->metric_count++;
        }
    }
    return KILN_OK;
}

kiln_status config_read(const char *words, compile_config *config)
{
    json_error_t error;
    *config = (compile_config){0};
    json_t *all = json_loads(words, JSON_REJECT_DUPLICATES, &error);
    if (all == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "the compile configuration is no JSON: line %d: %s",
                         error.line, error.text);
    const json_t *value = json_object_get(all, "optimizer");
    kiln_status status = KILN_OK;
    if (value && !json_is_null(value))
        status = read_optimizer(value, &config->optimizer);
    if (status == KILN_OK)
        status = read_loss(json_object_get(all, "loss"), &config->loss);
    if (status == KILN_OK)
        status = read_metrics(json_object_get(all, "metrics"), config);
    json_decref(all);
    if (status != KILN_OK)
        config_free(config);
    return status;
}

void config_free(compile_config *config)
{
    for (size_t i = 0; i < config->metric_count; i++)
        free(config->metrics[i]);
    config->metric_count = 0;
}
