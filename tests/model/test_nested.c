/* Models as layers of models: shared weights and their names, outputs, trainable, tables, files,
 * and who frees what. No device is needed. */
#include "base/file.h"
#include "harness/harness.h"
#include "model/model.h"

static kiln_model *encoder(void)
{
    return kiln_sequential(kiln_dense(3, .activation = "relu", .input_shape = KILN_SHAPE(4)),
                           kiln_dense(2, .kernel_regularizer = "l2"));
}

/* Two outputs: the second is a model within this one. */
static kiln_model *pair(void)
{
    kiln_model *deep = kiln_sequential(kiln_dense(3, .name = "down", .input_shape = KILN_SHAPE(3)));
    kiln_tensor *x = kiln_input(KILN_SHAPE(2), .name = "start"),
                *wide = kiln_apply(kiln_dense(3, .name = "wide"), x),
                *y = kiln_apply(kiln_batch_normalization(), wide);
    y = kiln_apply(kiln_model_as_layer(deep, .name = "deep"), y);
    kiln_model_free(deep); /* pair holds it */
    return kiln_functional(KILN_TENSORS(x), KILN_TENSORS(wide, y), .name = "pair");
}

static kiln_model *outer(kiln_model *inner, kiln_model *two)
{
    kiln_tensor *left = kiln_input(KILN_SHAPE(4), .name = "left"),
                *right = kiln_input(KILN_SHAPE(4), .name = "right"),
                *a = kiln_apply(kiln_model_as_layer(inner, .name = "inner"), left),
                *b = kiln_apply(inner, right), *p = kiln_apply(two, a),
                *q = kiln_tensor_output(p, 1);
    ck_assert_uint_eq(kiln_tensor_output_count(p), 2);
    ck_assert_ptr_eq(kiln_tensor_output(q, 0), p);
    kiln_tensor *y = kiln_apply(kiln_concatenate(), p, b, q);
    y = kiln_apply(kiln_dense(1, .name = "head"), y);
    return kiln_functional(KILN_TENSORS(left, right), KILN_TENSORS(y), .name = "outer");
}

static kiln_model *whole(void)
{
    kiln_model *inner = encoder(), *two = pair(), *model = outer(inner, two);
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    kiln_model_free(inner);
    kiln_model_free(two);
    return model;
}

START_TEST(names_and_weights)
{
    static const char *const paths[] = {"inner/dense/kernel",
                                        "inner/dense/bias",
                                        "inner/dense_1/kernel",
                                        "inner/dense_1/bias",
                                        "pair/wide/kernel",
                                        "pair/wide/bias",
                                        "pair/batch_normalization/gamma",
                                        "pair/batch_normalization/beta",
                                        "pair/batch_normalization/moving_mean",
                                        "pair/batch_normalization/moving_variance",
                                        "pair/deep/down/kernel",
                                        "pair/deep/down/bias",
                                        "head/kernel",
                                        "head/bias"};
    kiln_model *model = whole();
    size_t count = sizeof paths / sizeof *paths;
    ck_assert_uint_eq(kiln_model_weight_count(model), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_str_eq(kiln_model_weight_path(model, i), paths[i]);
    ck_assert_int_eq(kiln_model_count_params(model), 65);
    ck_assert_uint_eq(kiln_model_layer_count(model), 6);
    kiln_layer *layer = kiln_model_find_layer(model, "pair");
    ck_assert_str_eq(kiln_layer_class_name(layer), "Functional");
    kiln_model *two = kiln_layer_model(layer);
    ck_assert_str_eq(kiln_model_name(two), "pair");
    ck_assert_str_eq(kiln_model_name(kiln_layer_model(kiln_model_find_layer(two, "deep"))), "deep");
    ck_assert_ptr_null(kiln_layer_model(kiln_model_find_layer(model, "head")));
    kiln_model_free(model);
}
END_TEST

/* The weights are the same ones, whichever model reads or sets them. */
START_TEST(the_same_weights)
{
    kiln_model *inner = encoder(), *two = pair(), *model = outer(inner, two);
    float bias[3] = {1, 2, 3}, back[3];
    harness_ok(kiln_set_weights(inner, 1, bias, 3));
    harness_ok(kiln_get_weights(model, 1, back, 3));
    ck_assert_mem_eq(bias, back, sizeof bias);
    harness_fails(
        kiln_model_set_seed(inner, 1), KILN_ERROR_ARGUMENT,
        "model inner has its initial weights already; set the seed before compiling it or "
        "reading its weights");
    /* The other nested one got its values with the outer one's. */
    harness_fails(kiln_model_set_seed(two, 1), KILN_ERROR_ARGUMENT,
                  "model pair has its initial weights already; set the seed before compiling it or "
                  "reading its weights");
    kiln_model_free(model);
    /* What was nested goes on alone, and may be nested again. */
    harness_ok(kiln_get_weights(inner, 1, back, 3));
    ck_assert_mem_eq(bias, back, sizeof bias);
    kiln_model *again = kiln_sequential(kiln_model_as_layer(inner), kiln_dense(2));
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_model_weight_path(again, 0), "inner/dense/kernel");
    ck_assert_str_eq(kiln_model_weight_path(again, 4), "dense/kernel");
    kiln_model_free(inner);
    kiln_model_free(two);
    kiln_model_free(again);
}
END_TEST

/* Models without names of their own are numbered like layers. */
START_TEST(default_names)
{
    kiln_model *a = encoder(), *b = kiln_sequential(kiln_dense(4, .input_shape = KILN_SHAPE(2)));
    kiln_model *model = kiln_sequential(kiln_model_as_layer(a), kiln_model_as_layer(b));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_layer_name(kiln_model_layer(model, 0)), "sequential");
    ck_assert_str_eq(kiln_layer_name(kiln_model_layer(model, 1)), "sequential_1");
    ck_assert_str_eq(kiln_model_name(b), "sequential_1");
    ck_assert_str_eq(kiln_model_weight_path(model, 4), "sequential_1/dense/kernel");
    kiln_model_free(a);
    kiln_model_free(b);
    kiln_model_free(model);
}
END_TEST

START_TEST(trainable)
{
    kiln_model *model = whole();
    kiln_layer *layer = kiln_model_find_layer(model, "pair");
    harness_ok(kiln_layer_set_trainable(layer, 0));
    kiln_model *two = kiln_layer_model(layer);
    ck_assert(!kiln_layer_trainable(kiln_model_find_layer(two, "wide")));
    kiln_layer *deep = kiln_model_find_layer(two, "deep");
    ck_assert(!kiln_layer_trainable(kiln_model_find_layer(kiln_layer_model(deep), "down")));
    text out = {0};
    harness_ok(model_summary(model, 80, false, -1, &out));
    ck_assert_ptr_nonnull(strstr(out.data, " Trainable params: 32 (128.00 B)\n"));
    text_free(&out);
    /* It goes into files, and comes back. */
    char *json = kiln_model_to_json(model, -1);
    kiln_model *again = kiln_model_from_json(json);
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    ck_assert(!kiln_layer_trainable(kiln_model_find_layer(again, "pair")));
    ck_assert(kiln_layer_trainable(kiln_model_find_layer(again, "inner")));
    free(json);
    kiln_model_free(again);
    harness_ok(kiln_layer_set_trainable(layer, 1));
    ck_assert(kiln_layer_trainable(kiln_model_find_layer(two, "wide")));
    kiln_model_free(model);
}
END_TEST

static char *text_of(const char *path)
{
    void *bytes;
    size_t size;
    harness_ok(file_read(path, 1 << 20, &bytes, &size));
    return bytes;
}

static void check_table(const kiln_model *model, const char *fixture, bool expand)
{
    text out = {0};
    char *wanted = text_of(fixture);
    harness_ok(model_summary(model, 80, expand, -1, &out));
    ck_assert_msg(strcmp(out.data, wanted) == 0, "%s is not what was made:\n%.2000s", fixture,
                  out.data);
    free(wanted);
    text_free(&out);
}

/* Keras's tables, character by character, and its JSON. */
START_TEST(tables)
{
    char *json = text_of(FIXTURES "/keras3_nested.json");
    kiln_model *model = kiln_model_from_json(json);
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    check_table(model, FIXTURES "/keras3_nested.txt", false);
    check_table(model, FIXTURES "/keras3_nested_expanded.txt", true);
    char *first = kiln_model_to_json(model, 1);
    kiln_model *again = kiln_model_from_json(first);
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    char *second = kiln_model_to_json(again, 1);
    ck_assert_str_eq(first, second);
    free(json);
    free(first);
    free(second);
    kiln_model_free(model);
    kiln_model_free(again);
    text svg = {0};
    model = whole();
    harness_ok(model_plot(model, &svg));
    ck_assert_ptr_nonnull(strstr(svg.data, "pair (Functional), 33 parameters"));
    text_free(&svg);
    kiln_model_free(model);
}
END_TEST

/* A nested model that is called twice: its nodes twice, its weights and their penalty once. */
START_TEST(graph)
{
    kiln_model *model = whole();
    ir_graph g = {0};
    layer_call call = {.graph = &g, .training = true, .loss = IR_NONE};
    ir_id outputs[1], inputs[] = {op_input(&g, 0, KILN_FLOAT32, KILN_SHAPE(5, 4)),
                                  op_input(&g, 1, KILN_FLOAT32, KILN_SHAPE(5, 4))};
    harness_ok(model_build_graph(model, &call, inputs, outputs));
    ck_assert(ir_shape_equal(g.items[outputs[0]].shape, KILN_SHAPE(5, 1)));
    int weights = 0, twice = 0, penalties = 0, deep = 0;
    for (size_t i = 0; i < g.count; i++) {
        const char *place = g.items[i].place, *op = g.items[i].op->name;
        bool product = strcmp(op, "matmul") == 0;
        weights += strcmp(op, "weight") == 0;
        twice += product && place && strcmp(place, "inner/dense") == 0;
        deep += product && place && strcmp(place, "pair/deep/down") == 0;
        penalties += strcmp(op, "sum") == 0 && place && strcmp(place, "dense_1") == 0;
    }
    ck_assert_int_eq(weights, 14);
    ck_assert_int_eq(twice, 2);
    ck_assert_int_eq(deep, 1);
    ck_assert_int_eq(penalties, 1);
    ck_assert(call.loss != IR_NONE);
    ck_assert_uint_eq(call.assign_count, 2); /* the moving statistics */
    free(call.assigns);
    ir_free(&g);
    kiln_model_free(model);
}
END_TEST

START_TEST(refusals)
{
    kiln_model *inner = encoder(), *two = pair();
    kiln_tensor *x = kiln_input(KILN_SHAPE(5));
    ck_assert_ptr_null(kiln_apply(inner, x));
    ck_assert_str_eq(kiln_last_error(),
                     "Sequential layer: the model's input input_layer takes samples of shape (4,), "
                     "not (5,)");
    ck_assert_ptr_null(kiln_apply(two, x, x));
    ck_assert_str_eq(kiln_last_error(), "layer pair: the model has 1 input and is called with 2");
    ck_assert_ptr_null(kiln_tensor_output(x, 1));
    ck_assert_str_eq(kiln_last_error(), "InputLayer layer has 1 output, and none at index 1");
    kiln_tensor_free(x);
    ck_assert_ptr_null(kiln_model_as_layer(NULL));
    kiln_model *none = NULL;
    ck_assert_ptr_null(kiln_apply(none, NULL));
    /* A layer that is nested and beside it has no words in files. */
    kiln_layer *shared = kiln_dense(4);
    kiln_tensor *a = kiln_input(KILN_SHAPE(4)), *y = kiln_apply(shared, a);
    kiln_model *half = kiln_functional(KILN_TENSORS(a), KILN_TENSORS(y), .name = "half");
    kiln_tensor *b = kiln_input(KILN_SHAPE(4), .name = "b");
    y = kiln_apply(shared, kiln_apply(half, b));
    kiln_model *model = kiln_functional(KILN_TENSORS(b), KILN_TENSORS(y), .name = "both");
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(kiln_model_weight_count(model), 2);
    ck_assert_ptr_null(kiln_model_to_json(model, 1));
    ck_assert_str_eq(kiln_last_error(), "layer dense is in both half and dense of model both, and "
                                        "files have no words for that");
    kiln_model_free(model);
    kiln_model_free(half);
    /* Once it has a place it keeps its name. */
    model = outer(inner, two);
    ck_assert_ptr_null(kiln_model_as_layer(inner, .name = "other"));
    ck_assert_str_eq(kiln_last_error(),
                     "model inner is a layer of a model already and cannot be called other");
    kiln_model_free(inner);
    kiln_model_free(two);
    kiln_model_free(model);
}
END_TEST

/* A layer that no model took goes alone, and the model stays. */
START_TEST(a_layer_without_a_place)
{
    kiln_model *inner = encoder();
    kiln_layer *layer = kiln_model_as_layer(inner, .name = "early", .trainable = KILN_NO);
    ck_assert_ptr_eq(kiln_model_as_layer(inner), layer);
    ck_assert(!kiln_layer_trainable(kiln_model_layer(inner, 0)));
    kiln_layer_free(layer);
    layer = kiln_model_as_layer(inner, .name = "late");
    kiln_model_free(inner); /* the layer holds it */
    ck_assert_uint_eq(kiln_model_layer_count(kiln_layer_model(layer)), 2);
    kiln_layer_free(layer);
}
END_TEST

/* A model that reads only the second output, and one that begins at it. */
START_TEST(one_of_the_outputs)
{
    kiln_model *two = pair();
    kiln_tensor *x = kiln_input(KILN_SHAPE(2)), *p = kiln_apply(two, x),
                *q = kiln_tensor_output(p, 1), *y = kiln_apply(kiln_dense(5), q),
                *z = kiln_apply(kiln_add(), p, q);
    kiln_model *second = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y)),
               *tail = kiln_functional(KILN_TENSORS(q), KILN_TENSORS(y)),
               *mixed = kiln_functional(KILN_TENSORS(x, q), KILN_TENSORS(z));
    ck_assert_msg(second && tail && mixed, "%s", kiln_last_error());
    ck_assert(ir_shape_equal(kiln_model_input_shape(tail, 0), KILN_SHAPE(3)));
    ck_assert_uint_eq(kiln_model_weight_count(tail), 2);
    ck_assert_uint_eq(kiln_model_weight_count(second), 10);
    ck_assert_uint_eq(kiln_model_weight_count(mixed), 8);
    char *json = kiln_model_to_json(second, -1);
    ck_assert_msg(json != NULL, "%s", kiln_last_error());
    ck_assert_ptr_nonnull(strstr(json, "[\"pair\", 0, 1]"));
    kiln_model *again = kiln_model_from_json(json);
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    free(json);
    kiln_model_free(again);
    kiln_model_free(two);
    kiln_model_free(second);
    kiln_model_free(tail);
    kiln_model_free(mixed);
}
END_TEST

/* A model that each step runs: its weights, their names, files, and what cannot be. */
START_TEST(in_time_distributed)
{
    kiln_model *each = encoder(), *two = pair();
    kiln_tensor *x = kiln_input(KILN_SHAPE(5, 4)),
                *y = kiln_apply(kiln_time_distributed(kiln_model_as_layer(each, .name = "each"),
                                                      .name = "steps"),
                                x);
    ck_assert_msg(y != NULL, "%s", kiln_last_error());
    ck_assert(ir_shape_equal(kiln_tensor_shape(y), KILN_SHAPE(5, 2)));
    y = kiln_apply(kiln_lstm(3), y);
    kiln_model *model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    kiln_model_free(each);
    ck_assert_uint_eq(kiln_model_weight_count(model), 7);
    ck_assert_str_eq(kiln_model_weight_path(model, 0), "steps/each/dense/kernel");
    ck_assert_str_eq(kiln_model_weight_path(model, 3), "steps/each/dense_1/bias");
    ck_assert_int_eq(model_count_layer_params(kiln_model_find_layer(model, "steps")), 23);
    char *first = kiln_model_to_json(model, 1);
    kiln_model *again = kiln_model_from_json(first);
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    char *second = kiln_model_to_json(again, 1);
    ck_assert_str_eq(first, second);
    ck_assert_str_eq(kiln_model_weight_path(again, 3), "steps/each/dense_1/bias");
    harness_ok(kiln_layer_set_trainable(kiln_model_find_layer(again, "steps"), 0));
    text out = {0};
    harness_ok(model_summary(again, 80, false, -1, &out));
    ck_assert_ptr_nonnull(strstr(out.data, " Non-trainable params: 23 (92.00 B)\n"));
    text_free(&out);
    free(first);
    free(second);
    kiln_model_free(model);
    kiln_model_free(again);
    ck_assert_ptr_null(kiln_time_distributed(kiln_model_as_layer(two)));
    ck_assert_str_eq(kiln_last_error(),
                     "TimeDistributed layer: layer pair has several outputs, and "
                     "each step can have one");
    ck_assert_uint_eq(kiln_model_weight_count(two), 8); /* it is still there */
    kiln_model_free(two);
    kiln_tensor *a = kiln_input(KILN_SHAPE(2, 3), .batch_size = 4);
    kiln_model *kept = kiln_functional(
        KILN_TENSORS(a), KILN_TENSORS(kiln_apply(kiln_gru(2, .stateful = KILN_YES), a)));
    x = kiln_input(KILN_SHAPE(5, 2, 3), .batch_size = 4);
    y = kiln_apply(kiln_time_distributed(kiln_model_as_layer(kept)), x);
    ck_assert_ptr_null(kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y)));
    ck_assert_str_eq(kiln_last_error(),
                     "layer time_distributed: model functional is stateful, and a "
                     "layer that each step runs cannot be");
    x = kiln_input(KILN_SHAPE(5, 3));
    each = encoder();
    ck_assert_ptr_null(kiln_apply(kiln_time_distributed(kiln_model_as_layer(each)), x));
    ck_assert_str_eq(kiln_last_error(),
                     "TimeDistributed layer: layer sequential: the model's input input_layer takes "
                     "samples of shape (4,), not (3,)");
    kiln_model_free(each);
    kiln_model_free(kept);
    kiln_tensor_free(x);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("nested");
    TCase *cases = tcase_create("nested");
    tcase_add_test(cases, names_and_weights);
    tcase_add_test(cases, the_same_weights);
    tcase_add_test(cases, default_names);
    tcase_add_test(cases, trainable);
    tcase_add_test(cases, tables);
    tcase_add_test(cases, graph);
    tcase_add_test(cases, refusals);
    tcase_add_test(cases, a_layer_without_a_place);
    tcase_add_test(cases, one_of_the_outputs);
    tcase_add_test(cases, in_time_distributed);
    suite_add_tcase(suite, cases);
    return harness_run(suite);
}
