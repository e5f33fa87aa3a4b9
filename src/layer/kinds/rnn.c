/* RNN: a layer that runs a cell, or cells of which each reads what the one before made
 * (StackedRNNCells). Cells one behind the other over a sequence are the same as layers one behind
 * the other, so each goes through the whole sequence in a loop of its own. */
#include "layer/recurrent.h"

#include <string.h>

/* ---- StackedRNNCells ---- */

static const layer_field stacked_fields[] = {
    {.name = "cells", .type = FIELD_LAYERS, .required = true},
};

static bool is_single_cell(const kiln_layer *layer)
{
    return layer->cls->is_cell && layer->inner_count == 0;
}

/* A cell whose name another one has gets one of its own. */
static kiln_status name_cell(const kiln_layer *layer, int number)
{
    kiln_layer *cell = layer->inner[number];
    for (int k = 1, i = 0; i < number; i++) {
        if (strcmp(layer->inner[i]->name, cell->name) != 0)
            continue;
        char *name = str_format("%s_%d", cell->cls->snake_name, k++);
        kiln_status status = name ? layer_set_name(cell, name) : KILN_ERROR_MEMORY;
        free(name);
        KILN_TRY(status);
        i = -1; /* against all again */
    }
    return KILN_OK;
}

static kiln_status check_stacked(const kiln_layer *layer)
{
    if (layer->inner_count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "there is no cell");
    for (int i = 0; i < layer->inner_count; i++) {
        if (!is_single_cell(layer->inner[i]))
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "it takes SimpleRNNCell, LSTMCell and GRUCell, and not one of class %s",
                             layer->inner[i]->cls->class_name);
        KILN_TRY(name_cell(layer, i));
    }
    return KILN_OK;
}

static int64_t units_of(const kiln_layer *cell)
{
    return ((const recurrent_config *)cell->config)->units;
}

static kiln_status build_stacked(kiln_layer *layer, kiln_shape input)
{
    for (int i = 0; i < layer->inner_count; i++) {
        KILN_TRY(layer_build_inner(layer, i, input));
        input = (kiln_shape){1, {units_of(layer->inner[i])}};
    }
    return KILN_OK;
}

const layer_class stacked_rnn_cells_class = {
    .class_name = "StackedRNNCells",
    .snake_name = "stacked_rnn_cells",
    .config_size = 1,
    .fields = stacked_fields,
    .field_count = sizeof stacked_fields / sizeof *stacked_fields,
    .inner_list = "cells",
    .is_cell = true,
    .check = check_stacked,
    .build = build_stacked,
};

kiln_layer *kiln_stacked_rnn_cells_from(size_t count, kiln_layer *const *cells)
{
    kiln_layer *layer = layer_new(&stacked_rnn_cells_class);
    kiln_status status = layer ? KILN_OK : KILN_ERROR_MEMORY;
    if (status == KILN_OK && count > LAYER_MAX_INNER)
        status = kiln_fail(KILN_ERROR_UNSUPPORTED, "%zu cells; %d are the most", count,
                           LAYER_MAX_INNER);
    for (size_t i = 0; i < count; i++)
        if (status == KILN_OK)
            status = layer_set_inner(layer, (int)i, cells[i]);
        else
            kiln_layer_free(cells[i]);
    return layer_finish(layer, status);
}

/* ---- RNN ---- */

typedef struct rnn_config {
    recurrent_options options;
} rnn_config;

static const layer_field rnn_fields[] = {
    RECURRENT_OPTIONS,
    {.name = "cell", .type = FIELD_LAYER, .offset = 0, .required = true},
};

/* The cells that a layer runs. */
static kiln_layer *const *cells_of(const kiln_layer *layer, int *count)
{
    kiln_layer *cell = layer->inner[0];
    *count = is_single_cell(cell) ? 1 : cell->inner_count;
    return is_single_cell(cell) ? layer->inner : cell->inner;
}

static kiln_status check_rnn(const kiln_layer *layer)
{
    int count;
    if (layer->inner[0] == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "cell is missing");
    if (!layer->inner[0]->cls->is_cell)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "it takes SimpleRNNCell, LSTMCell, GRUCell and StackedRNNCells, and not a "
                         "layer of class %s",
                         layer->inner[0]->cls->class_name);
    kiln_layer *const *cells = cells_of(layer, &count);
    for (int i = 0; i < count; i++)
        recurrent_options_in(cells[i])->stateful = recurrent_options_in(layer)->stateful;
    return KILN_OK;
}

static kiln_status rnn_shapes(const kiln_layer *layer, int count, const kiln_shape *inputs,
                              kiln_shape *output)
{
    int cells;
    kiln_layer *const *cell = cells_of(layer, &cells);
    return recurrent_shapes(layer, cells, cell, count, inputs, output);
}

static kiln_status rnn_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    return rnn_shapes(layer, 1, &input, output);
}

/* Keras has the states of each of several cells in a list of their own. */
static int group_states(const kiln_layer *layer, int *sizes)
{
    int count;
    kiln_layer *const *cells = cells_of(layer, &count);
    for (int i = 0; i < count; i++)
        sizes[i] = cell_states(cells[i]);
    return count;
}

static int rnn_outputs(const kiln_layer *layer)
{
    int sizes[RECURRENT_MAX_CELLS], count = group_states(layer, sizes), outputs = 1;
    for (int i = 0; recurrent_options_in(layer)->return_state && i < count; i++)
        outputs += sizes[i];
    return outputs;
}

static kiln_status build_rnn(kiln_layer *layer, kiln_shape input)
{
    if (rnn_outputs(layer) > LAYER_MAX_OUTPUTS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has %d outputs; %d are the most",
                         layer_label(layer), rnn_outputs(layer), LAYER_MAX_OUTPUTS);
    return layer_build_inner(layer, 0, (kiln_shape){1, {input.dims[input.rank - 1]}});
}

static kiln_status call_rnn_of(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                               ir_id *output)
{
    int cells;
    kiln_layer *const *cell = cells_of(layer, &cells);
    return recurrent_call(layer, call, cells, cell, count, inputs, output);
}

static kiln_status call_rnn(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    return call_rnn_of(layer, call, 1, &input, output);
}

static const char *const rnn_names[] = {"cell"};

const layer_class rnn_class = {
    .class_name = "RNN",
    .snake_name = "rnn",
    .config_size = sizeof(rnn_config),
    .fields = rnn_fields,
    .field_count = sizeof rnn_fields / sizeof *rnn_fields,
    .inner_names = rnn_names,
    .is_recurrent = true,
    .more_inputs = "initial_state",
    .group_inputs = group_states,
    .check = check_rnn,
    .output_shape = rnn_shape,
    .output_shape_of = rnn_shapes,
    .output_count = rnn_outputs,
    .build = build_rnn,
    .call = call_rnn,
    .call_many = call_rnn_of,
};

kiln_layer *kiln_rnn_with(const kiln_rnn_args *args)
{
    kiln_layer *layer = layer_new(&rnn_class);
    if (layer == NULL) {
        kiln_layer_free(args->cell);
        return NULL;
    }
    *recurrent_options_in(layer) =
        recurrent_options_of(args->return_sequences, args->return_state, args->go_backwards,
                             args->stateful, args->zero_output_for_mask);
    kiln_status status = layer_set_inner(layer, 0, args->cell);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    if (status == KILN_OK && args->trainable == KILN_NO)
        status = kiln_layer_set_trainable(layer, 0);
    return layer_finish(layer, status);
}
