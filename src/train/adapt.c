/* What the first kiln_fit takes from its data: the figures of layers that want some, and what is
 * kept with the model; and whether the model has room for the words of a text. */
#include "train/feed.h"

#include <string.h>

/* A model, and which inputs of the trained one its inputs are; -1: none. */
typedef struct adapted {
    const kiln_model *model;
    int sources[MODEL_MAX_LAYER_INPUTS];
} adapted;

/* The input of the trained model whose elements reach call `index` as they are (through layers that
 * only change the shape), or -1. */
static int source_input(const adapted *a, int index)
{
    const kiln_model *model = a->model;
    for (;;) {
        const model_call *call = &model->calls[index];
        if (call->output)
            return -1;
        if (call->input_count == 0)
            break;
        const char *class_name = call->layer->cls->class_name;
        const layer_field *format = layer_find_field(call->layer->cls, "data_format");
        if (call->input_count != 1 ||
            (strcmp(class_name, "Flatten") != 0 && strcmp(class_name, "Reshape") != 0) ||
            (format && strcmp(*(char **)layer_field_at(call->layer, format), "channels_last") != 0))
            return -1;
        index = call->inputs[0];
    }
    for (size_t i = 0; i < model->input_count; i++)
        if (model->inputs[i] == index)
            return a->sources[i];
    return -1;
}

static adapted whole_model(const kiln_model *model)
{
    adapted whole = {.model = model};
    for (size_t i = 0; i < model->input_count; i++)
        whole.sources[i] = (int)i;
    return whole;
}

static kiln_status adapt_call(model_training *t, const kiln_dataset *data, const adapted *a,
                              const model_call *call)
{
    kiln_layer *layer = call->layer;
    int input = call->input_count == 1 ? source_input(a, call->inputs[0]) : -1;
    if (input < 0 || data->function)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "layer %s has not been adapted, and %s; call kiln_normalization_adapt "
                         "before the training",
                         layer->name,
                         data->function ? "the data come from a function"
                                        : "it does not stand at the input of the model");
    const data_column *column = columns_get(t, data, (size_t)input);
    if (column == NULL)
        return kiln_last_status();
    kiln_shape shape = a->model->calls[call->inputs[0]].shape;
    int64_t features = shape.rank > 0 ? shape.dims[shape.rank - 1] : 1;
    int64_t count = data->samples * kiln_shape_size(column->shape);
    if (features < 1 || count % features != 0)
        return kiln_fail(KILN_ERROR_SHAPE, "layer %s takes %lld features, the data have shape %s",
                         layer->name, (long long)features, ir_shape_text(column->shape));
    float *values = mem_new((size_t)count, sizeof *values);
    void *packed = mem_new((size_t)data->samples, data_column_row(column));
    kiln_status status = values && packed ? KILN_OK : KILN_ERROR_MEMORY;
    if (status == KILN_OK) {
        data_column_copy(column, 0, data->samples, packed);
        for (int64_t i = 0; i < count; i++)
            values[i] = (float)(columns_value(column->dtype, packed, i) * data->scale);
        status = layer->cls->adapt(layer, values, count / features, features);
    }
    free(packed);
    free(values);
    return status;
}

/* A model inside a model, and which inputs of the trained one its inputs are. */
static adapted go_inside(const adapted *a, const model_call *call)
{
    adapted inside = {.model = model_within(call->layer)};
    for (int k = 0; inside.model && k < call->input_count; k++)
        inside.sources[k] = source_input(a, call->inputs[k]);
    return inside;
}

static kiln_status adapt_model(model_training *t, const kiln_dataset *data, const adapted *a)
{
    for (size_t i = 0; i < a->model->call_count; i++) {
        const model_call *call = &a->model->calls[i];
        adapted inside = go_inside(a, call);
        if (layer_wants_adapt(call->layer))
            KILN_TRY(adapt_call(t, data, a, call));
        if (inside.model && call->output == 0)
            KILN_TRY(adapt_model(t, data, &inside));
    }
    return KILN_OK;
}

kiln_status adapt_layers(kiln_model *model, const kiln_dataset *data)
{
    bool wanted = false;
    model_training *t = training_of(model);
    adapted whole = whole_model(model);
    for (size_t i = 0; i < model->leaf_count; i++)
        wanted = wanted || layer_wants_adapt(model->leaves[i]);
    if (!wanted)
        return KILN_OK;
    data_types types;
    KILN_TRY(feed_types(t, data, false, &types)); /* shapes first: the message is better */
    return adapt_model(t, data, &whole);
}

/* ---- the vocabulary ---- */

static kiln_status check_embeddings(const kiln_dataset *data, const adapted *a)
{
    size_t tokens = data->text.token_count;
    for (size_t i = 0; i < a->model->call_count; i++) {
        const model_call *call = &a->model->calls[i];
        const kiln_layer *layer = call->layer;
        adapted inside = go_inside(a, call);
        if (inside.model)
            KILN_TRY(check_embeddings(data, &inside));
        if (strcmp(layer->cls->class_name, "Embedding") != 0 || call->input_count != 1 ||
            source_input(a, call->inputs[0]) < 0)
            continue;
        const layer_field *field = layer_find_field(layer->cls, "input_dim");
        int64_t rows = *(int64_t *)layer_field_at(layer, field);
        if ((int64_t)tokens > rows)
            return kiln_fail(
                KILN_ERROR_SHAPE,
                "%s does not fit model %s: its vocabulary has %zu tokens, and layer %s "
                "has input_dim %lld; limit the vocabulary with --max-tokens %lld "
                "(max_tokens), or give the layer an input_dim of %zu",
                data->origin ? data->origin : "the text", a->model->name, tokens, layer->name,
                (long long)rows, (long long)rows, tokens);
    }
    return KILN_OK;
}

kiln_status adapt_check_vocabulary(const kiln_model *model, const kiln_dataset *data)
{
    adapted whole = whole_model(model);
    return data->text.tokens ? check_embeddings(data, &whole) : KILN_OK;
}

/* ---- what is kept ---- */

kiln_status facts_take(kiln_model *model, const kiln_dataset *data)
{
    /* Bytes may come scaled or not, so that 1 says something about them. */
    bool bytes = data->input_count > 0 && data->inputs[0].dtype == KILN_UINT8;
    model->facts->input_scale = data->scale == 1 && !bytes ? 0 : data->scale;
    if (data->text.tokens)
        KILN_TRY(model_text_copy(&data->text, &model->facts->text));
    if (data->class_names)
        KILN_TRY(model_set_class_names(model, data->class_count,
                                       (const char *const *)data->class_names));
    if (data->series)
        KILN_TRY(model_set_series(model, data->series));
    if (data->feature_names)
        KILN_TRY(model_set_feature_names(model, data->feature_count,
                                         (const char *const *)data->feature_names));
    return KILN_OK;
}
