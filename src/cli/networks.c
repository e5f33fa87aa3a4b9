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
        int64_t label = target->dtype == KILN_UINT8 ? ((const uint8_t *)target->data)[i]
                                                    : ((const int32_t *)target->data)[i];
        most = label > most ? label : most;
    }
    return most + 1;
}

static kiln_model *build_mlp(const kiln_dataset *data)
{
    (void)data;
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)), kiln_flatten(),
                           kiln_dense(128, .activation = "relu"), kiln_dropout(0.2),
                           kiln_dense(10));
}

static kiln_model *build_mlp1024(const kiln_dataset *data)
{
    (void)data;
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)), kiln_flatten(),
                           kiln_dense(1024, .activation = "relu"),
                           kiln_dense(1024, .activation = "relu"), kiln_dense(10));
}

static kiln_model *build_tabular(const kiln_dataset *data)
{
    kiln_shape shape = KILN_SHAPE(4);
    int64_t outputs = 3;
    if (data) {
        if (data->input_count != 1) {
            kiln_fail(KILN_ERROR_SHAPE,
                      "tabular: the data have %zu inputs, and the network takes one; write a model "
                      "of your own (kiln new tabular shows how)",
                      data->input_count);
            return NULL;
        }
        shape = data->inputs[0].shape;
        if (shape.rank == 0)
            shape = KILN_SHAPE(1);
        outputs = network_outputs(data);
    }
    if (shape.rank == 1)
        return kiln_sequential(kiln_input_layer(shape), kiln_normalization(),
                               kiln_dense(64, .activation = "relu"),
                               kiln_dense(64, .activation = "relu"), kiln_dense(outputs));
    return kiln_sequential(kiln_input_layer(shape), kiln_flatten(), kiln_normalization(),
                           kiln_dense(64, .activation = "relu"),
                           kiln_dense(64, .activation = "relu"), kiln_dense(outputs));
}

/* The networks of 28 x 28 images take them without an axis of channels, as MNIST has them. */
static kiln_model *build_cnn(const kiln_dataset *data)
{
    (void)data;
    return kiln_sequential(
        kiln_input_layer(KILN_SHAPE(28, 28)), kiln_reshape(KILN_SHAPE(28, 28, 1)),
        kiln_conv2d(32, KILN_SHAPE(3, 3), .activation = "relu"), kiln_max_pooling2d(),
        kiln_conv2d(64, KILN_SHAPE(3, 3), .activation = "relu"), kiln_max_pooling2d(),
        kiln_flatten(), kiln_dropout(0.5), kiln_dense(10));
}

static kiln_model *build_lenet(const kiln_dataset *data)
{
    (void)data;
    const kiln_shape five = KILN_SHAPE(5, 5), two = KILN_SHAPE(2, 2);
    return kiln_sequential(
        kiln_input_layer(KILN_SHAPE(28, 28)), kiln_reshape(KILN_SHAPE(28, 28, 1)),
        kiln_conv2d(6, five, .padding = "same", .activation = "tanh"),
        kiln_average_pooling2d(.pool_size = two), kiln_conv2d(16, five, .activation = "tanh"),
        kiln_average_pooling2d(.pool_size = two), kiln_flatten(),
        kiln_dense(120, .activation = "tanh"), kiln_dense(84, .activation = "tanh"),
        kiln_dense(10));
}

const network networks[] = {
    {"mlp", "28 x 28 images: Flatten, Dense 128 relu, Dropout 0.2, Dense 10", 32, false, build_mlp},
    {"mlp1024", "28 x 28 images: Flatten, two Dense 1024 relu, Dense 10", 256, false,
     build_mlp1024},
    {"cnn",
     "28 x 28 images: Conv2D 32 3 x 3 relu, pool, Conv2D 64 3 x 3 relu, pool, Dropout 0.5, Dense "
     "10",
     128, false, build_cnn},
    {"lenet", "28 x 28 images: LeNet-5, with tanh and average pooling", 128, false, build_lenet},
    {"tabular", "rows of numbers: Normalization, two Dense 64 relu, Dense; sized by the data", 32,
     true, build_tabular},
    {0},
};

const network *network_find(const char *name)
{
    for (const network *n = networks; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

kiln_model *network_build(const network *which, const kiln_dataset *data)
{
    kiln_model *model = which->build(data);
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
