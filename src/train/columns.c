/* Which column of a data set is which input or target of a model, and whether it fits. */
#include "train/feed.h"

#include <math.h>
#include <string.h>

static const kiln_layer *end_layer(const kiln_model *model, bool input, size_t i)
{
    return model->calls[input ? model->inputs[i] : model->outputs[i]].layer;
}

static const char *origin_of(const kiln_dataset *data)
{
    return data->origin ? data->origin : "the data set";
}

/* Is this a target for another output than this one, by its name? */
static bool is_anothers(const model_training *t, const data_column *column, size_t output)
{
    for (size_t i = 0; column->name && i < t->model->output_count; i++)
        if (strcmp(column->name, goal_output_name(t->model, i)) == 0)
            return i != output;
    return false;
}

/* The column for input or target i: by name where there are several with names, else by position.
 */
static kiln_status pick(const kiln_dataset *data, const model_training *t, bool input, size_t i,
                        const data_column **column)
{
    const data_column *columns = input ? data->inputs : data->targets;
    size_t count = input ? data->input_count : data->target_count;
    const kiln_model *model = t->model;
    size_t wanted = input ? model->input_count : t->target_count;
    const char *name = end_layer(model, input, input ? i : t->targets[i])->name;
    bool named = count > 1;
    for (size_t j = 0; j < count; j++)
        named = named && columns[j].name;
    bool by_place = count == wanted && (input || !is_anothers(t, &columns[i], t->targets[i]));
    if (!named && count != wanted)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "model %s has %zu %s, but %s has %zu; give an array for each", model->name,
                         wanted,
                         input                           ? "inputs"
                         : wanted == model->output_count ? "outputs"
                                                         : "outputs with a loss or metrics",
                         origin_of(data), count);
    for (size_t j = 0; named && j < count; j++) {
        if (strcmp(columns[j].name, name) == 0) {
            *column = &columns[j];
            return KILN_OK;
        }
    }
    if (by_place) { /* no names, or of another convention */
        *column = &columns[i];
        return KILN_OK;
    }
    return kiln_fail(KILN_ERROR_SHAPE, "%s has no %s named %s", origin_of(data),
                     input ? "input" : "target", name);
}

/* Equal but for axes of 1, "(28, 28)" and "(28, 28, 1)". */
static bool same_but_ones(kiln_shape a, kiln_shape b)
{
    int i = 0, j = 0;
    for (;;) {
        while (i < a.rank && a.dims[i] == 1)
            i++;
        while (j < b.rank && b.dims[j] == 1)
            j++;
        if (i == a.rank || j == b.rank)
            return i == a.rank && j == b.rank;
        if (a.dims[i++] != b.dims[j++])
            return false;
    }
}

static void note_type(data_types *types, size_t i, const data_column *column)
{
    bool packed = data_column_is_packed(column);
    types->dtypes[i] = column->dtype;
    types->shapes[i] = column->shape;
    types->strides[i] = packed ? 0 : data_column_stride(column);
    types->steps[i] = packed ? 0 : data_column_step(column);
}

kiln_status feed_types(const model_training *t, const kiln_dataset *data, bool targets,
                       data_types *types)
{
    const kiln_model *model = t->model;
    *types = (data_types){.scale = data->scale};
    if (model->input_count + model->output_count > TRAINING_MAX_COLUMNS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "model %s has %zu inputs and %zu outputs; %d together are the most",
                         model->name, model->input_count, model->output_count,
                         TRAINING_MAX_COLUMNS);
    for (size_t i = 0; i < model->input_count; i++) {
        const data_column *column = NULL;
        KILN_TRY(pick(data, t, true, i, &column));
        kiln_shape wanted = model->calls[model->inputs[i]].shape;
        if (!same_but_ones(column->shape, wanted))
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s does not fit model %s: layer %s takes samples of shape %s, but "
                             "these have shape %s; change the layer's shape or the data",
                             origin_of(data), model->name, end_layer(model, true, i)->name,
                             ir_shape_text(wanted), ir_shape_text(column->shape));
        note_type(types, i, column);
    }
    types->input_count = model->input_count;
    KILN_TRY(adapt_check_vocabulary(model, data));
    if (!targets)
        return KILN_OK;
    if (data->target_count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s has no targets to train or evaluate with; give data with labels",
                         origin_of(data));
    for (size_t i = 0; i < t->target_count; i++) {
        const data_column *column = NULL;
        size_t output = t->targets[i];
        const output_goal *goal = goal_of(&t->goals, output);
        KILN_TRY(pick(data, t, false, i, &column));
        if (goal->loss.kind != KILN_LOSS_NONE)
            KILN_TRY(loss_check_shapes(&goal->loss, column->shape,
                                       model->calls[model->outputs[output]].shape,
                                       goal_output_name(model, output)));
        note_type(types, types->input_count + i, column);
    }
    types->target_count = t->target_count;
    types->weighted = data->sample_weights != NULL || data->function_weights;
    return KILN_OK;
}

const data_column *columns_get(const model_training *t, const kiln_dataset *data, size_t i)
{
    const data_column *column = NULL;
    size_t inputs = t->model->input_count;
    bool input = i < inputs;
    return pick(data, t, input, input ? i : i - inputs, &column) == KILN_OK ? column : NULL;
}

double columns_value(kiln_dtype dtype, const void *values, int64_t i)
{
    switch (dtype) {
    case KILN_UINT8:
        return ((const uint8_t *)values)[i];
    case KILN_INT32:
        return ((const int32_t *)values)[i];
    default:
        return (double)((const float *)values)[i];
    }
}

kiln_status columns_check_labels(const model_training *t, const char *origin, size_t target,
                                 kiln_dtype dtype, const void *values, int64_t count)
{
    size_t output = t->targets[target];
    kiln_shape shape = t->model->calls[t->model->outputs[output]].shape;
    if (goal_of(&t->goals, output)->loss.kind != KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY ||
        shape.rank == 0)
        return KILN_OK;
    int64_t classes = shape.dims[shape.rank - 1];
    for (int64_t i = 0; i < count; i++) {
        double label = columns_value(dtype, values, i);
        if (label >= 0 && label < (double)classes && label == floor(label))
            continue;
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: label %g of sample %lld is not one of the %lld classes of layer %s "
                         "(0 to %lld); correct the label, or give the layer more units",
                         origin, label, (long long)i, (long long)classes,
                         end_layer(t->model, false, output)->name, (long long)classes - 1);
    }
    return KILN_OK;
}

void columns_class_weights(const double *by_class, size_t classes, kiln_dtype dtype,
                           kiln_shape shape, const void *values, int64_t count, float *weights)
{
    int64_t row = kiln_shape_size(shape);
    for (int64_t i = 0; i < count; i++) {
        double label = rint(columns_value(dtype, values, i * row));
        if (row > 1) { /* one-hot: where the largest is */
            int64_t best = 0;
            for (int64_t j = 1; j < row; j++)
                if (columns_value(dtype, values, i * row + j) >
                    columns_value(dtype, values, i * row + best))
                    best = j;
            label = (double)best;
        }
        if (label >= 0 && label < (double)classes)
            weights[i] *= (float)by_class[(size_t)label];
    }
}
