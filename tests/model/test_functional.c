/* Functional models: tensors, merging layers, shared layers, several models of one net, failures.
 * No device is needed. */
#include "harness/harness.h"
#include "model/model.h"

static kiln_shape shape_of(const kiln_model *model)
{
    return kiln_model_output_shape(model, 0);
}

/* Two convolutions around which there is a way past. */
static kiln_model *residual(void)
{
    kiln_tensor *x = kiln_input(KILN_SHAPE(8, 8, 4), .name = "picture"),
                *y = kiln_apply(
                    kiln_conv2d(4, KILN_SHAPE(3), .padding = "same", .activation = "relu"), x);
    y = kiln_apply(kiln_conv2d(4, KILN_SHAPE(3), .padding = "same"), y);
    y = kiln_apply(kiln_add(), x, y);
    y = kiln_apply(kiln_activation("relu"), y);
    y = kiln_apply(kiln_dense(3), kiln_apply(kiln_global_average_pooling2d(), y));
    return kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y), .name = "residual");
}

START_TEST(names_and_shapes)
{
    static const char *const names[] = {
        "picture", "conv2d", "conv2d_1", "add", "activation", "global_average_pooling2d", "dense"};
    kiln_model *model = residual();
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_str_eq(kiln_model_name(model), "residual");
    ck_assert_uint_eq(kiln_model_layer_count(model), 7);
    for (size_t i = 0; i < 7; i++)
        ck_assert_str_eq(kiln_layer_name(kiln_model_layer(model, i)), names[i]);
    ck_assert(ir_shape_equal(shape_of(model), KILN_SHAPE(3)));
    ck_assert_int_eq(kiln_model_count_params(model), 2 * (3 * 3 * 4 * 4 + 4) + 4 * 3 + 3);
    text out = {0};
    harness_ok(model_summary(model, 100, false, -1, &out));
    ck_assert_ptr_nonnull(strstr(out.data, "Connected to"));
    ck_assert_ptr_nonnull(strstr(out.data, "picture[0][0]"));
    ck_assert_ptr_nonnull(strstr(out.data, "conv2d_1[0][0]"));
    text_free(&out);
    kiln_model_free(model);
}
END_TEST

START_TEST(json_and_back)
{
    kiln_model *model = residual();
    char *json = kiln_model_to_json(model, 1);
    ck_assert_msg(json != NULL, "%s", kiln_last_error());
    kiln_model *again = kiln_model_from_json(json);
    ck_assert_msg(again != NULL, "%s", kiln_last_error());
    char *second = kiln_model_to_json(again, 1);
    ck_assert_str_eq(json, second);
    free(json);
    free(second);
    kiln_model_free(model);
    kiln_model_free(again);
}
END_TEST

START_TEST(merging_shapes)
{
    const struct {
        kiln_layer *layer;
        kiln_shape a, b, out;
    } cases[] = {
        {kiln_add(), KILN_SHAPE(4, 5), KILN_SHAPE(4, 5), KILN_SHAPE(4, 5)},
        {kiln_multiply(), KILN_SHAPE(4, 1), KILN_SHAPE(1, 5), KILN_SHAPE(4, 5)},
        {kiln_average(), KILN_SHAPE(2, 4, 5), KILN_SHAPE(5), KILN_SHAPE(2, 4, 5)},
        {kiln_subtract(), KILN_SHAPE(5), KILN_SHAPE(5), KILN_SHAPE(5)},
        {kiln_maximum(), KILN_SHAPE(3), KILN_SHAPE(2, 1), KILN_SHAPE(2, 3)},
        {kiln_minimum(), KILN_SHAPE(1), KILN_SHAPE(7), KILN_SHAPE(7)},
        {kiln_concatenate(), KILN_SHAPE(4, 5), KILN_SHAPE(4, 2), KILN_SHAPE(4, 7)},
        {kiln_concatenate(.axis = 1), KILN_SHAPE(4, 5), KILN_SHAPE(3, 5), KILN_SHAPE(7, 5)},
        {kiln_dot(1), KILN_SHAPE(5), KILN_SHAPE(5), KILN_SHAPE(1)},
        {kiln_dot(2, .axes2 = 1), KILN_SHAPE(4, 5), KILN_SHAPE(5, 6), KILN_SHAPE(4, 6)},
        {kiln_dot(-1, .normalize = KILN_YES), KILN_SHAPE(2, 3, 5), KILN_SHAPE(5), KILN_SHAPE(2, 3)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kiln_tensor *a = kiln_input(cases[i].a), *b = kiln_input(cases[i].b),
                    *y = kiln_apply(cases[i].layer, a, b);
        ck_assert_msg(y != NULL, "case %zu: %s", i, kiln_last_error());
        ck_assert_msg(ir_shape_equal(kiln_tensor_shape(y), cases[i].out), "case %zu: %s", i,
                      ir_shape_text(kiln_tensor_shape(y)));
        kiln_tensor_free(y); /* and the inputs */
    }
    kiln_tensor *x = kiln_input(KILN_SHAPE(2, 3));
    ck_assert(ir_shape_equal(kiln_tensor_shape(kiln_apply(kiln_permute(KILN_SHAPE(2, 1)), x)),
                             KILN_SHAPE(3, 2)));
    kiln_tensor_free(x);
    x = kiln_input(KILN_SHAPE(6));
    ck_assert(
        ir_shape_equal(kiln_tensor_shape(kiln_apply(kiln_repeat_vector(4), x)), KILN_SHAPE(4, 6)));
    kiln_tensor_free(x);
}
END_TEST

START_TEST(merging_refusals)
{
    const struct {
        kiln_layer *layer;
        kiln_shape a, b;
        const char *says;
    } cases[] = {
        {kiln_add(.name = "sum"), KILN_SHAPE(4, 5), KILN_SHAPE(4, 6),
         "layer sum: its inputs (1, 4, 5) and (1, 4, 6) differ in axis 2, and neither is 1 there"},
        {kiln_concatenate(.name = "side"), KILN_SHAPE(4, 5), KILN_SHAPE(3, 5),
         "layer side: its inputs (1, 4, 5) and (1, 3, 5) differ elsewhere than in axis 2"},
        {kiln_concatenate(.axis = 4, .name = "side"), KILN_SHAPE(4, 5), KILN_SHAPE(4, 5),
         "layer side: axis is 4, and an input has the axes 1 to 2 behind the batch"},
        {kiln_dot(2, .axes2 = 1, .name = "dot"), KILN_SHAPE(4, 5), KILN_SHAPE(4, 6),
         "layer dot: its inputs (1, 4, 5) and (1, 4, 6) have different sizes in their axes 2 and "
         "1"},
        {kiln_dense(3, .name = "one"), KILN_SHAPE(4), KILN_SHAPE(4),
         "layer one takes one input, not 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        kiln_tensor *a = kiln_input(cases[i].a), *b = kiln_input(cases[i].b);
        ck_assert_ptr_null(kiln_apply(cases[i].layer, a, b));
        ck_assert_str_eq(kiln_last_error(), cases[i].says);
        kiln_tensor_free(a);
        kiln_tensor_free(b);
    }
    kiln_tensor *x = kiln_input(KILN_SHAPE(2, 3));
    ck_assert_ptr_null(kiln_apply(kiln_add(.name = "lone"), x));
    ck_assert_str_eq(kiln_last_error(), "layer lone: it takes two or more inputs, not 1");
    ck_assert_ptr_null(kiln_apply(kiln_subtract(.name = "less"), x, x, x));
    ck_assert_str_eq(kiln_last_error(), "layer less: it takes two inputs, not 3");
    ck_assert_ptr_null(kiln_permute(KILN_SHAPE(1, 3)));
    ck_assert_ptr_null(kiln_repeat_vector(0));
    /* A failure is passed on to the end, and frees what no model has. */
    kiln_tensor *y = kiln_apply(kiln_dense(3), kiln_apply(kiln_repeat_vector(3), x));
    ck_assert_ptr_null(y);
    ck_assert_ptr_null(kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y)));
}
END_TEST

START_TEST(a_shared_layer)
{
    kiln_tensor *a = kiln_input(KILN_SHAPE(4), .name = "a"),
                *b = kiln_input(KILN_SHAPE(4), .name = "b");
    kiln_layer *dense = kiln_dense(3);
    kiln_tensor *y = kiln_apply(kiln_add(), kiln_apply(dense, a), kiln_apply(dense, b));
    /* Weights for four features do not take five. */
    kiln_tensor *c = kiln_input(KILN_SHAPE(5));
    ck_assert_ptr_null(kiln_apply(dense, c));
    kiln_tensor_free(c);
    kiln_model *model = kiln_functional(KILN_TENSORS(a, b), KILN_TENSORS(y));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    ck_assert_uint_eq(kiln_model_weight_count(model), 2);
    ck_assert_uint_eq(kiln_model_layer_count(model), 4);
    ck_assert_uint_eq(kiln_model_input_count(model), 2);
    kiln_model_free(model);
}
END_TEST

START_TEST(several_models_of_one_net)
{
    kiln_tensor *x = kiln_input(KILN_SHAPE(8)), *code = kiln_apply(kiln_dense(3), x),
                *y = kiln_apply(kiln_dense(8), code);
    kiln_model *autoencoder = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y), .name = "auto"),
               *encoder = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(code), .name = "encoder"),
               *decoder = kiln_functional(KILN_TENSORS(code), KILN_TENSORS(y), .name = "decoder");
    ck_assert_msg(autoencoder && encoder && decoder, "%s", kiln_last_error());
    ck_assert_ptr_eq(kiln_model_find_layer(autoencoder, "dense"),
                     kiln_model_find_layer(encoder, "dense"));
    ck_assert_ptr_eq(kiln_model_find_layer(autoencoder, "dense_1"),
                     kiln_model_find_layer(decoder, "dense_1"));
    ck_assert(ir_shape_equal(kiln_model_input_shape(decoder, 0), KILN_SHAPE(3)));
    ck_assert(ir_shape_equal(shape_of(encoder), KILN_SHAPE(3)));
    float bias[8] = {1, 2, 3, 4, 5, 6, 7, 8}, back[8];
    harness_ok(kiln_set_weights(decoder, 1, bias, 8));
    harness_ok(kiln_get_weights(autoencoder, 3, back, 8));
    ck_assert_mem_eq(bias, back, sizeof bias);
    kiln_model_free(autoencoder);
    /* The net is there as long as one of its models. */
    kiln_tensor *z = kiln_apply(kiln_dense(2), code);
    kiln_model *other = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(z));
    ck_assert_msg(other != NULL, "%s", kiln_last_error());
    ck_assert_ptr_nonnull(kiln_model_find_layer(other, "dense_2"));
    kiln_model_free(encoder);
    kiln_model_free(decoder);
    kiln_model_free(other);
}
END_TEST

START_TEST(what_is_no_model)
{
    kiln_tensor *a = kiln_input(KILN_SHAPE(4), .name = "a"),
                *b = kiln_input(KILN_SHAPE(4), .name = "b"), *y = kiln_apply(kiln_add(), a, b);
    /* A model keeps the net through the failures. */
    kiln_model *model = kiln_functional(KILN_TENSORS(a, b), KILN_TENSORS(y));
    ck_assert_ptr_nonnull(model);
    ck_assert_ptr_null(kiln_functional(KILN_TENSORS(a), KILN_TENSORS(y)));
    ck_assert_str_eq(kiln_last_error(),
                     "the outputs depend on b, which is not among the inputs of the model");
    ck_assert_ptr_null(kiln_functional(KILN_TENSORS(a, b, a), KILN_TENSORS(y)));
    ck_assert_str_eq(kiln_last_error(), "an input is there twice");
    ck_assert_ptr_null(kiln_functional(KILN_TENSORS(a, b), KILN_TENSORS(a)));
    ck_assert_str_eq(kiln_last_error(), "a tensor is an input and an output of the model");
    ck_assert_ptr_null(kiln_apply(kiln_input_layer(KILN_SHAPE(3)), a));
    ck_assert_ptr_null(kiln_apply(NULL, a));
    ck_assert_ptr_null(kiln_apply(kiln_dense(3), NULL));
    kiln_model_free(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("functional");
    TCase *cases = tcase_create("functional");
    tcase_add_test(cases, names_and_shapes);
    tcase_add_test(cases, json_and_back);
    tcase_add_test(cases, merging_shapes);
    tcase_add_test(cases, merging_refusals);
    tcase_add_test(cases, a_shared_layer);
    tcase_add_test(cases, several_models_of_one_net);
    tcase_add_test(cases, what_is_no_model);
    suite_add_tcase(suite, cases);
    return harness_run(suite);
}
