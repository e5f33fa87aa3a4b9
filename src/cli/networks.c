#include "cli/networks.h"

#include "model/model.h"

#include <string.h>

int64_t network_outputs(const kiln_dataset *data)
{
    if (data->target_count == 0)
        return 1;
    const data_column *target = &data->targets[0];
    if (target->dtype == KILN_FLOAT32 || kiln_shape_size(target->shape) != 1)
        return kiln_shape_size(target->shape);
    if (data->class_count > 0)
        return (int64_t)data->class_count;
    int64_t most = 0;
    for (int64_t i = 0; i < data->samples; i++) {
        int64_t label = data_column_label(target, i);
        most = label > most ? label : most;
    }
    return most + 1;
}

static kiln_model *build_mlp(const network *which, const kiln_dataset *data)
{
    (void)data;
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)), kiln_flatten(),
                           kiln_dense(which->tiny ? 16 : 128, .activation = "relu"),
                           kiln_dropout(0.2), kiln_dense(10));
}

static kiln_model *build_mlp1024(const network *which, const kiln_dataset *data)
{
    (void)data;
    const int64_t units = which->tiny ? 16 : 1024;
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)), kiln_flatten(),
                           kiln_dense(units, .activation = "relu"),
                           kiln_dense(units, .activation = "relu"), kiln_dense(10));
}

static kiln_model *build_tabular(const network *which, const kiln_dataset *data)
{
    kiln_shape shape = KILN_SHAPE(4);
    int64_t outputs = 3, units = which->tiny ? 16 : 64;
    if (data) {
        if (data->input_count != 1) {
            kiln_fail(KILN_ERROR_SHAPE,
                      "%s: the data have %zu inputs, and the network takes one; write a model "
                      "of your own (kiln new tabular shows how)",
                      which->name, data->input_count);
            return NULL;
        }
        shape = data->inputs[0].shape;
        if (shape.rank == 0)
            shape = KILN_SHAPE(1);
        outputs = network_outputs(data);
    }
    if (shape.rank == 1)
        return kiln_sequential(kiln_input_layer(shape), kiln_normalization(),
                               kiln_dense(units, .activation = "relu"),
                               kiln_dense(units, .activation = "relu"), kiln_dense(outputs));
    return kiln_sequential(kiln_input_layer(shape), kiln_flatten(), kiln_normalization(),
                           kiln_dense(units, .activation = "relu"),
                           kiln_dense(units, .activation = "relu"), kiln_dense(outputs));
}

/* The networks of 28 x 28 images take them without an axis of channels, as MNIST has them. */
static kiln_model *build_cnn(const network *which, const kiln_dataset *data)
{
    (void)data;
    const int64_t filters = which->tiny ? 4 : 32;
    return kiln_sequential(
        kiln_input_layer(KILN_SHAPE(28, 28)), kiln_reshape(KILN_SHAPE(28, 28, 1)),
        kiln_conv2d(filters, KILN_SHAPE(3, 3), .activation = "relu"), kiln_max_pooling2d(),
        kiln_conv2d(2 * filters, KILN_SHAPE(3, 3), .activation = "relu"), kiln_max_pooling2d(),
        kiln_flatten(), kiln_dropout(0.5), kiln_dense(10));
}

static kiln_model *build_lenet(const network *which, const kiln_dataset *data)
{
    (void)data;
    const kiln_shape five = KILN_SHAPE(5, 5), two = KILN_SHAPE(2, 2);
    const bool tiny = which->tiny;
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)),
                           kiln_reshape(KILN_SHAPE(28, 28, 1)),
                           kiln_conv2d(tiny ? 2 : 6, five, .padding = "same", .activation = "tanh"),
                           kiln_average_pooling2d(.pool_size = two),
                           kiln_conv2d(tiny ? 4 : 16, five, .activation = "tanh"),
                           kiln_average_pooling2d(.pool_size = two), kiln_flatten(),
                           kiln_dense(tiny ? 16 : 120, .activation = "tanh"),
                           kiln_dense(tiny ? 16 : 84, .activation = "tanh"), kiln_dense(10));
}

/* ---- a network for series: forecasts of the next rows from the last ones ---- */

static kiln_model *build_forecast(const network *which, const kiln_dataset *data)
{
    kiln_shape shape = which->sized, target = KILN_SHAPE(1);
    if (data && data->series == NULL) {
        kiln_fail(KILN_ERROR_SHAPE,
                  "%s: %s is no series; give a .csv file with a row for each "
                  "time, and the length of a window (--window)",
                  which->name, data->origin);
        return NULL;
    }
    if (data) {
        shape = data->inputs[0].shape;
        if (data->target_count && data->targets[0].shape.rank)
            target = data->targets[0].shape;
    }
    kiln_layer *layers[4] = {kiln_input_layer(shape), kiln_gru(which->tiny ? 8 : 32),
                             kiln_dense(kiln_shape_size(target)), NULL};
    if (target.rank > 1)
        layers[3] = kiln_reshape(target);
    return kiln_sequential_from(target.rank > 1 ? 4 : 3, layers);
}

/* ---- networks for colour pictures, sized by the data ---- */

/* The input for a data set's pictures, or for colour ones of 10 classes; shape: with
 * channels. */
static kiln_tensor *picture_input(const network *which, const kiln_dataset *data, kiln_shape *shape,
                                  int64_t *outputs)
{
    *shape = which->sized;
    *outputs = 10;
    if (data == NULL)
        return kiln_input(*shape);
    if (data->input_count == 1)
        *shape = data->inputs[0].shape;
    if (shape->rank == 2)
        shape->dims[shape->rank++] = 1;
    if (data->input_count != 1 || shape->rank != 3) {
        kiln_fail(KILN_ERROR_SHAPE,
                  "%s: the network takes pictures (height, width, channels), and the data have %zu "
                  "inputs, the first of shape %s",
                  which->name, data->input_count, ir_shape_text(data->inputs[0].shape));
        return NULL;
    }
    *outputs = network_outputs(data);
    return kiln_input(data->inputs[0].shape);
}

/* Pictures with channels, from -1 to 1. */
static kiln_tensor *picture_begin(kiln_tensor *x, kiln_shape shape)
{
    if (x && kiln_tensor_shape(x).rank == 2)
        x = kiln_apply(kiln_reshape(shape), x);
    return kiln_apply(kiln_rescaling(1 / 127.5, .offset = -1), x);
}

/* ---- ResNet-20 for pictures of 32 x 32 (He et al., 2015, section 4.2) ---- */

static kiln_tensor *normalized_conv(kiln_tensor *x, int64_t filters, int64_t size, int64_t stride)
{
    x = kiln_apply(kiln_conv2d(filters, KILN_SHAPE(size), .strides = KILN_SHAPE(stride),
                               .padding = "same", .use_bias = KILN_NO,
                               .kernel_initializer = "he_normal",
                               .kernel_regularizer = "l2(0.0001)"),
                   x);
    return kiln_apply(kiln_batch_normalization(.momentum = 0.9), x);
}

/* Two convolutions, and a way past them; where the map gets smaller, through a convolution. */
static kiln_tensor *residual_block(kiln_tensor *x, int64_t filters, int64_t stride)
{
    kiln_tensor *y = kiln_apply(kiln_relu(), normalized_conv(x, filters, 3, stride));
    y = normalized_conv(y, filters, 3, 1);
    if (stride > 1)
        x = normalized_conv(x, filters, 1, stride);
    return kiln_apply(kiln_relu(), kiln_apply(kiln_add(), x, y));
}

static kiln_model *build_resnet20(const network *which, const kiln_dataset *data)
{
    kiln_shape shape;
    int64_t outputs;
    const int64_t filters = which->tiny ? 4 : 16, blocks = which->tiny ? 1 : 3;
    kiln_tensor *x = picture_input(which, data, &shape, &outputs), *y;
    y = picture_begin(x, shape);
    y = kiln_apply(kiln_random_flip("horizontal"), y);
    y = kiln_apply(kiln_random_translation(0.125, .width_factor = 0.125, .fill_mode = "constant"),
                   y);
    y = kiln_apply(kiln_relu(), normalized_conv(y, filters, 3, 1));
    for (int64_t stage = 0; stage < 3; stage++)
        for (int64_t block = 0; block < blocks; block++)
            y = residual_block(y, filters << stage, stage > 0 && block == 0 ? 2 : 1);
    y = kiln_apply(
        kiln_dense(outputs, .kernel_initializer = "he_normal", .kernel_regularizer = "l2(0.0001)"),
        kiln_apply(kiln_global_average_pooling2d(), y));
    return kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
}

/* ---- MobileNet for small pictures (Howard et al., 2017, with a quarter of its depth) ---- */

static kiln_tensor *normalized_relu(kiln_tensor *x)
{
    return kiln_apply(kiln_relu(.max_value = 6),
                      kiln_apply(kiln_batch_normalization(.momentum = 0.9), x));
}

static kiln_tensor *separable_block(kiln_tensor *x, int64_t filters, int64_t stride)
{
    x = kiln_apply(kiln_depthwise_conv2d(KILN_SHAPE(3), .strides = KILN_SHAPE(stride),
                                         .padding = "same", .use_bias = KILN_NO),
                   x);
    x = kiln_apply(kiln_conv2d(filters, KILN_SHAPE(1), .use_bias = KILN_NO), normalized_relu(x));
    return normalized_relu(x);
}

static kiln_model *build_mobilenet_small(const network *which, const kiln_dataset *data)
{
    static const int64_t whole[][2] = {{32, 1},  {64, 2},  {64, 1}, {128, 2},
                                       {128, 1}, {256, 2}, {256, 1}},
                         tiny[][2] = {{8, 1}, {16, 2}, {32, 2}};
    const int64_t(*blocks)[2] = which->tiny ? tiny : whole;
    const size_t count = which->tiny ? sizeof tiny / sizeof *tiny : sizeof whole / sizeof *whole;
    kiln_shape shape;
    int64_t outputs;
    kiln_tensor *x = picture_input(which, data, &shape, &outputs), *y;
    y = kiln_apply(kiln_random_flip("horizontal"), picture_begin(x, shape));
    y = normalized_relu(kiln_apply(
        kiln_conv2d(which->tiny ? 8 : 32, KILN_SHAPE(3), .padding = "same", .use_bias = KILN_NO),
        y));
    for (size_t i = 0; i < count; i++)
        y = separable_block(y, blocks[i][0], blocks[i][1]);
    y = kiln_apply(kiln_dense(outputs), kiln_apply(kiln_global_average_pooling2d(), y));
    return kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
}

/* ---- networks for sequences ---- */

static kiln_model *build_lstm512(const network *which, const kiln_dataset *data)
{
    return kiln_sequential(kiln_input_layer(data ? data->inputs[0].shape : which->sized),
                           kiln_lstm(which->tiny ? 8 : 64),
                           kiln_dense(data ? network_outputs(data) : 4));
}

const network networks[] = {
    {.name = "mlp",
     .summary = "28 x 28 images: Flatten, Dense 128 relu, Dropout 0.2, Dense 10",
     .batch_size = 32,
     .build = build_mlp},
    {.name = "mlp1024",
     .summary = "28 x 28 images: Flatten, two Dense 1024 relu, Dense 10",
     .batch_size = 256,
     .build = build_mlp1024},
    {.name = "cnn",
     .summary = "28 x 28 images: Conv2D 32 3 x 3 relu, pool, Conv2D 64 3 x 3 relu, pool, Dropout "
                "0.5, Dense 10",
     .batch_size = 128,
     .build = build_cnn},
    {.name = "lenet",
     .summary = "28 x 28 images: LeNet-5, with tanh and average pooling",
     .batch_size = 128,
     .build = build_lenet},
    {.name = "resnet20",
     .summary = "32 x 32 pictures: ResNet-20, with flips and shifts; sized by the data",
     .batch_size = 128,
     .sized = {3, {32, 32, 3}},
     .build = build_resnet20},
    {.name = "mobilenet_small",
     .summary = "32 x 32 pictures: a small MobileNet, with flips; sized by the data",
     .batch_size = 128,
     .sized = {3, {32, 32, 3}},
     .build = build_mobilenet_small},
    {.name = "tabular",
     .summary = "rows of numbers: Normalization, two Dense 64 relu, Dense; sized by the data",
     .batch_size = 32,
     .sized = {1, {4}},
     .build = build_tabular},
    {.name = "simple_rnn",
     .summary = "text: Embedding 64, SimpleRNN 256, Dense; with --task classify, SimpleRNN 64",
     .batch_size = 32,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {64}},
     .words = 65,
     .build = network_build_simple_rnn},
    {.name = "lstm",
     .summary = "text: Embedding 64, LSTM 256, Dense; with --task classify, LSTM 64",
     .batch_size = 32,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {64}},
     .words = 65,
     .build = network_build_lstm},
    {.name = "gru",
     .summary = "text: Embedding 64, GRU 256, Dense; with --task classify, GRU 64",
     .batch_size = 32,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {64}},
     .words = 65,
     .build = network_build_gru},
    {.name = "bilstm_classifier",
     .summary = "labelled lines of text: Embedding 64, Bidirectional LSTM 64, Dense",
     .batch_size = 32,
     .task = "classify",
     .sized = {1, {64}},
     .words = 65,
     .build = network_build_bilstm_classifier},
    {.name = "lstm512",
     .summary = "series of 512 steps of 16 numbers: LSTM 64, Dense; sized by the data",
     .batch_size = 8,
     .sized = {2, {512, 16}},
     .build = build_lstm512},
    {.name = "forecast",
     .summary = "series of numbers: GRU 32, Dense; sized by the data",
     .batch_size = 32,
     .sized = {2, {12, 1}},
     .build = build_forecast},
    {0},
};

/* At most two million floating-point operations a step, at batch_size. */
static const network tiny_networks[] = {
    {.name = "mlp-tiny", .batch_size = 16, .tiny = true, .build = build_mlp},
    {.name = "mlp1024-tiny", .batch_size = 16, .tiny = true, .build = build_mlp1024},
    {.name = "cnn-tiny", .batch_size = 4, .tiny = true, .build = build_cnn},
    {.name = "lenet-tiny", .batch_size = 4, .tiny = true, .build = build_lenet},
    {.name = "resnet20-tiny",
     .batch_size = 4,
     .tiny = true,
     .sized = {3, {8, 8, 3}},
     .build = build_resnet20},
    {.name = "mobilenet_small-tiny",
     .batch_size = 4,
     .tiny = true,
     .sized = {3, {8, 8, 3}},
     .build = build_mobilenet_small},
    {.name = "tabular-tiny",
     .batch_size = 32,
     .tiny = true,
     .sized = {1, {4}},
     .build = build_tabular},
    {.name = "simple_rnn-tiny",
     .batch_size = 4,
     .tiny = true,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {16}},
     .words = 65,
     .build = network_build_simple_rnn},
    {.name = "lstm-tiny",
     .batch_size = 4,
     .tiny = true,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {16}},
     .words = 65,
     .build = network_build_lstm},
    {.name = "gru-tiny",
     .batch_size = 4,
     .tiny = true,
     .task = "generate",
     .rate = 0.002,
     .sized = {1, {16}},
     .words = 65,
     .build = network_build_gru},
    {.name = "bilstm_classifier-tiny",
     .batch_size = 4,
     .tiny = true,
     .task = "classify",
     .sized = {1, {16}},
     .words = 65,
     .build = network_build_bilstm_classifier},
    {.name = "lstm512-tiny",
     .batch_size = 4,
     .tiny = true,
     .sized = {2, {16, 4}},
     .build = build_lstm512},
    {.name = "forecast-tiny",
     .batch_size = 8,
     .tiny = true,
     .sized = {2, {12, 1}},
     .build = build_forecast},
    {0},
};

const network *network_find(const char *name)
{
    for (const network *n = networks; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n;
    for (const network *n = tiny_networks; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

int64_t network_epochs(const network *which)
{
    return which->build == build_forecast ? 200 : 1;
}

kiln_model *network_build(const network *which, const kiln_dataset *data)
{
    kiln_model *model = which->build(which, data);
    if (model == NULL)
        return NULL;
    char *name = str_copy(which->name);
    if (name == NULL) {
        kiln_model_free(model);
        return NULL;
    }
    free(model->name);
    model->name = name;
    return model;
}
