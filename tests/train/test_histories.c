/* Histories of kiln_fit against those of Keras's fit, from the same weights and data: partial
 * batches, validation, weights of samples and classes, penalties, frozen layers, optimizers. */
#include "problem.h"

#include "data/dataset.h"
#include "model/model.h"

#include <math.h>

#include "fixtures/fit.h"

#define SIDE 6
#define HIDDEN 16
#define COUNT 200

/* The data of make_fit.py. */
typedef struct world {
    kiln_dataset *data, *weighted, *first, *first_weighted, *final;
} world;

static world make_world(void)
{
    float weights[COUNT];
    for (int i = 0; i < COUNT; i++)
        weights[i] = 0.25f + 0.5f * (float)(i % 4);
    world w = {.data = problem_images(COUNT, SIDE), .weighted = problem_images(COUNT, SIDE)};
    harness_ok(kiln_dataset_set_sample_weights(w.weighted, weights));
    w.first = kiln_dataset_slice(w.data, 0, 50);
    w.first_weighted = kiln_dataset_slice(w.weighted, 0, 50);
    w.final = kiln_dataset_slice(w.data, 0, 70);
    return w;
}

static void free_world(world *w)
{
    kiln_dataset_free(w->final);
    kiln_dataset_free(w->first_weighted);
    kiln_dataset_free(w->first);
    kiln_dataset_free(w->weighted);
    kiln_dataset_free(w->data);
}

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

static kiln_optimizer rule_of(const char *name)
{
    if (is(name, "single batches"))
        return kiln_sgd(.learning_rate = 0.1, .momentum = 0.9);
    if (is(name, "momentum"))
        return kiln_sgd(.learning_rate = 0.05, .momentum = 0.9, .nesterov = KILN_YES,
                        .global_clipnorm = 0.5);
    if (is(name, "accumulation"))
        return kiln_adam(.learning_rate = 0.01, .gradient_accumulation_steps = 3, .clipnorm = 0.2);
    if (is(name, "decay"))
        return kiln_adamw(.schedule = kiln_cosine_decay(0.001, 12, .alpha = 0.1,
                                                        .warmup_target = 0.02, .warmup_steps = 4),
                          .weight_decay = 0.1);
    return kiln_sgd(.learning_rate = 0.1);
}

static kiln_model *model_of(const char *name, kiln_device *device)
{
    static const struct {
        uint32_t first;
        size_t count;
        double limit;
    } weights[] = {
        {1000, 36 * HIDDEN, 0.2}, {2000, HIDDEN, 0.1}, {3000, HIDDEN * 10, 0.3}, {4000, 10, 0.1}};
    bool penalties = is(name, "penalties"), frozen = is(name, "frozen");
    kiln_model *model = kiln_sequential(
        kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)),
        kiln_dense(HIDDEN, .activation = "relu", .name = "hidden",
                   .kernel_regularizer = penalties || frozen ? "l2(0.01)" : NULL,
                   .bias_regularizer = penalties ? "l1(0.1)" : NULL,
                   .activity_regularizer = penalties ? "l1_l2(l1=0.01, l2=0.02)" : NULL,
                   .trainable = frozen ? KILN_NO : KILN_DEFAULT),
        kiln_dense(10, .name = "out"));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    for (size_t i = 0; i < 4; i++) {
        float values[36 * HIDDEN];
        for (size_t k = 0; k < weights[i].count; k++)
            values[k] = problem_weight(weights[i].first + (uint32_t)k, weights[i].limit);
        harness_ok(kiln_set_weights(model, i, values, weights[i].count));
    }
    harness_ok(
        kiln_compile(model, .optimizer = rule_of(name),
                     .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES),
                     .metrics = KILN_METRICS("accuracy", "sparse_top_k_categorical_accuracy"),
                     .device = device));
    return model;
}

static kiln_fit_args args_of(const char *name, kiln_model *model, const world *w)
{
    static const double by_class[] = {0.5, 2, 1, 0, 1.5}; /* the others have none */
    kiln_fit_args a = {
        .model = model, .data = w->data, .epochs = 2, .shuffle = KILN_NO, .verbose = KILN_NO};
    if (is(name, "plain") || is(name, "split") || is(name, "accumulation") || is(name, "decay"))
        a.epochs = 3;
    if (is(name, "split") || is(name, "weighted split") || is(name, "penalties"))
        a.validation_split = 0.23;
    if (is(name, "batch of 33"))
        a.batch_size = 33;
    if (is(name, "steps")) {
        a.epochs = 4;
        a.steps_per_epoch = 4;
        a.batch_size = 32;
    }
    if (is(name, "steps that share")) {
        a.steps_per_epoch = 3;
        a.validation_data = w->first;
        a.validation_steps = 4;
    }
    if (is(name, "validation") || is(name, "validation steps")) {
        a.validation_data = w->first;
        a.validation_batch_size = 20;
    }
    if (is(name, "validation")) {
        a.epochs = 4;
        a.initial_epoch = 1;
        a.validation_freq = 2;
    }
    if (is(name, "validation steps"))
        a.validation_steps = 2;
    if (is(name, "class weights")) {
        a.class_weight = by_class;
        a.class_weight_count = 5;
    }
    if (is(name, "sample weights") || is(name, "weighted split"))
        a.data = w->weighted;
    if (is(name, "sample weights"))
        a.validation_data = w->first_weighted;
    return a;
}

static void check(const char *name, const struct fit_figure *f, double value)
{
    ck_assert_msg(fabs(value - f->value) <= 2e-5 * (1 + fabs(f->value)),
                  "%s: %s of epoch %d is %.9g instead of %.9g", name, f->name, f->epoch, value,
                  f->value);
}

static void check_history(const struct fit_case *c, const kiln_history *history, kiln_model *model,
                          kiln_dataset *final, int64_t batch)
{
    ck_assert_msg(history != NULL, "%s: %s", c->name, kiln_last_error());
    size_t there = 0, wanted = 0;
    for (size_t i = 0; i < kiln_history_epochs(history); i++)
        there += kiln_logs_count(kiln_history_logs(history, i));
    for (const struct fit_figure *f = c->figures; f->name && f->epoch >= 0; f++, wanted++) {
        size_t i = 0;
        while (i < kiln_history_epochs(history) && kiln_history_epoch(history, i) != f->epoch)
            i++;
        check(c->name, f, kiln_history_get(history, f->name, i));
    }
    ck_assert_msg(there == wanted, "%s: %zu figures instead of %zu", c->name, there, wanted);
    const kiln_logs *logs = kiln_evaluate(model, final, .batch_size = batch, .verbose = KILN_NO);
    ck_assert_msg(logs != NULL, "%s: %s", c->name, kiln_last_error());
    for (const struct fit_figure *f = c->figures + wanted; f->name; f++)
        check(c->name, f, kiln_logs_get(logs, f->name));
}

static void check_case(kiln_device *device, const struct fit_case *c, const world *w)
{
    kiln_model *model = model_of(c->name, device);
    kiln_fit_args args = args_of(c->name, model, w);
    check_history(c, kiln_fit_with(&args), model, w->final, 32);
    kiln_model_free(model);
}

/* Two inputs that share a layer, and an output of each; losses that differ, and one alone. */
static void check_two_outputs(kiln_device *device, const struct fit_case *c)
{
    static const struct {
        uint32_t first;
        size_t count;
        double limit;
    } weights[] = {{10, 12, 0.5}, {30, 4, 0.1}, {40, 8, 0.5},
                   {50, 2, 0.1},  {60, 4, 0.5}, {70, 1, 0.1}};
    kiln_model *model = model_new("two", false);
    int a, b, shared_a, shared_b, first, second;
    kiln_layer *shared = kiln_dense(4, .activation = "tanh", .name = "shared");
    harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(3), .name = "a"), 0, NULL, &a));
    harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(3), .name = "b"), 0, NULL, &b));
    harness_ok(model_apply(model, shared, 1, &a, &shared_a));
    harness_ok(model_apply(model, shared, 1, &b, &shared_b));
    harness_ok(model_apply(model, kiln_dense(2, .name = "first"), 1, &shared_a, &first));
    harness_ok(model_apply(model, kiln_dense(1, .name = "second"), 1, &shared_b, &second));
    harness_ok(model_set_ends(model, 2, (int[]){a, b}, 2, (int[]){first, second}));
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        float values[12];
        for (size_t k = 0; k < weights[i].count; k++)
            values[k] = problem_weight(weights[i].first + (uint32_t)k, weights[i].limit);
        harness_ok(kiln_set_weights(model, i, values, weights[i].count));
    }
    const kiln_output_goal alone = {
        .name = "second", .loss = kiln_mean_absolute_error(), .metrics = KILN_METRICS("mse")};
    const kiln_output_goal both[] = {
        {.name = "second", .loss = kiln_huber(.delta = 0.3), .weight = 2},
        {.name = "first",
         .loss = kiln_mean_squared_error(),
         .weight = 0.3,
         .metrics = KILN_METRICS("mae", "mse")}};
    kiln_compile_args args = {.model = model,
                              .optimizer = kiln_sgd(.learning_rate = 0.1, .momentum = 0.5),
                              .device = device};
    bool one = is(c->name, "one goal");
    if (one) {
        args.outputs = (kiln_output_goals){1, &alone};
    } else if (is(c->name, "two goals")) {
        args.outputs = (kiln_output_goals){2, both};
    } else {
        args.loss = kiln_mean_squared_error();
        args.metrics = KILN_METRICS("mae");
    }
    harness_ok(kiln_compile_with(&args));
    float x[2][120], y0[80], y1[40];
    for (uint32_t i = 0; i < 120; i++)
        for (uint32_t k = 0; k < 2; k++)
            x[k][i] = problem_weight(i + 1000 * k, 1);
    for (int i = 0; i < 40; i++) {
        y0[2 * i] = x[0][3 * i];
        y0[2 * i + 1] = -x[0][3 * i + 1];
        y1[i] = x[1][3 * i + 2];
    }
    kiln_array inputs[] = {{"a", KILN_FLOAT32, KILN_SHAPE(3), x[0]},
                           {"b", KILN_FLOAT32, KILN_SHAPE(3), x[1]}};
    kiln_array targets[] = {{"first", KILN_FLOAT32, KILN_SHAPE(2), y0},
                            {"second", KILN_FLOAT32, KILN_SHAPE(1), y1}};
    kiln_dataset *data =
        kiln_dataset_from_arrays(40, 2, inputs, one ? 1 : 2, one ? targets + 1 : targets);
    const kiln_history *history =
        kiln_fit(model, data, .epochs = 3, .batch_size = 16, .shuffle = KILN_NO,
                 .validation_split = 0.25, .verbose = KILN_NO);
    check_history(c, history, model, data, 16);
    kiln_dataset_free(data);
    kiln_model_free(model);
}

/* A loop of one's own: the figures of each batch alone. */
static void check_single_batches(kiln_device *device, const struct fit_case *c, const world *w)
{
    static const struct {
        int first, end;
        bool weighted;
    } calls[] = {{0, 32, true}, {32, 64, false}, {0, 50, true}, {50, 90, false}, {90, 110, false}};
    kiln_model *model = model_of(c->name, device);
    const float *weights = w->weighted->sample_weights->data;
    for (int i = 0; i < 5; i++) {
        float pixels[50 * SIDE * SIDE];
        int first = calls[i].first, rows = calls[i].end - first;
        for (int k = 0; k < rows * SIDE * SIDE; k++)
            pixels[k] =
                (float)((const uint8_t *)w->data->inputs[0].data)[first * SIDE * SIDE + k] / 255;
        kiln_array x = {.shape = KILN_SHAPE(SIDE, SIDE), .data = pixels};
        kiln_array y = {.dtype = KILN_INT32,
                        .data = (const int32_t *)w->data->targets[0].data + first};
        const kiln_logs *logs = (i == 2 || i == 3 ? kiln_test_on_batch : kiln_train_on_batch)(
            model, rows, &x, &y, calls[i].weighted ? weights + first : NULL);
        ck_assert_msg(logs != NULL, "%s", kiln_last_error());
        for (const struct fit_figure *f = c->figures; f->name; f++)
            if (f->epoch == i)
                check(c->name, f, kiln_logs_get(logs, f->name));
    }
    kiln_model_free(model);
}

START_TEST(histories_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        world w = make_world();
        size_t step = harness_is_slow(device) ? 7 : 1;
        for (size_t i = 0; i < sizeof fit_cases / sizeof *fit_cases; i += step) {
            if (is(fit_cases[i].name, "two outputs") || is(fit_cases[i].name, "two goals") ||
                is(fit_cases[i].name, "one goal"))
                check_two_outputs(device, &fit_cases[i]);
            else if (is(fit_cases[i].name, "single batches"))
                check_single_batches(device, &fit_cases[i], &w);
            else
                check_case(device, &fit_cases[i], &w);
        }
        free_world(&w);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("histories");
    TCase *tests = tcase_create("histories");
    tcase_add_test(tests, histories_are_as_in_keras);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
