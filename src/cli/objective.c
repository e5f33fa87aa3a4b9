#include "cli/objective.h"

#include "layer/layer.h"
#include "train/training.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- the loss ---- */

const char *objective_last_activation(const kiln_model *model, size_t output)
{
    static const char *const transparent[] = {"Dropout", "Reshape", "Flatten"};
    int call = model->outputs[output];
    for (;;) {
        const model_call *c = &model->calls[call];
        const layer_class *cls = c->layer->cls;
        const layer_field *field = layer_find_field(cls, "activation");
        if (field) {
            const char *const *value =
                (const char *const *)(const void *)((const char *)c->layer->config + field->offset);
            return *value ? *value : "linear";
        }
        if (strcmp(cls->class_name, "Softmax") == 0)
            return "softmax";
        bool passes = false;
        for (size_t i = 0; i < sizeof transparent / sizeof *transparent; i++)
            passes |= strcmp(cls->class_name, transparent[i]) == 0;
        if (!passes || c->input_count != 1)
            return "linear";
        call = c->inputs[0];
    }
}

static bool is_activation(const char *given_text, const char *name)
{
    size_t n = strlen(name);
    return strncasecmp(given_text, name, n) == 0 && (given_text[n] == '\0' || given_text[n] == '(');
}

/* Do all targets lie in 0..1, and does each row of several hold a single 1? */
static void look_at(const data_column *target, int64_t samples, bool *unit, bool *one_hot)
{
    int64_t row = kiln_shape_size(target->shape);
    const float *values = target->data;
    *unit = true;
    *one_hot = row > 1;
    for (int64_t i = 0; i < samples && (*unit || *one_hot); i++) {
        int64_t ones = 0, zeros = 0;
        for (int64_t j = 0; j < row; j++) {
            float v = values[i * row + j];
            ones += v == 1;
            zeros += v == 0;
            if (!(v >= 0 && v <= 1))
                *unit = false;
        }
        if (ones != 1 || zeros != row - 1)
            *one_hot = false;
    }
}

static bool labels_are_binary(const kiln_dataset *data)
{
    const data_column *target = &data->targets[0];
    if (data->class_count)
        return data->class_count == 2;
    for (int64_t i = 0; i < data->samples; i++) {
        int32_t label = target->dtype == KILN_UINT8 ? ((const uint8_t *)target->data)[i]
                                                    : ((const int32_t *)target->data)[i];
        if (label != 0 && label != 1)
            return false;
    }
    return true;
}

/* The loss that fits the labels and the last activation; *why says so. */
static kiln_loss choose_loss(const kiln_model *model, const kiln_dataset *data, const char **why)
{
    const char *activation = objective_last_activation(model, 0);
    bool softmax = is_activation(activation, "softmax"),
         sigmoid = is_activation(activation, "sigmoid");
    int64_t outputs = kiln_shape_size(kiln_model_output_shape(model, 0));
    kiln_loss loss = {.kind = KILN_LOSS_MEAN_SQUARED_ERROR};
    *why = "the targets are numbers";
    if (data->target_count == 0 || data->function)
        return loss;
    const data_column *target = &data->targets[0];
    if (target->dtype != KILN_FLOAT32 && outputs > 1 &&
        kiln_shape_size(target->shape) < kiln_shape_size(kiln_model_output_shape(model, 0))) {
        loss.kind = KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
        loss.from_logits = softmax ? KILN_NO : KILN_YES;
        *why = softmax ? "labels are class numbers, and the network ends in softmax"
                       : "labels are class numbers, and the network does not end in softmax";
        return loss;
    }
    if (target->dtype != KILN_FLOAT32) {
        if (outputs == 1 && labels_are_binary(data)) {
            loss.kind = KILN_LOSS_BINARY_CROSSENTROPY;
            loss.from_logits = sigmoid ? KILN_NO : KILN_YES;
            *why = sigmoid ? "labels are 0 or 1, and the network ends in sigmoid"
                           : "labels are 0 or 1, and the network does not end in sigmoid";
        }
        return loss;
    }
    bool unit, one_hot;
    look_at(target, data->samples, &unit, &one_hot);
    if (softmax || (one_hot && !sigmoid)) {
        loss.kind = KILN_LOSS_CATEGORICAL_CROSSENTROPY;
        loss.from_logits = softmax ? KILN_NO : KILN_YES;
        *why = softmax ? "the network ends in softmax"
                       : "targets are one-hot, and the network does not end in softmax";
    } else if (sigmoid && unit) {
        loss.kind = KILN_LOSS_BINARY_CROSSENTROPY;
        *why = "targets lie between 0 and 1, and the network ends in sigmoid";
    }
    return loss;
}

static bool is_crossentropy(kiln_loss_kind kind)
{
    return kind == KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY ||
           kind == KILN_LOSS_CATEGORICAL_CROSSENTROPY || kind == KILN_LOSS_BINARY_CROSSENTROPY;
}

static kiln_status named_loss(const kiln_model *model, const char *name, kiln_loss *loss)
{
    KILN_TRY(loss_find(name, &loss->kind));
    const char *end = loss->kind == KILN_LOSS_BINARY_CROSSENTROPY ? "sigmoid" : "softmax";
    if (is_crossentropy(loss->kind) && !is_activation(objective_last_activation(model, 0), end))
        loss->from_logits = KILN_YES;
    return KILN_OK;
}

/* Losses that compare with numbers, not with class numbers. */
static bool wants_numbers(kiln_loss_kind kind)
{
    return kind != KILN_LOSS_NONE && !is_crossentropy(kind);
}

kiln_status objective_prepare(const kiln_model *model, kiln_dataset *data)
{
    const model_training *t = training_of(model);
    if (t && wants_numbers(t->loss.kind))
        return dataset_labels_as_numbers(data);
    return KILN_OK;
}

bool objective_is_classifier(const kiln_model *model, size_t output, bool *from_logits)
{
    const model_training *t = training_of(model);
    const char *activation = objective_last_activation(model, output);
    bool named = model->facts && model->facts->class_count > 0;
    kiln_loss_kind loss = t ? t->loss.kind : KILN_LOSS_NONE;
    int64_t outputs = kiln_shape_size(kiln_model_output_shape(model, output));
    const char *end = outputs == 1 ? "sigmoid" : "softmax";
    *from_logits =
        is_crossentropy(loss) ? t->loss.from_logits == KILN_YES : !is_activation(activation, end);
    if (loss == KILN_LOSS_BINARY_CROSSENTROPY)
        return outputs == 1;
    return is_crossentropy(loss) || (loss == KILN_LOSS_NONE && named) ||
           is_activation(activation, "softmax");
}

/* ---- the optimizer ---- */

/* "sgd", or with Keras's arguments: "sgd(momentum=0.9, nesterov=true)". */
static kiln_status named_optimizer(const char *source, kiln_optimizer *o)
{
    static const struct {
        const char *name;
        kiln_optimizer_kind kind;
    } kinds[] = {{"sgd", KILN_OPTIMIZER_SGD},
                 {"adam", KILN_OPTIMIZER_ADAM},
                 {"adamw", KILN_OPTIMIZER_ADAMW},
                 {"rmsprop", KILN_OPTIMIZER_RMSPROP},
                 {"adagrad", KILN_OPTIMIZER_ADAGRAD}};
    const struct {
        const char *name, *of; /* the optimizers that have it */
        double *number;
        kiln_choice *choice;
    } arguments[] = {{"learning_rate", "sgd adam adamw rmsprop adagrad", &o->learning_rate, NULL},
                     {"momentum", "sgd rmsprop", &o->momentum, NULL},
                     {"nesterov", "sgd", NULL, &o->nesterov},
                     {"beta_1", "adam adamw", &o->beta_1, NULL},
                     {"beta_2", "adam adamw", &o->beta_2, NULL},
                     {"amsgrad", "adam adamw", NULL, &o->amsgrad},
                     {"rho", "rmsprop", &o->rho, NULL},
                     {"centered", "rmsprop", NULL, &o->centered},
                     {"epsilon", "adam adamw rmsprop adagrad", &o->epsilon, NULL},
                     {"initial_accumulator_value", "adagrad", &o->initial_accumulator_value, NULL},
                     {"weight_decay", "sgd adam adamw rmsprop adagrad", &o->weight_decay, NULL}};
    enum { ARGUMENTS = sizeof arguments / sizeof *arguments };
    const char *keys[ARGUMENTS + 1] = {NULL};
    size_t key_count = 0;
    spec s;
    bool found = false;
    if (spec_parse(source, "optimizer", &s) != KILN_OK)
        return kiln_fail_in("--optimizer");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcasecmp(kinds[i].name, s.name) == 0) {
            o->kind = kinds[i].kind;
            for (size_t k = 0; k < ARGUMENTS; k++) {
                const char *at = strstr(arguments[k].of, kinds[i].name);
                size_t length = strlen(kinds[i].name);
                if (at && strcmp(kinds[i].name, "adam") == 0 && at[length] != ' ')
                    at = NULL;
                if (at)
                    keys[key_count++] = arguments[k].name;
            }
            found = true;
        }
    if (!found)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--optimizer '%s': there is none of that name; use sgd, adam, adamw, "
                         "rmsprop or adagrad",
                         s.name);
    if (spec_only(&s, "optimizer", keys) != KILN_OK)
        return kiln_fail_in("--optimizer");
    for (int i = 0; i < s.count; i++) {
        const char *key = s.keys[i][0] ? s.keys[i] : keys[i];
        if (s.words[i][0] || s.given_none[i])
            return kiln_fail(KILN_ERROR_ARGUMENT, "--optimizer '%s': %s must be a number", source,
                             key);
        for (size_t k = 0; k < ARGUMENTS; k++)
            if (strcmp(arguments[k].name, key) == 0) {
                if (arguments[k].choice)
                    *arguments[k].choice = s.values[i] != 0 ? KILN_YES : KILN_NO;
                else
                    *arguments[k].number = s.values[i] == 0 ? KILN_ZERO : s.values[i];
            }
    }
    return KILN_OK;
}

static kiln_status no_key(const spec *s, const char *const *keys)
{
    return spec_only(s, "schedule", keys) == KILN_OK ? KILN_OK : kiln_fail_in("--schedule");
}

/* "cosine", "exponential(decay_rate=0.5, decay_steps=1000)", ...; Keras's names and defaults, with
 * the steps of the whole training where decay_steps is not given. */
static kiln_status parse_schedule(const char *given, double rate, int64_t steps, kiln_schedule *out)
{
    spec s;
    KILN_TRY(spec_parse(given, "--schedule", &s));
    kiln_schedule made = {.initial_learning_rate = rate};
    bool exponential = strcmp(s.name, "exponential") == 0;
    made.decay_steps = (int64_t)spec_number(&s, "decay_steps", exponential ? 1 : 0, (double)steps);
    if (exponential) {
        static const char *const keys[] = {"decay_rate", "decay_steps", "staircase", NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_EXPONENTIAL;
        made.decay_rate = spec_number(&s, "decay_rate", 0, 0.96);
        made.staircase = spec_number(&s, "staircase", 2, 0) != 0 ? KILN_YES : KILN_DEFAULT;
    } else if (strcmp(s.name, "cosine") == 0) {
        static const char *const keys[] = {"decay_steps", "alpha", "warmup_steps", "warmup_target",
                                           NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_COSINE;
        made.alpha = spec_number(&s, "alpha", 1, 0);
        made.warmup_steps = (int64_t)spec_number(&s, "warmup_steps", 2, 0);
        made.warmup_target = spec_number(&s, "warmup_target", 3, 0);
        if (made.warmup_steps > 0 && made.warmup_target == 0) {
            made.warmup_target = rate;
            made.initial_learning_rate = KILN_ZERO;
        }
        if (made.warmup_steps > 0 && made.decay_steps == steps && steps > made.warmup_steps)
            made.decay_steps = steps - made.warmup_steps;
    } else if (strcmp(s.name, "polynomial") == 0) {
        static const char *const keys[] = {"decay_steps", "end_learning_rate", "power", "cycle",
                                           NULL};
        KILN_TRY(no_key(&s, keys));
        made.kind = KILN_SCHEDULE_POLYNOMIAL;
        made.end_learning_rate = spec_number(&s, "end_learning_rate", 1, 0.0001);
        made.power = spec_number(&s, "power", 2, 1);
        made.cycle = spec_number(&s, "cycle", 3, 0) != 0 ? KILN_YES : KILN_DEFAULT;
    } else if (strcmp(s.name, "piecewise") == 0) {
        if (s.count == 0 || s.count % 2)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--schedule '%s': piecewise takes pairs of a step and the rate from "
                             "it on: piecewise(1000, 0.0005, 2000, 0.0001)",
                             given);
        made.kind = KILN_SCHEDULE_PIECEWISE;
        made.values[0] = rate;
        made.piece_count = s.count / 2;
        for (int i = 0; i < made.piece_count; i++) {
            made.boundaries[i] = s.values[2 * i];
            made.values[i + 1] = s.values[2 * i + 1];
        }
    } else {
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "--schedule '%s': there is none of that name; use exponential, cosine, "
                         "polynomial or piecewise",
                         s.name);
    }
    *out = made;
    return KILN_OK;
}

/* A resolved optimizer as an argument: what is zero there is zero on purpose. */
static void say_zeros(kiln_optimizer *o)
{
    double *fields[] = {
        &o->learning_rate, &o->momentum, &o->beta_1,       &o->beta_2,
        &o->rho,           &o->epsilon,  &o->weight_decay, &o->initial_accumulator_value};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (*fields[i] == 0)
            *fields[i] = KILN_ZERO;
}

static kiln_status choose_optimizer(const kiln_model *model, const objective_options *given,
                                    kiln_optimizer *out)
{
    const model_training *t = training_of(model);
    bool from_file = t && t->compiled;
    kiln_optimizer o = {.kind = KILN_OPTIMIZER_ADAM};
    if (from_file && !given->optimizer) {
        if (!given->schedule && given->learning_rate == 0 && given->clipnorm == 0)
            return KILN_OK; /* as the file says, its state included */
        o = t->optimizer.args;
        say_zeros(&o);
    }
    if (given->optimizer)
        KILN_TRY(named_optimizer(given->optimizer, &o));
    if (given->learning_rate > 0) {
        o.learning_rate = given->learning_rate;
        o.schedule = (kiln_schedule){0};
    }
    if (given->clipnorm > 0) {
        o.clipnorm = given->clipnorm;
        o.clipvalue = o.global_clipnorm = 0;
    }
    if (given->schedule) {
        kiln_optimizer full;
        KILN_TRY(optimizer_resolve(&o, &full));
        KILN_TRY(parse_schedule(given->schedule, full.learning_rate, given->steps, &o.schedule));
    }
    *out = o;
    return KILN_OK;
}

/* ---- metrics ---- */

/* Splits at commas outside parentheses; the names are pieces of *copy, the caller's to free. */
static kiln_status split_metrics(const char *list, char **copy, kiln_metrics *metrics)
{
    size_t count = 0;
    *copy = str_copy(list);
    if (*copy == NULL)
        return KILN_ERROR_MEMORY;
    int depth = 0;
    char *start = *copy;
    for (char *c = *copy;; c++) {
        depth += (*c == '(') - (*c == ')');
        if (*c != '\0' && (*c != ',' || depth > 0))
            continue;
        bool last = *c == '\0';
        *c = '\0';
        if (count == KILN_MAX_METRICS)
            return kiln_fail(KILN_ERROR_ARGUMENT, "--metrics '%s': more than %d of them", list,
                             KILN_MAX_METRICS);
        if (*start == '\0')
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--metrics '%s': an empty name; write accuracy,auc", list);
        metrics->names[count++] = start;
        start = c + 1;
        if (last)
            return KILN_OK;
    }
}

/* ---- all of it ---- */

static void say(const kiln_model *model, const char *why)
{
    const model_training *t = training_of(model);
    printf("loss: %s%s (%s)\n", loss_name(t->loss.kind),
           is_crossentropy(t->loss.kind) && t->loss.from_logits == KILN_YES ? " from logits" : "",
           why);
}

static kiln_status compile(kiln_model *model, kiln_dataset *data, kiln_device *device,
                           const objective_options *given, char **names, const char **why)
{
    const model_training *before = training_of(model);
    bool from_file = before && before->compiled && before->loss.kind != KILN_LOSS_NONE;
    kiln_compile_args args = {.model = model, .device = device, .gemm = common.gemm};
    *why = "as the model's file says";
    if (given->loss) {
        KILN_TRY(named_loss(model, given->loss, &args.loss));
        *why = "as asked for";
    } else if (!from_file) {
        args.loss = choose_loss(model, data, why);
    }
    KILN_TRY(choose_optimizer(model, given, &args.optimizer));
    kiln_loss_kind kind = args.loss.kind != KILN_LOSS_NONE ? args.loss.kind
                          : before                         ? before->loss.kind
                                                           : KILN_LOSS_NONE;
    if (given->metrics)
        KILN_TRY(split_metrics(given->metrics, names, &args.metrics));
    else if (!given->metrics && !(from_file && before->metric_text_count > 0))
        args.metrics.names[0] = is_crossentropy(kind) ? "accuracy" : "mae";
    return kiln_compile_with(&args);
}

kiln_status objective_compile(kiln_model *model, kiln_dataset *data, kiln_device *device,
                              const objective_options *given, bool say_so)
{
    char *names = NULL;
    const char *why;
    kiln_status status = compile(model, data, device, given, &names, &why);
    free(names);
    if (status == KILN_OK)
        status = objective_prepare(model, data);
    if (status == KILN_OK && say_so)
        say(model, why);
    return status;
}
