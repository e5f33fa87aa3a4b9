/* Layers over pictures and sequences, and those that normalize, against Keras: read from Keras's
 * JSON and made by their builders. */
#include "runner.h"
#include "spatial_figures.h"

#include "format/keras_layer.h"
#include "graph/autodiff.h"

#include <math.h>

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

/* The layers of spatial_figures.h, by their names there. */
static kiln_layer *make(const char *name)
{
    const char *first = "channels_first";
    const kiln_shape two = {1, {2}}, one = {1, {1}}, three = {1, {3}};
    struct {
        const char *name;
        kiln_layer *layer;
    } all[] = {
        {"conv1d", kiln_conv1d(3, two, .strides = two, .activation = "tanh")},
        {"conv1d_causal",
         kiln_conv1d(5, three, .padding = "causal", .dilation_rate = two, .use_bias = KILN_NO)},
        {"conv2d", kiln_conv2d(3, two)},
        {"conv2d_same", kiln_conv2d(17, KILN_SHAPE(3, 2), .strides = KILN_SHAPE(2, 1),
                                    .padding = "same", .kernel_regularizer = "l2")},
        {"conv2d_first", kiln_conv2d(4, two, .padding = "same", .groups = 2,
                                     .activation = "sigmoid", .data_format = first)},
        {"conv3d", kiln_conv3d(3, two, .padding = "same")},
        {"conv1d_transpose", kiln_conv1d_transpose(3, KILN_SHAPE(4), .strides = three)},
        {"conv2d_transpose", kiln_conv2d_transpose(3, three, .strides = two, .padding = "same")},
        {"conv2d_transpose_valid",
         kiln_conv2d_transpose(2, KILN_SHAPE(2, 3), .strides = KILN_SHAPE(3, 1))},
        {"conv2d_transpose_first",
         kiln_conv2d_transpose(3, KILN_SHAPE(4, 3), .strides = KILN_SHAPE(2, 3), .padding = "same",
                               .data_format = first)},
        {"conv3d_transpose", kiln_conv3d_transpose(2, two, .strides = two)},
        {"max_pooling1d", kiln_max_pooling1d()},
        {"max_pooling2d", kiln_max_pooling2d()},
        {"max_pooling2d_same", kiln_max_pooling2d(.pool_size = KILN_SHAPE(3, 2),
                                                  .strides = KILN_SHAPE(2, 1), .padding = "same")},
        {"max_pooling2d_first",
         kiln_max_pooling2d(.pool_size = two, .strides = one, .data_format = first)},
        {"max_pooling3d", kiln_max_pooling3d(.pool_size = KILN_SHAPE(2, 2, 1))},
        {"average_pooling1d",
         kiln_average_pooling1d(.pool_size = KILN_SHAPE(3), .strides = two, .padding = "same")},
        {"average_pooling2d",
         kiln_average_pooling2d(.pool_size = KILN_SHAPE(3, 2), .strides = KILN_SHAPE(2, 1),
                                .padding = "same")},
        {"average_pooling2d_first",
         kiln_average_pooling2d(.pool_size = KILN_SHAPE(2, 3), .data_format = first)},
        {"average_pooling3d", kiln_average_pooling3d(.pool_size = two)},
        {"global_max_pooling1d", kiln_global_max_pooling1d()},
        {"global_max_pooling2d", kiln_global_max_pooling2d(.keepdims = KILN_YES)},
        {"global_max_pooling3d", kiln_global_max_pooling3d()},
        {"global_average_pooling1d", kiln_global_average_pooling1d(.keepdims = KILN_YES)},
        {"global_average_pooling2d", kiln_global_average_pooling2d()},
        {"global_average_pooling2d_first",
         kiln_global_average_pooling2d(.keepdims = KILN_YES, .data_format = first)},
        {"global_average_pooling3d", kiln_global_average_pooling3d()},
        {"zero_padding1d", kiln_zero_padding1d(.padding = KILN_SHAPE(2, 0))},
        {"zero_padding2d", kiln_zero_padding2d(.padding = KILN_SHAPE(1, 0, 0, 2))},
        {"zero_padding2d_first",
         kiln_zero_padding2d(.padding = KILN_SHAPE(0, 1), .data_format = first)},
        {"cropping1d", kiln_cropping1d()},
        {"cropping2d", kiln_cropping2d(.cropping = KILN_SHAPE(1, 0, 0, 1))},
        {"up_sampling1d", kiln_up_sampling1d()},
        {"up_sampling2d", kiln_up_sampling2d()},
        {"up_sampling2d_bilinear",
         kiln_up_sampling2d(.size = KILN_SHAPE(2, 3), .interpolation = "bilinear")},
        {"resizing", kiln_resizing(3, 5)},
        {"resizing_nearest", kiln_resizing(6, 2, .interpolation = "nearest", .data_format = first)},
        {"resizing_crop", kiln_resizing(2, 1, .crop_to_aspect_ratio = KILN_YES)},
        {"resizing_pad", kiln_resizing(5, 9, .pad_to_aspect_ratio = KILN_YES, .fill_value = 1.5)},
        {"center_crop", kiln_center_crop(2, 2)},
        {"center_crop_enlarged", kiln_center_crop(3, 5)},
        {"depthwise_conv1d",
         kiln_depthwise_conv1d(KILN_SHAPE(3), .depth_multiplier = 2, .activation = "tanh")},
        {"depthwise_conv2d",
         kiln_depthwise_conv2d(KILN_SHAPE(3, 2), .padding = "same", .depthwise_regularizer = "l2")},
        {"depthwise_conv2d_strides",
         kiln_depthwise_conv2d(KILN_SHAPE(2), .strides = KILN_SHAPE(2), .use_bias = KILN_NO)},
        {"depthwise_conv2d_first",
         kiln_depthwise_conv2d(KILN_SHAPE(2), .padding = "same", .dilation_rate = KILN_SHAPE(2),
                               .data_format = first)},
        {"separable_conv1d",
         kiln_separable_conv1d(5, KILN_SHAPE(2), .padding = "same", .depth_multiplier = 2)},
        {"separable_conv2d", kiln_separable_conv2d(3, KILN_SHAPE(2), .strides = KILN_SHAPE(2),
                                                   .padding = "same", .activation = "sigmoid")},
        {"separable_conv2d_first",
         kiln_separable_conv2d(3, KILN_SHAPE(2, 3), .pointwise_regularizer = "l2",
                               .data_format = first)},
        {"permute", kiln_permute(KILN_SHAPE(3, 1, 2))},
        {"repeat_vector", kiln_repeat_vector(3)},
        {"spatial_dropout1d", kiln_spatial_dropout1d(0.5)},
        {"spatial_dropout2d", kiln_spatial_dropout2d(0.25, .data_format = first)},
        {"gaussian_noise", kiln_gaussian_noise(0.5)},
        {"gaussian_dropout", kiln_gaussian_dropout(0.5)},
        {"p_re_lu", kiln_prelu(.shared_axes = one)},
        {"p_re_lu_alone", kiln_prelu(.alpha_initializer = "he_normal")},
        {"softmax_axis", kiln_softmax(.axis = 1)},
        {"random_flip", kiln_random_flip("horizontal")},
        {"random_translation",
         kiln_random_translation(0, .height_range = {0.3, 0.3}, .width_range = {-0.4, -0.4})},
        {"random_translation_first",
         kiln_random_translation(0, .height_range = {0.5, 0.5}, .width_factor = KILN_ZERO,
                                 .fill_mode = "constant", .interpolation = "nearest",
                                 .fill_value = 2.5, .data_format = first)},
        {"random_rotation",
         kiln_random_rotation(0, .factor_range = {0.1, 0.1}, .fill_mode = "nearest")},
        {"random_zoom", kiln_random_zoom(0, .height_range = {0.4, 0.4}, .width_range = {-0.3, -0.3},
                                         .fill_mode = "wrap")},
        {"random_zoom_one", kiln_random_zoom(0, .height_range = {-0.25, -0.25})},
        {"random_contrast", kiln_random_contrast(KILN_ZERO, .value_range = {-1.5, 2})},
        {"batch_normalization", kiln_batch_normalization()},
        {"batch_normalization_vector",
         kiln_batch_normalization(.momentum = 0.75, .scale = KILN_NO)},
        {"batch_normalization_first",
         kiln_batch_normalization(.axis = 1, .epsilon = 0.5, .center = KILN_NO)},
        {"batch_normalization_inference", kiln_batch_normalization()},
        {"batch_normalization_frozen", kiln_batch_normalization(.trainable = KILN_NO)},
        {"conv1d_first", kiln_conv1d(3, two, .padding = "same", .data_format = first)},
        {"conv3d_first", kiln_conv3d(2, two, .activation = "tanh", .data_format = first)},
        {"conv1d_transpose_first",
         kiln_conv1d_transpose(3, two, .strides = two, .data_format = first)},
        {"conv3d_transpose_first",
         kiln_conv3d_transpose(2, two, .padding = "same", .data_format = first)},
        {"depthwise_conv1d_first",
         kiln_depthwise_conv1d(two, .strides = two, .data_format = first)},
        {"separable_conv1d_first",
         kiln_separable_conv1d(3, two, .padding = "same", .data_format = first)},
        {"max_pooling1d_first",
         kiln_max_pooling1d(.pool_size = two, .padding = "same", .data_format = first)},
        {"max_pooling3d_first",
         kiln_max_pooling3d(.pool_size = KILN_SHAPE(1, 2, 2), .data_format = first)},
        {"average_pooling1d_first", kiln_average_pooling1d(.pool_size = two, .data_format = first)},
        {"average_pooling3d_first",
         kiln_average_pooling3d(.pool_size = two, .strides = one, .data_format = first)},
        {"global_max_pooling1d_first", kiln_global_max_pooling1d(.data_format = first)},
        {"global_max_pooling2d_first", kiln_global_max_pooling2d(.data_format = first)},
        {"global_max_pooling3d_first",
         kiln_global_max_pooling3d(.keepdims = KILN_YES, .data_format = first)},
        {"global_average_pooling1d_first", kiln_global_average_pooling1d(.data_format = first)},
        {"global_average_pooling3d_first", kiln_global_average_pooling3d(.data_format = first)},
        {"cropping2d_first",
         kiln_cropping2d(.cropping = KILN_SHAPE(1, 0, 0, 1), .data_format = first)},
        {"up_sampling2d_first", kiln_up_sampling2d(.size = KILN_SHAPE(1, 2), .data_format = first)},
        {"center_crop_first", kiln_center_crop(2, 2, .data_format = first)},
        {"random_flip_first", kiln_random_flip("horizontal", .data_format = first)},
        {"random_rotation_first",
         kiln_random_rotation(0, .factor_range = {0.1, 0.1}, .data_format = first)},
        {"random_zoom_first", kiln_random_zoom(0, .height_range = {0.4, 0.4},
                                               .width_range = {-0.3, -0.3}, .data_format = first)},
        {"random_contrast_first",
         kiln_random_contrast(KILN_ZERO, .value_range = {-1.5, 2}, .data_format = first)},
        {"flatten_first", kiln_flatten(.data_format = first)},
        {"layer_normalization", kiln_layer_normalization()},
        {"layer_normalization_axes",
         kiln_layer_normalization(.axis = KILN_SHAPE(1, 2), .epsilon = 0.5, .center = KILN_NO)},
        {"group_normalization", kiln_group_normalization(2)},
        {"group_normalization_first", kiln_group_normalization(-1, .axis = 1, .scale = KILN_NO)},
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

static kiln_layer *read_layer(const char *json)
{
    json_t *object = json_parse("the figures", json, strlen(json));
    kiln_layer *layer = object ? keras_layer_read(object, 1, NULL) : NULL;
    json_decref(object);
    ck_assert_msg(layer != NULL, "%s: %s", json, kiln_last_error());
    return layer;
}

static void write_layer(const kiln_layer *layer, text *out)
{
    json_writer w = {.out = out, .indent = -1};
    *out = (text){0};
    harness_ok(keras_layer_write(&w, NULL, layer));
    ck_assert(!out->failed);
}

/* A builder's layer says of itself what the one from Keras's JSON says. */
START_TEST(builders)
{
    for (size_t i = 0; i < COUNT(spatial_figures); i++) {
        const char *name = spatial_figures[i].name;
        kiln_layer *read = read_layer(spatial_figures[i].json), *built = make(name);
        text a, b;
        harness_ok(layer_set_name(built, name));
        write_layer(read, &a);
        write_layer(built, &b);
        ck_assert_str_eq(a.data, b.data);
        ck_assert_str_eq(built->cls->class_name, spatial_figures[i].class_name);
        text_free(&a);
        text_free(&b);
        kiln_layer_free(read);
        kiln_layer_free(built);
    }
}
END_TEST

static float *pattern(size_t count, int step, int base)
{
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++)
        values[i] =
            (float)((double)((int)(i * (size_t)step % (size_t)base) - base / 2) * 0.31 + 0.07);
    return values;
}

/* Weights as make_spatial.py sets them. */
static void set_weights(kiln_model *model)
{
    for (size_t i = 0; i < kiln_model_weight_count(model); i++) {
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        float *values = malloc(count * sizeof *values);
        ck_assert_ptr_nonnull(values);
        bool positive = strstr(kiln_model_weight_path(model, i), "variance") != NULL;
        for (size_t k = 0; k < count; k++) {
            values[k] = (float)((int)((k * 7 + i * 3) % 13) - 6) * 0.125f;
            if (positive)
                values[k] = fabsf(values[k]) + 0.5f;
        }
        harness_ok(kiln_set_weights(model, i, values, count));
        free(values);
    }
}

static kiln_shape with_rows(kiln_shape shape)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {SPATIAL_ROWS}};
    memcpy(out.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
    return out;
}

#define MOST 24

static void run_layer(kiln_device *device, size_t number)
{
    const char *name = spatial_figures[number].name;
    kiln_layer *layer = make(name);
    kiln_shape in = with_rows(spatial_figures[number].input),
               out = with_rows(spatial_figures[number].output);
    size_t outputs = 0, count = (size_t)kiln_shape_size(out);
    float *x = pattern((size_t)kiln_shape_size(in), 11, 23), *w = pattern(count, 7, 19),
          *values[MOST];
    const float *expected[MOST];
    size_t sizes[MOST];
    ir_id nodes[MOST], wrt[MOST], gradients[MOST];
    harness_ok(layer_set_name(layer, name));
    kiln_model *model = kiln_sequential(kiln_input_layer(spatial_figures[number].input), layer);
    ck_assert_msg(model != NULL, "%s: %s", name, kiln_last_error());
    set_weights(model);
    harness_ok(model_seed_weights(model));
    ir_weight *weights[8];
    size_t weight_count = model_weight_count(model);
    for (size_t i = 0; i < weight_count; i++)
        weights[i] = &model_weight(model, i, NULL)->weight;
    harness_ok(store_place(device, weights, weight_count));
    runner r;
    runner_start(&r, device);
    layer_call call = {
        .graph = &r.graph, .loss = IR_NONE, .training = spatial_figures[number].training};
    ir_id input = runner_input(&r, in, x), factor = runner_input(&r, out, w), y;
    harness_ok(model_build_graph(model, &call, &input, &y));
    ck_assert_msg(ir_shape_equal(r.graph.items[y].shape, out), "%s: output %s, not %s", name,
                  ir_shape_text(r.graph.items[y].shape), ir_shape_text(out));
    ck_assert(ir_shape_equal(with_rows(kiln_model_output_shape(model, 0)), out));
    ir_id loss = op_reduce(&r.graph, R_SUM, op_binary(&r.graph, F_MUL, y, factor), 0, -1, false);
    int wrt_count = 0;
    if (spatial_figures[number].dx)
        wrt[wrt_count++] = input;
    for (size_t i = 0; i < weight_count; i++)
        if (weights[i]->trainable && layer->trainable)
            wrt[wrt_count++] = op_weight(&r.graph, weights[i]);
    if (wrt_count > 0)
        harness_ok(graph_gradients(&r.graph, loss, wrt_count, wrt, gradients));
    nodes[outputs] = y;
    sizes[outputs] = count;
    expected[outputs++] = spatial_figures[number].y;
    const float *next = spatial_figures[number].dw;
    for (int i = 0; i < wrt_count; i++) {
        ck_assert_msg(gradients[i] != IR_NONE, "%s has no gradient %d", name, i);
        nodes[outputs] = gradients[i];
        sizes[outputs] = (size_t)kiln_shape_size(r.graph.items[gradients[i]].shape);
        expected[outputs] = i == 0 ? spatial_figures[number].dx : next;
        next += i == 0 ? 0 : sizes[outputs];
        outputs++;
    }
    next = spatial_figures[number].moving;
    ck_assert_msg((call.assign_count > 0) == (next != NULL), "%s: moving statistics", name);
    for (size_t i = 0; i < call.assign_count; i++) {
        nodes[outputs] = call.assigns[i].value;
        sizes[outputs] = (size_t)kiln_shape_size(call.assigns[i].weight->shape);
        expected[outputs] = next;
        next += sizes[outputs++];
    }
    for (size_t i = 0; i < outputs; i++) {
        /* asked for as they are, also where a value is a source under another name */
        nodes[i] = op_unary(&r.graph, F_IDENTITY, nodes[i]);
        values[i] = malloc(sizes[i] * sizeof *values[i]);
        ck_assert_ptr_nonnull(values[i]);
    }
    runner_run(&r, SPATIAL_ROWS, (int)outputs, nodes, values);
    runner_end(&r);
    for (size_t i = 0; i < outputs; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s, value %zu", name, i);
        runner_compare(what, values[i], expected[i], sizes[i], 2e-5);
        free(values[i]);
    }
    free(call.assigns);
    free(x);
    free(w);
    kiln_model_free(model);
}

START_TEST(figures)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(spatial_figures); i++)
            run_layer(device, i);
    }
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
    const kiln_shape picture = {3, {4, 3, 2}};
    REFUSES(kiln_max_pooling2d(.pool_size = KILN_SHAPE(1, 2, 3)),
            "MaxPooling2D layer: pool_size has 3 numbers; it takes one, or 2");
    REFUSES(kiln_max_pooling2d(.pool_size = KILN_SHAPE(0)),
            "MaxPooling2D layer: pool_size (0, 0): each must be 1 or more");
    REFUSES(kiln_average_pooling1d(), "AveragePooling1D layer: pool_size is missing");
    REFUSES(kiln_max_pooling2d(.padding = "sane"),
            "MaxPooling2D layer: padding is \"sane\"; possible are: valid same (did you mean "
            "\"same\"?)");
    REFUSES(kiln_global_max_pooling2d(.data_format = "last"),
            "GlobalMaxPooling2D layer: data_format is \"last\"; possible are: channels_last "
            "channels_first");
    REFUSES(
        kiln_sequential(kiln_max_pooling2d(.pool_size = KILN_SHAPE(5, 2), .input_shape = picture)),
        "layer max_pooling2d: pool_size (5, 2) is larger than the 4 elements of its input's "
        "axis 1");
    REFUSES(kiln_sequential(kiln_max_pooling1d(.input_shape = picture)),
            "layer max_pooling1d: its input (4, 3, 2) has 3 axes besides the batch; it takes 2 "
            "(steps, channels)");
    REFUSES(kiln_sequential(kiln_cropping2d(.cropping = KILN_SHAPE(2, 0), .input_shape = picture)),
            "layer cropping2d: cropping (2, 2, 0, 0) leaves nothing of its input (4, 3, 2)");
    REFUSES(kiln_zero_padding2d(.padding = KILN_SHAPE(-1)),
            "ZeroPadding2D layer: padding (-1, -1, -1, -1): each must be 0 or more");
    REFUSES(kiln_up_sampling2d(.interpolation = "bicubic"),
            "UpSampling2D layer: interpolation is \"bicubic\"; possible are: nearest bilinear");
    REFUSES(kiln_resizing(0, 3), "Resizing layer: height 0 and width 3 must both be 1 to 16383");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("spatial");
    TCase *tests = tcase_create("spatial");
    tcase_add_test(tests, builders);
    tcase_add_test(tests, figures);
    tcase_add_test(tests, refused);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
