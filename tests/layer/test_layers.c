/* Layers: what they compute against Keras, their weights, and what they refuse. */
#include "layer_figures.h"
#include "merging_figures.h"
#include "recurrent_figures.h"
#include "runner.h"
#include "spatial_figures.h"

#include <math.h>

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

static const double given_mean[] = {0.5, -1.5}, no_variance[] = {4, 0}, given_variance[] = {4, 9};

/* The layers of layer_figures.h, by their names there. */
static kiln_layer *make(const char *name)
{
    const kiln_shape flat = {1, {8}}, two = {2, {2, 4}}, four = {2, {4, 2}};
    struct {
        const char *name;
        kiln_layer *layer;
    } all[] = {
        {"flatten", kiln_flatten(.input_shape = two)},
        {"reshape", kiln_reshape(KILN_SHAPE(4, -1), .input_shape = two)},
        {"dense", kiln_dense(5, .activation = "tanh", .input_shape = flat)},
        {"dense_no_bias", kiln_dense(3, .use_bias = KILN_NO, .input_shape = flat)},
        {"dense_rank_3", kiln_dense(3, .input_shape = two)},
        {"dense_glu", kiln_dense(6, .activation = "glu", .input_shape = flat)},
        {"dense_activity", kiln_dense(4, .activation = "relu", .activity_regularizer = "l1(0.5)",
                                      .input_shape = flat)},
        {"dense_penalties", kiln_dense(4, .kernel_regularizer = "l2", .bias_regularizer = "l1(0.5)",
                                       .input_shape = flat)},
        {"activation", kiln_activation("silu", .input_shape = flat)},
        {"re_lu",
         kiln_relu(.max_value = 3, .negative_slope = 0.25, .threshold = 0.5, .input_shape = flat)},
        {"leaky_re_lu", kiln_leaky_relu(.input_shape = flat)},
        {"elu", kiln_elu(.alpha = 0.5, .input_shape = flat)},
        {"softmax", kiln_softmax(.input_shape = flat)},
        {"dropout", kiln_dropout(0.5, .input_shape = flat)},
        {"rescaling", kiln_rescaling(0.25, .offset = -1.5, .input_shape = flat)},
        {"normalization", kiln_normalization(.input_shape = two)},
        {"normalization_all", kiln_normalization(.axis = KILN_NONE, .input_shape = two)},
        {"normalization_given", kiln_normalization(.count = 2, .mean = given_mean,
                                                   .variance = no_variance, .input_shape = four)},
        {"normalization_invert",
         kiln_normalization(.count = 2, .mean = given_mean, .variance = given_variance,
                            .invert = KILN_YES, .input_shape = four)},
    };
    kiln_layer *found = NULL;
    for (size_t i = 0; i < COUNT(all); i++) {
        ck_assert_msg(all[i].layer != NULL, "%s: %s", all[i].name, kiln_last_error());
        if (strcmp(all[i].name, name) == 0)
            found = all[i].layer;
        else
            kiln_layer_free(all[i].layer);
    }
    ck_assert_msg(found != NULL, "make() has no layer %s", name);
    return found;
}

/* Weights as make_figures.py sets them. */
static void set_weights(kiln_model *model, kiln_layer *layer)
{
    if (layer_wants_adapt(layer)) {
        harness_ok(kiln_normalization_adapt(layer, figures_x, ROWS * COLUMNS / 4, 4));
        return;
    }
    for (size_t i = 0; i < kiln_model_weight_count(model); i++) {
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        float *values = malloc(count * sizeof *values);
        ck_assert_ptr_nonnull(values);
        for (size_t k = 0; k < count; k++)
            values[k] = (float)((int)((k * 7 + i * 3) % 13) - 6) * 0.125f;
        harness_ok(kiln_set_weights(model, i, values, count));
        free(values);
    }
}

static void place(kiln_device *device, const kiln_model *model)
{
    ir_weight *weights[8];
    size_t count = model_weight_count(model);
    ck_assert_uint_le(count, COUNT(weights));
    for (size_t i = 0; i < count; i++)
        weights[i] = &model_weight(model, i, NULL)->weight;
    harness_ok(store_place(device, weights, count));
}

START_TEST(figures)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(layer_figures); i++) {
            const char *name = layer_figures[i].name;
            kiln_layer *layer = make(name);
            kiln_shape input = layer->input_shape, whole = {input.rank + 1, {ROWS}};
            kiln_model *model = kiln_sequential(layer);
            ck_assert_msg(model != NULL, "%s: %s", name, kiln_last_error());
            set_weights(model, layer);
            harness_ok(model_seed_weights(model));
            place(device, model);
            memcpy(whole.dims + 1, input.dims, sizeof *input.dims * (size_t)input.rank);
            float y[ROWS * COLUMNS], loss = 0;
            float *values[] = {y, &loss};
            ir_id outputs[2];
            runner r;
            runner_start(&r, device);
            layer_call call = {.graph = &r.graph, .loss = IR_NONE};
            ir_id x = runner_input(&r, whole, figures_x);
            harness_ok(model_build_graph(model, &call, &x, outputs));
            outputs[1] = call.loss;
            ck_assert_int_eq(call.loss != IR_NONE, layer_figures[i].loss != 0);
            kiln_shape shape = r.graph.items[outputs[0]].shape,
                       one = kiln_model_output_shape(model, 0);
            ck_assert_int_eq(shape.rank, layer_figures[i].rank);
            for (int k = 0; k < shape.rank; k++) {
                ck_assert_int_eq(shape.dims[k], layer_figures[i].shape[k]);
                ck_assert(k == 0 || shape.dims[k] == one.dims[k - 1]);
            }
            runner_run(&r, ROWS, call.loss == IR_NONE ? 1 : 2, outputs, values);
            runner_end(&r);
            runner_compare(name, y, layer_figures[i].y, (size_t)kiln_shape_size(shape), 5e-6);
            runner_compare(name, &loss, &layer_figures[i].loss, 1, 5e-6);
            kiln_model_free(model);
        }
    }
}
END_TEST

/* These have theirs as models (make_states.py). */
static const char *const in_models[] = {"RNN", "SimpleRNNCell", "LSTMCell", "GRUCell",
                                        "StackedRNNCells", "ConvLSTM1D", "ConvLSTM2D"};

/* A layer class without figures is a layer without a test. */
START_TEST(all_have_figures)
{
    for (const layer_class *const *c = layer_registry; *c; c++) {
        bool found = *c == &input_class; /* computes nothing; every test begins with one */
        for (size_t i = 0; i < COUNT(layer_figures) && !found; i++)
            found = strcmp(layer_figures[i].class_name, (*c)->class_name) == 0;
        for (size_t i = 0; i < COUNT(spatial_figures) && !found; i++)
            found = strcmp(spatial_figures[i].class_name, (*c)->class_name) == 0;
        for (size_t i = 0; i < COUNT(merging_figures) && !found; i++)
            found = strcmp(merging_figures[i].class_name, (*c)->class_name) == 0;
        for (size_t i = 0; i < COUNT(recurrent_figures) && !found; i++)
            found = strcmp(recurrent_figures[i].class_name, (*c)->class_name) == 0;
        for (size_t i = 0; i < COUNT(in_models) && !found; i++)
            found = strcmp(in_models[i], (*c)->class_name) == 0;
        ck_assert_msg(
            found,
            "layer class %s has no figures: add it to make_figures.py, make_spatial.py or "
            "make_merging.py, and to make()",
            (*c)->class_name);
        ck_assert_ptr_eq(layer_find_class((*c)->class_name), *c);
    }
    ck_assert_ptr_null(layer_find_class("Nothing"));
}
END_TEST

/* The penalty of an activity in a batch that is not full: only its rows count. */
START_TEST(partial_batch)
{
    HARNESS_EACH_DEVICE(device)
    {
        static const float x[] = {1, 2, -4, 100};
        const kiln_shape shape = {2, {4, 1}};
        float loss, *values[] = {&loss};
        runner r;
        runner_start(&r, device);
        layer_call call = {.graph = &r.graph, .loss = IR_NONE};
        harness_ok(layer_add_activity(&call, "l1(1)", runner_input(&r, shape, x)));
        runner_run(&r, 3, 1, &call.loss, values);
        runner_end(&r);
        ck_assert_float_eq_tol(loss, 7.0f / 3, 1e-6f);
    }
}
END_TEST

/* Dropout in training: the share, the scale, another mask for another layer. */
START_TEST(dropout_in_training)
{
    enum { N = 4096 };
    static float ones[N], y[3][N];
    for (size_t i = 0; i < N; i++)
        ones[i] = 1;
    HARNESS_EACH_DEVICE(device)
    {
        kiln_layer *quarter = kiln_dropout(0.25), *again = kiln_dropout(0.25),
                   *all = kiln_dropout(1);
        ir_id outputs[3];
        float *values[] = {y[0], y[1], y[2]};
        runner r;
        runner_start(&r, device);
        layer_call call = {.graph = &r.graph, .training = true, .loss = IR_NONE};
        ir_id x = runner_input(&r, (kiln_shape){2, {4, N / 4}}, ones);
        harness_ok(quarter->cls->call(quarter, &call, x, &outputs[0]));
        harness_ok(again->cls->call(again, &call, x, &outputs[1]));
        harness_ok(all->cls->call(all, &call, x, &outputs[2]));
        ck_assert_uint_eq(call.stream, 3);
        runner_run(&r, 4, 3, outputs, values);
        runner_end(&r);
        int zeros = 0, same = 0;
        for (size_t i = 0; i < N; i++) {
            ck_assert_msg(y[0][i] == 0 || fabsf(y[0][i] - 4 / 3.0f) < 1e-6f, "%g", y[0][i]);
            zeros += y[0][i] == 0;
            same += (y[0][i] == 0) == (y[1][i] == 0);
            ck_assert_float_eq(y[2][i], 0);
        }
        ck_assert_int_lt(abs(zeros - N / 4), 140); /* five deviations */
        ck_assert_int_lt(abs(same - N * 5 / 8), 160);
        kiln_layer_free(quarter), kiln_layer_free(again), kiln_layer_free(all);
    }
}
END_TEST

START_TEST(normalization_weights)
{
    static const float x[] = {1, 10, 3, 20, 5, 30};
    kiln_layer *layer = kiln_normalization(.input_shape = KILN_SHAPE(2));
    ck_assert(layer_wants_adapt(layer));
    harness_ok(kiln_normalization_adapt(layer, x, 3, 2)); /* before there is a model */
    ck_assert(!layer_wants_adapt(layer));
    kiln_model *model = kiln_sequential(layer, kiln_dense(1));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(kiln_model_weight_count(model), 5);
    ck_assert_str_eq(kiln_model_weight_path(model, 0), "normalization/mean");
    ck_assert_str_eq(kiln_model_weight_path(model, 2), "normalization/count");
    float values[2];
    harness_ok(kiln_get_weights(model, 0, values, 2));
    ck_assert_float_eq(values[0], 3);
    ck_assert_float_eq(values[1], 20);
    harness_ok(kiln_get_weights(model, 1, values, 2));
    ck_assert_float_eq_tol(values[0], 8 / 3.0f, 1e-6f);
    ck_assert_float_eq_tol(values[1], 200 / 3.0f, 1e-4f);
    harness_fails(kiln_normalization_adapt(layer, x, 2, 3), KILN_ERROR_SHAPE,
                  "layer normalization has weights for inputs (2,) and cannot take inputs (3,)");
    harness_fails(kiln_normalization_adapt(layer, (float[]){1, NAN}, 1, 2), KILN_ERROR_NUMERIC,
                  "layer normalization: feature 1 has values that are not finite");
    harness_fails(kiln_normalization_adapt(kiln_model_layer(model, 1), x, 3, 2),
                  KILN_ERROR_ARGUMENT, "layer dense is no Normalization and cannot be adapted");
    kiln_model_free(model);

    /* Given figures are no weights. */
    layer = kiln_normalization(.count = 2, .mean = given_mean, .variance = given_variance,
                               .input_shape = KILN_SHAPE(2));
    model = kiln_sequential(layer);
    ck_assert(!layer_wants_adapt(layer));
    ck_assert_uint_eq(kiln_model_weight_count(model), 0);
    ck_assert_uint_eq(model_weight_count(model), 2);
    ck_assert_int_eq(kiln_model_count_params(model), 0);
    harness_fails(kiln_normalization_adapt(layer, x, 3, 2), KILN_ERROR_ARGUMENT,
                  "from its arguments");
    kiln_model_free(model);
}
END_TEST

#define REFUSES(LAYER, MESSAGE)                                                                    \
    do {                                                                                           \
        kiln_clear_error();                                                                        \
        ck_assert_ptr_null(LAYER);                                                                 \
        ck_assert_str_eq(kiln_last_error(), MESSAGE);                                              \
    } while (0)

START_TEST(refused)
{
    REFUSES(kiln_dense(0), "Dense layer: units is 0; it must be 1 or more");
    REFUSES(kiln_dense(4, .activation = "rleu"),
            "Dense layer: activation: unknown activation \"rleu\" (did you mean \"relu\"?)");
    REFUSES(kiln_dense(4, .name = "hidden", .kernel_initializer = "zeroes"),
            "layer hidden: kernel_initializer: unknown initializer \"zeroes\" (did you mean "
            "\"zeros\"?)");
    REFUSES(kiln_dense(4, .bias_regularizer = "l2("),
            "Dense layer: bias_regularizer: regularizer \"l2(\": a value is missing");
    REFUSES(kiln_dense(4, .name = "a/b"),
            "Dense layer: the name \"a/b\" cannot have a \"/\" in it");
    REFUSES(kiln_dense(4, .name = ""), "Dense layer: the name \"\" is empty");
    REFUSES(kiln_dense(4, .name = "\xff"), "Dense layer: a name must be valid UTF-8");
    REFUSES(kiln_dense(4, .name = "a\nb"),
            "Dense layer: a name cannot have control characters in it");
    REFUSES(kiln_dense(4, .input_shape = KILN_SHAPE(3, 0)),
            "Dense layer: input_shape (3, 0): each axis must be known and at least 1");
    REFUSES(kiln_dense(4, .input_shape = KILN_SHAPE(1, 1, 1, 1, 1, 1, 1, 1)),
            "Dense layer: input_shape has 8 axes; 1 to 7 are possible besides the batch");
    REFUSES(kiln_dropout(1.5), "Dropout layer: rate is 1.5; it must be between 0 and 1");
    REFUSES(kiln_dropout(NAN), "Dropout layer: rate is nan; it must be between 0 and 1");
    REFUSES(kiln_rescaling(INFINITY), "Rescaling layer: scale and offset must be finite");
    REFUSES(kiln_activation(NULL), "Activation layer: activation is missing");
    REFUSES(kiln_relu(.negative_slope = -1),
            "ReLU layer: activation \"relu(negative_slope=-1, max_value=None, threshold=0)\": its "
            "arguments cannot be negative");
    REFUSES(kiln_reshape(KILN_SHAPE(-1, -1)),
            "Reshape layer: target_shape (-1, -1): only one axis can be -1");
    REFUSES(kiln_reshape(KILN_SHAPE(0)),
            "Reshape layer: target_shape (0,): 0 is no size of an axis");
    REFUSES(kiln_normalization(.count = 1, .mean = given_mean),
            "Normalization layer: mean and variance go together, with as many values each");
    REFUSES(kiln_sequential(kiln_normalization(.axis = 1, .input_shape = KILN_SHAPE(2, 3))),
            "layer normalization: axis is 1; only -1 (the last) and None are supported");
    REFUSES(kiln_input_layer(KILN_SHAPE(3), .dtype = KILN_UINT8),
            "InputLayer layer: inputs are float32 or int32, not uint8");
}
END_TEST

/* Defaults come from the field table, and are what the builders give. */
START_TEST(defaults)
{
    kiln_layer *built = kiln_dense(3), *bare = layer_new(layer_find_class("Dense"));
    for (size_t i = 0; i < built->cls->field_count; i++) {
        const layer_field *f = &built->cls->fields[i];
        if (f->type == FIELD_ACTIVATION || f->type == FIELD_INITIALIZER)
            ck_assert_str_eq(*(char **)layer_field_at(built, f), *(char **)layer_field_at(bare, f));
        if (f->type == FIELD_REGULARIZER)
            ck_assert_ptr_null(*(char **)layer_field_at(built, f));
    }
    const layer_field *bias = layer_find_field(built->cls, "use_bias");
    ck_assert(*(bool *)layer_field_at(built, bias));
    ck_assert(*(bool *)layer_field_at(bare, bias));
    ck_assert(kiln_layer_trainable(built));
    harness_ok(kiln_layer_set_trainable(built, 0));
    ck_assert(!kiln_layer_trainable(built));
    ck_assert_str_eq(kiln_layer_name(built), "");
    ck_assert_str_eq(kiln_layer_class_name(built), "Dense");
    kiln_layer_free(built);
    kiln_layer_free(bare);
    kiln_layer_free(NULL);
    ck_assert_ptr_null(layer_find_field(&input_class, "units"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("layers");
    TCase *tests = tcase_create("layers");
    tcase_add_test(tests, all_have_figures);
    tcase_add_test(tests, figures);
    tcase_add_test(tests, partial_batch);
    tcase_add_test(tests, dropout_in_training);
    tcase_add_test(tests, normalization_weights);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, defaults);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
