#include "cli/objective.h"

#include "layer/layer.h"
#include "train/training.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- the loss ---- */

/* The activation behind which a call's output comes; NULL: the search ended at an input of the
 * model, *call. */
static const char *last_activation(const kiln_model *model, int *call)
{
    static const char *const transparent[] = {"Dropout", "Reshape", "Flatten"};
    for (;;) {
        const model_call *c = &model->calls[*call];
        const kiln_layer *layer = c->layer;
        if (c->output)
            return "linear";
        while (strcmp(layer->cls->class_name, "TimeDistributed") == 0)
            layer = layer->inner[0];
        const layer_class *cls = layer->cls;
        const layer_field *field = layer_find_field(cls, "activation");
        const kiln_model *nested = model_in(layer);
        if (c->input_count == 0)
            return NULL;
        if (field) {
            const char *const *value =
                (const char *const *)(const void *)((const char *)layer->config + field->offset);
            return *value ? *value : "linear";
        }
        if (strcmp(cls->class_name, "Softmax") == 0)
            return "softmax";
        if (nested) {
            int inside = nested->outputs[c->output];
            const char *found = last_activation(nested, &inside);
            if (found)
                return found;
            for (size_t i = 0; i < nested->input_count; i++)
                if (nested->inputs[i] == inside)
                    *call = c->inputs[i];
            continue;
        }
        bool passes = false;
        for (size_t i = 0; i < sizeof transparent / sizeof *transparent; i++)
            passes |= strcmp(cls->class_name, transparent[i]) == 0;
        if (!passes || c->input_count != 1)
            return "linear";
        *call = c->inputs[0];
    }
}

const char *objective_last_activation(const kiln_model *model, size_t output)
{
    int call = model->outputs[output];
    const char *found = last_activation(model, &call);
    return found ? found : "linear";
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
    if (!data_column_is_packed(target)) { /* windows: numbers */
        *unit = *one_hot = false;
        return;
    }
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

static bool labels_are_binary(const kiln_dataset *data, const data_column *target)
{
    if (data->class_count)
        return data->class_count == 2;
    for (int64_t i = 0; i < data->samples; i++) {
        int64_t label = data_column_label(target, i);
        if (label != 0 && label != 1)
            return false;
    }
    return true;
}

/* The column that is an output's target: by name, else by position; NULL: none. */
static const data_column *target_of(const kiln_model *model, const kiln_dataset *data,
                                    size_t output)
{
    const char *name = goal_output_name(model, output);
    for (size_t i = 0; i < data->target_count; i++)
        if (data->targets[i].name && strcmp(data->targets[i].name, name) == 0)
            return &data->targets[i];
    return data->target_count == model->output_count ? &data->targets[output] : NULL;
}

/* The loss that fits the labels and the last activation of an output; *why says so. */
static kiln_loss choose_loss(const kiln_model *model, const kiln_dataset *data, size_t output,
                             const char **why)
{
    const char *activation = objective_last_activation(model, output);
    const data_column *target = target_of(model, data, output);
    kiln_shape shape = kiln_model_output_shape(model, output);
    bool softmax = is_activation(activation, "softmax"),
         sigmoid = is_activation(activation, "sigmoid");
    int64_t outputs = kiln_shape_size(shape);
    kiln_loss loss = {.kind = KILN_LOSS_MEAN_SQUARED_ERROR};
    *why = "the targets are numbers";
    if (target == NULL || data->function)
        return loss;
    if (target->dtype != KILN_FLOAT32 && outputs > 1 && kiln_shape_size(target->shape) < outputs) {
        loss.kind = KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
        loss.from_logits = softmax ? KILN_NO : KILN_YES;
        *why = softmax ? "labels are class numbers, and the network ends in softmax"
                       : "labels are class numbers, and the network does not end in softmax";
        return loss;
    }
    if (target->dtype != KILN_FLOAT32) {
        if (outputs == 1 && labels_are_binary(data, target)) {
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

static kiln_status named_loss(const kiln_model *model, const char *name, size_t output,
                              kiln_loss *loss)
{
    KILN_TRY(loss_find(name, &loss->kind));
    const char *end = loss->kind == KILN_LOSS_BINARY_CROSSENTROPY ? "sigmoid" : "softmax";
    if (is_crossentropy(loss->kind) &&
        !is_activation(objective_last_activation(model, output), end))
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
    if (t && wants_numbers(goal_of(&t->goals, 0)->loss.kind))
        return dataset_labels_as_numbers(data);
    return KILN_OK;
}

bool objective_is_classifier(const kiln_model *model, size_t output, bool *from_logits)
{
    const model_training *t = training_of(model);
    const char *activation = objective_last_activation(model, output);
    bool named = model->facts && model->facts->class_count > 0;
    const kiln_loss *compiled = t ? &goal_of(&t->goals, output)->loss : NULL;
    kiln_loss_kind loss = compiled ? compiled->kind : KILN_LOSS_NONE;
    int64_t outputs = kiln_shape_size(kiln_model_output_shape(model, output));
    const char *end = outputs == 1 ? "sigmoid" : "softmax";
    *from_logits =
        is_crossentropy(loss) ? compiled->from_logits == KILN_YES : !is_activation(activation, end);
    if (loss == KILN_LOSS_BINARY_CROSSENTROPY)
        return outputs == 1;
    return is_crossentropy(loss) || (loss == KILN_LOSS_NONE && named) ||
           is_activation(activation, "softmax");
}

void objective_probabilities(float *scores, int64_t count, bool from_logits)
{
    double most = -INFINITY, sum = 0;
    if (!from_logits)
        return;
    if (count == 1) {
        scores[0] = (float)(1 / (1 + exp(-(double)scores[0])));
        return;
    }
    for (int64_t i = 0; i < count; i++)
        most = fmax(most, (double)scores[i]);
    for (int64_t i = 0; i < count; i++)
        sum += exp((double)scores[i] - most);
    for (int64_t i = 0; i < count; i++)
        scores[i] = (float)(exp((double)scores[i] - most) / sum);
}

/* ---- lists ---- */

/* Splits at commas outside parentheses; the names are pieces of *copy, the caller's to free. */
static kiln_status split(const char *list, const char *flag, const char *example, size_t most,
                         char **copy, const char **names, size_t *count)
{
    *count = 0;
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
        if (*count == most)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': more than %zu of them", flag, list,
                             most);
        if (*start == '\0')
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': an empty name; write %s", flag, list,
                             example);
        names[(*count)++] = start;
        start = c + 1;
        if (last)
            return KILN_OK;
    }
}

/* Splits a list with an entry for each output, "mse,huber" or "place=mse,size=huber" (which may
 * leave some out): entries by output, NULL where there is none. */
static kiln_status split_outputs(const kiln_model *model, const char *list, const char *flag,
                                 char **copy, const char **entries)
{
    const char *pieces[GOAL_MAX];
    size_t count, named = 0;
    size_t outputs = model->output_count < GOAL_MAX ? model->output_count : GOAL_MAX;
    KILN_TRY(split(list, flag, "an entry for each output", GOAL_MAX, copy, pieces, &count));
    for (size_t i = 0; i < count; i++) {
        char *equals = strchr(pieces[i], '='), *parenthesis = strchr(pieces[i], '(');
        bool is_named = equals && (parenthesis == NULL || equals < parenthesis);
        size_t output = i;
        named += is_named;
        if (named > 0 && named < i + 1)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': name all of them or none", flag, list);
        if (is_named) {
            *equals = '\0';
            KILN_TRY(goal_find_output(model, pieces[i], flag, &output));
            pieces[i] = equals + 1;
        }
        if (output >= outputs || (!is_named && count != outputs))
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': these are %zu, but model %s has %zu %s",
                             flag, list, count, model->name, outputs,
                             outputs == 1 ? "output" : "outputs");
        if (entries[output])
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s '%s': output %s comes twice", flag, list,
                             goal_output_name(model, output));
        entries[output] = pieces[i];
    }
    return KILN_OK;
}

/* ---- all of it ---- */

/* What is compiled, while it is put together. */
typedef struct choice {
    kiln_output_goal goals[GOAL_MAX]; /* by output */
    const char *why[GOAL_MAX];
    char *lists[3]; /* storage of the words */
} choice;

static kiln_status choose_losses(const kiln_model *model, const kiln_dataset *data,
                                 const objective_options *given, choice *c)
{
    const model_training *before = training_of(model);
    const char *names[GOAL_MAX] = {NULL};
    bool from_file = before && before->compiled && goals_have_loss(&before->goals);
    bool one = given->loss && strpbrk(given->loss, ",=") == NULL;
    if (given->loss && !one)
        KILN_TRY(split_outputs(model, given->loss, "--loss", &c->lists[0], names));
    for (size_t i = 0; i < model->output_count && i < GOAL_MAX; i++) {
        kiln_output_goal *goal = &c->goals[i];
        const char *name = one ? given->loss : names[i];
        c->why[i] = given->loss ? "as asked for" : "as the model's file says";
        if (name)
            KILN_TRY(named_loss(model, name, i, &goal->loss));
        else if (!given->loss && from_file)
            goal->loss = goal_of(&before->goals, i)->loss;
        else if (!given->loss)
            goal->loss = choose_loss(model, data, i, &c->why[i]);
        if (from_file && !given->loss) {
            double weight = goal_of(&before->goals, i)->weight;
            goal->weight = weight == 0 ? KILN_ZERO : weight;
        }
    }
    return KILN_OK;
}

static kiln_status choose_weights(const kiln_model *model, const objective_options *given,
                                  choice *c)
{
    const char *words[GOAL_MAX] = {NULL};
    if (given->loss_weights == NULL)
        return KILN_OK;
    KILN_TRY(split_outputs(model, given->loss_weights, "--loss-weights", &c->lists[1], words));
    for (size_t i = 0; i < GOAL_MAX; i++) {
        double weight;
        if (words[i] == NULL)
            continue;
        const char *end = spec_read_number(words[i], &weight);
        if (end == NULL || *end != '\0' || !(weight >= 0 && weight < 1e30))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--loss-weights '%s': %s is no number of at least 0",
                             given->loss_weights, words[i]);
        c->goals[i].weight = weight == 0 ? KILN_ZERO : weight;
    }
    return KILN_OK;
}

static kiln_status choose_metrics(const kiln_model *model, const objective_options *given,
                                  choice *c)
{
    const model_training *before = training_of(model);
    kiln_metrics all = {.names = {NULL}};
    size_t count;
    if (given->metrics)
        KILN_TRY(split(given->metrics, "--metrics", "accuracy,auc", KILN_MAX_METRICS, &c->lists[2],
                       all.names, &count));
    for (size_t i = 0; i < model->output_count && i < GOAL_MAX; i++) {
        kiln_output_goal *goal = &c->goals[i];
        const output_goal *old = before ? goal_of(&before->goals, i) : NULL;
        goal->metrics = all;
        if (given->metrics)
            continue;
        if (old && old->loss.kind != KILN_LOSS_NONE && old->metric_count > 0)
            for (size_t j = 0; j < old->metric_count; j++)
                goal->metrics.names[j] = old->metrics[j];
        else if (goal->loss.kind != KILN_LOSS_NONE)
            goal->metrics.names[0] = is_crossentropy(goal->loss.kind) ? "accuracy" : "mae";
    }
    return KILN_OK;
}

static kiln_status compile(kiln_model *model, kiln_dataset *data, kiln_device *device,
                           const objective_options *given, choice *c)
{
    kiln_compile_args args = {.model = model,
                              .device = device,
                              .gemm = common.gemm,
                              .outputs = {.count = model->output_count, .items = c->goals}};
    KILN_TRY(choose_losses(model, data, given, c));
    KILN_TRY(choose_weights(model, given, c));
    KILN_TRY(choose_metrics(model, given, c));
    KILN_TRY(objective_optimizer(model, given, &args.optimizer));
    if (model->output_count == 1) {
        args.loss = c->goals[0].loss;
        args.metrics = c->goals[0].metrics;
        if (given->loss_weights == NULL)
            args.outputs.count = 0;
        else
            args.loss.kind = KILN_LOSS_NONE, args.metrics.names[0] = NULL;
    }
    return kiln_compile_with(&args);
}

static void say(const kiln_model *model, const choice *c)
{
    for (size_t i = 0; i < model->output_count; i++) {
        const kiln_loss *loss = &c->goals[i].loss;
        bool logits = is_crossentropy(loss->kind) && loss->from_logits == KILN_YES;
        if (model->output_count > 1)
            printf("%s: ", goal_output_name(model, i));
        printf("loss: %s%s (%s)\n", loss->kind == KILN_LOSS_NONE ? "none" : loss_name(loss->kind),
               logits ? " from logits" : "", c->why[i]);
    }
}

kiln_status objective_compile(kiln_model *model, kiln_dataset *data, kiln_device *device,
                              const objective_options *given, bool say_so)
{
    choice c = {.lists = {NULL}};
    kiln_status status = compile(model, data, device, given, &c);
    if (status == KILN_OK)
        status = objective_prepare(model, data);
    if (status == KILN_OK && say_so)
        say(model, &c);
    for (size_t i = 0; i < sizeof c.lists / sizeof *c.lists; i++)
        free(c.lists[i]);
    return status;
}
