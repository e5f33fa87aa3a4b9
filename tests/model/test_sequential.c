/* Sequential models: names, shapes, weights, summary, sharing, failures. No device is needed. */
#include "harness/harness.h"
#include "model/model.h"

#include "base/file.h"

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

static kiln_model *mnist(void)
{
    return kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(28, 28)),
                           kiln_dense(128, .activation = "relu"), kiln_dropout(0.2),
                           kiln_dense(10));
}

START_TEST(names)
{
    kiln_model *model =
        kiln_sequential(kiln_input_layer(KILN_SHAPE(4), .name = "in"), kiln_dense(3),
                        kiln_dense(3, .name = "dense_2"), kiln_dense(3), kiln_leaky_relu(),
                        kiln_relu(), kiln_dense(3), kiln_dropout(0.1));
    static const char *const expected[] = {"dense", "dense_2", "dense_1", "leaky_re_lu",
                                           "re_lu", "dense_3", "dropout"};
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_model_name(model), "sequential");
    ck_assert_uint_eq(kiln_model_layer_count(model), COUNT(expected));
    for (size_t i = 0; i < COUNT(expected); i++)
        ck_assert_str_eq(kiln_layer_name(kiln_model_layer(model, i)), expected[i]);
    ck_assert_ptr_null(kiln_model_layer(model, COUNT(expected)));
    ck_assert_ptr_eq(kiln_model_find_layer(model, "dense_2"), kiln_model_layer(model, 1));
    ck_assert_ptr_nonnull(kiln_model_find_layer(model, "in"));
    ck_assert_ptr_null(kiln_model_find_layer(model, "dens"));
    ck_assert_str_eq(kiln_last_error(),
                     "model sequential has no layer named \"dens\" (did you mean \"dense\"?)");
    kiln_model_free(model);
}
END_TEST

START_TEST(shapes_and_weights)
{
    kiln_model *model = mnist();
    kiln_shape in = kiln_model_input_shape(model, 0), out = kiln_model_output_shape(model, 0);
    ck_assert(ir_shape_equal(in, KILN_SHAPE(28, 28)));
    ck_assert(ir_shape_equal(out, KILN_SHAPE(10)));
    ck_assert_uint_eq(kiln_model_input_count(model), 1);
    ck_assert_uint_eq(kiln_model_output_count(model), 1);
    ck_assert_int_eq(kiln_model_count_params(model), 101770);
    static const char *const paths[] = {"dense/kernel", "dense/bias", "dense_1/kernel",
                                        "dense_1/bias"};
    ck_assert_uint_eq(kiln_model_weight_count(model), 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(kiln_model_weight_path(model, i), paths[i]);
    ck_assert_ptr_null(kiln_model_weight_path(model, 4));
    ck_assert(ir_shape_equal(kiln_model_weight_shape(model, 2), KILN_SHAPE(128, 10)));

    float bias[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, back[10];
    harness_ok(kiln_set_weights(model, 3, bias, 10));
    harness_ok(kiln_get_weights(model, 3, back, 10));
    ck_assert_mem_eq(bias, back, sizeof bias);
    harness_fails(kiln_set_weights(model, 3, bias, 9), KILN_ERROR_SHAPE,
                  "kiln_set_weights: dense_1/bias has the shape (10,), 10 values, not 9");
    harness_fails(kiln_get_weights(model, 4, back, 10), KILN_ERROR_ARGUMENT,
                  "kiln_get_weights: model sequential has 4 weights, and none at index 4");
    kiln_model_free(model);
}
END_TEST

static void fetch(kiln_model *model, float *values)
{
    harness_ok(kiln_get_weights(model, 2, values, 1280));
}

START_TEST(seeds)
{
    static float a[1280], b[1280];
    kiln_model *first = mnist(), *second = mnist();
    harness_ok(kiln_model_set_seed(first, 5));
    harness_ok(kiln_model_set_seed(second, 5));
    fetch(first, a), fetch(second, b);
    ck_assert_mem_eq(a, b, sizeof a);
    harness_fails(kiln_model_set_seed(second, 6), KILN_ERROR_ARGUMENT,
                  "has its initial weights already");
    kiln_model_free(second);
    second = mnist();
    harness_ok(kiln_model_set_seed(second, 6));
    fetch(second, b);
    ck_assert_mem_ne(a, b, sizeof a);
    kiln_model_free(first), kiln_model_free(second);
    /* Without a seed two models of one process differ. */
    first = mnist(), second = mnist();
    fetch(first, a), fetch(second, b);
    ck_assert_mem_ne(a, b, sizeof a);
    ck_assert_uint_ne(first->seed, 0);
    kiln_model_free(first), kiln_model_free(second);
}
END_TEST

/* Two models with the same layers see the same values; either may go first. */
START_TEST(sharing)
{
    float values[10] = {3}, back[10];
    kiln_model *model = mnist(), *other = kiln_model_share(model);
    ck_assert_msg(other != NULL, "%s", kiln_last_error());
    ck_assert_ptr_eq(kiln_model_layer(model, 1), kiln_model_layer(other, 1));
    ck_assert_int_eq(kiln_model_layer(model, 1)->references, 2);
    harness_ok(kiln_set_weights(model, 3, values, 10));
    harness_ok(kiln_get_weights(other, 3, back, 10));
    ck_assert_mem_eq(values, back, sizeof back);
    kiln_layer_free(kiln_model_layer(model, 1)); /* has no effect while models hold it */
    kiln_model_free(model);
    harness_ok(kiln_get_weights(other, 3, back, 10));
    ck_assert_mem_eq(values, back, sizeof back);

    /* A layer of one model in another. */
    kiln_layer *last = kiln_model_layer(other, 3);
    kiln_model *head = kiln_sequential(kiln_input_layer(KILN_SHAPE(128)), last, kiln_dense(2));
    ck_assert_msg(head != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_layer_name(kiln_model_layer(head, 1)), "dense");
    kiln_model_free(other);
    harness_ok(kiln_get_weights(head, 1, back, 10));
    ck_assert_mem_eq(values, back, sizeof back);
    kiln_model_free(head);
    kiln_model_free(NULL);
}
END_TEST

/* One layer called twice, two inputs, two outputs. */
START_TEST(graph_of_calls)
{
    int a, b, x, y, z;
    kiln_layer *shared = kiln_dense(4, .name = "shared");
    kiln_model *model = model_new(NULL, false);
    harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(8), .name = "a"), 0, NULL, &a));
    harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(8), .name = "b"), 0, NULL, &b));
    harness_ok(model_apply(model, shared, 1, &a, &x));
    harness_ok(model_apply(model, shared, 1, &b, &y));
    harness_ok(model_apply(model, kiln_dense(1), 1, &x, &z));
    harness_ok(model_set_ends(model, 2, (int[]){a, b}, 2, (int[]){z, y}));
    ck_assert_int_eq(kiln_model_count_params(model), 8 * 4 + 4 + 4 + 1);
    ck_assert_uint_eq(kiln_model_layer_count(model), 4); /* the inputs count here */
    ck_assert_int_eq(shared->references, 1);

    harness_fails(model_apply(model, kiln_dense(1), 1, (int[]){9}, &z), KILN_ERROR_ARGUMENT,
                  "layer dense_1: its input is not part of model functional");
    harness_fails(model_apply(model, shared, 1, &z, &x), KILN_ERROR_SHAPE,
                  "layer shared has weights for inputs (8,) and cannot take inputs (1,)");
    harness_fails(model_apply(model, kiln_dense(1), 2, (int[]){a, b}, &z), KILN_ERROR_ARGUMENT,
                  "takes one input, not 2");

    ir_id outputs[2];
    layer_call call = {.loss = IR_NONE};
    ir_graph g = {0};
    call.graph = &g;
    kiln_shape shape = {2, {3, 8}};
    ir_id inputs[] = {op_input(&g, 0, KILN_FLOAT32, shape), op_input(&g, 1, KILN_FLOAT32, shape)};
    harness_ok(model_build_graph(model, &call, inputs, outputs));
    ck_assert(ir_shape_equal(g.items[outputs[0]].shape, KILN_SHAPE(3, 1)));
    ck_assert(ir_shape_equal(g.items[outputs[1]].shape, KILN_SHAPE(3, 4)));
    ck_assert_str_eq(g.items[outputs[1]].place, "shared");
    int weights = 0;
    for (size_t i = 0; i < g.count; i++)
        weights += strcmp(g.items[i].op->name, "weight") == 0;
    ck_assert_int_eq(weights, 4); /* shared's two appear once */
    ir_free(&g);
    kiln_model_free(model);
}
END_TEST

static void check_summary(const char *file, const kiln_model *model, int width)
{
    text out = {0};
    void *expected;
    size_t size;
    char *path = str_format(FIXTURES "/%s", file);
    harness_ok(file_read(path, 1 << 20, &expected, &size));
    harness_ok(model_summary(model, width, false, -1, &out));
    ck_assert_msg(strcmp(out.data, expected) == 0, "%s is not what was made:\n%.2000s", file,
                  out.data);
    text_free(&out);
    free(expected);
    free(path);
}

/* Keras's table, character by character. */
START_TEST(summary)
{
    kiln_model *model = mnist();
    check_summary("keras3_mlp.txt", model, 80);
    text out = {0};
    harness_ok(model_summary(model, 200, false, 203542, &out));
    ck_assert_ptr_nonnull(strstr(out.data, " Total params: 305,312 (1.16 MB)\n"));
    ck_assert_ptr_nonnull(strstr(out.data, " Optimizer params: 203,542 (795.09 KB)\n"));
    text_free(&out);
    /* Freezing moves the parameters. */
    harness_ok(kiln_layer_set_trainable(kiln_model_layer(model, 1), 0));
    check_summary("keras3_mlp_frozen_88.txt", model, 200);
    char *printed = NULL;
    size_t length;
    FILE *stream = open_memstream(&printed, &length);
    harness_ok(kiln_summary(model, stream));
    fclose(stream);
    ck_assert_ptr_nonnull(strstr(printed, "Model: \"sequential\"\n┏━━━"));
    free(printed);
    kiln_model_free(model);
}
END_TEST

/* Each way to get it wrong: the sentence, and nothing left behind (the sanitizers look). */
#define REFUSES(MESSAGE, ...)                                                                      \
    do {                                                                                           \
        kiln_clear_error();                                                                        \
        ck_assert_ptr_null(kiln_sequential(__VA_ARGS__));                                          \
        ck_assert_str_eq(kiln_last_error(), MESSAGE);                                              \
    } while (0)

START_TEST(refused)
{
    const kiln_shape image = {2, {28, 28}};
    kiln_layer *twice;
    REFUSES("Dense layer: units is 0; it must be 1 or more", kiln_flatten(.input_shape = image),
            kiln_dense(0), kiln_dense(10));
    REFUSES("Dense layer: the first layer of a sequential model needs an input_shape, the shape of "
            "one sample, for example (28, 28)",
            kiln_dense(3), kiln_dense(4));
    REFUSES("a sequential model needs at least one layer besides its input",
            kiln_input_layer(image));
    REFUSES("an input layer can only be the first of a sequential model",
            kiln_dense(3, .input_shape = image), kiln_input_layer(image), kiln_dense(3));
    REFUSES("layer dense_1 has the input_shape (5,), but layer dense yields (4,)",
            kiln_dense(4, .input_shape = KILN_SHAPE(3)),
            kiln_dense(2, .input_shape = KILN_SHAPE(5)), kiln_dense(1));
    REFUSES("layer reshape: an input (12,) of 12 elements does not fit the target_shape (5, -1)",
            kiln_dense(12, .input_shape = image), kiln_flatten(), kiln_dense(12),
            kiln_reshape(KILN_SHAPE(5, -1)), kiln_dense(1));
    REFUSES("layer dense: activation \"glu\" halves the last axis, and 3 of (3,) is odd",
            kiln_dense(3, .activation = "glu", .input_shape = KILN_SHAPE(3)));
    REFUSES("model sequential has two layers named one; give one of them another name",
            kiln_dense(3, .name = "one", .input_shape = KILN_SHAPE(3)), kiln_dense(4),
            kiln_dense(3, .name = "one"), kiln_dense(4));
    twice = kiln_dense(3, .input_shape = KILN_SHAPE(3));
    REFUSES("layer dense is in the sequential model twice; each layer can be there once", twice,
            kiln_dense(3), twice, kiln_dense(3), twice);
    REFUSES("layer normalization: mean has 2 values for an input (3,)",
            kiln_normalization(.count = 2, .mean = (double[]){1, 2}, .variance = (double[]){1, 2},
                               .input_shape = KILN_SHAPE(3)));
    REFUSES("layer dense: kernel of shape (4611686018427387904, 128) is larger than any memory",
            kiln_dense(128, .input_shape = KILN_SHAPE((int64_t)1 << 62)));
    REFUSES(
        "layer flatten: its input of shape (2147483648, 2147483648, 2) is larger than any memory",
        kiln_flatten(.input_shape = KILN_SHAPE((int64_t)1 << 31, (int64_t)1 << 31, 2)));
    kiln_clear_error();
    ck_assert_ptr_null(kiln_sequential_from(0, NULL));
    ck_assert_str_eq(kiln_last_error(),
                     "a sequential model needs at least one layer besides its input");
}
END_TEST

/* A layer that cannot get its initial values is named. */
START_TEST(initial_values_fail)
{
    float v[4];
    kiln_model *model = kiln_sequential(
        kiln_dense(4, .bias_initializer = "orthogonal", .input_shape = KILN_SHAPE(3)));
    harness_fails(
        kiln_get_weights(model, 1, v, 4), KILN_ERROR_SHAPE,
        "dense/bias: initializer \"orthogonal\" needs a weight of two axes or more, not (4,)");
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sequential");
    TCase *tests = tcase_create("sequential");
    tcase_add_test(tests, names);
    tcase_add_test(tests, shapes_and_weights);
    tcase_add_test(tests, seeds);
    tcase_add_test(tests, sharing);
    tcase_add_test(tests, graph_of_calls);
    tcase_add_test(tests, summary);
    tcase_add_test(tests, refused);
    tcase_add_test(tests, initial_values_fail);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
