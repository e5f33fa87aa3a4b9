#include "cli/networks.h"

#include "model/model.h"

#include <string.h>

const network networks[] = {
    {"mlp", "28 x 28 images: Flatten, Dense 128 relu, Dropout 0.2, Dense 10", 32, false},
    {"mlp1024", "28 x 28 images: Flatten, two Dense 1024 relu, Dense 10", 256, false},
    {"tabular", "rows of numbers: Normalization, two Dense 64 relu, Dense; sized by the data", 32,
     true},
    {0},
};

const network *network_find(const char *name)
{
    for (const network *n = networks; n->name; n++)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

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

static kiln_model *build_mlp(void)
{
    return kiln_sequential(kiln_input_layer(KILN_SHAPE(28, 28)), kiln_flatten(),
                           kiln_dense(128, .activation = "relu"), kiln_dropout(0.2),
                           kiln_dense(10));
}

static kiln_model *build_mlp1024(void)
{
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

kiln_model *network_build(const network *which, const kiln_dataset *data)
{
    kiln_model *model;
    if (which->sized_by_data)
        model = build_tabular(data);
    else
        model = strcmp(which->name, "mlp") == 0 ? build_mlp() : build_mlp1024();
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
