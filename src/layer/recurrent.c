/* Layers of cells, one behind the other: sequences, masks and states. */
#include "layer/recurrent.h"

#include <string.h>

recurrent_options recurrent_options_of(kiln_choice return_sequences, kiln_choice return_state,
                                       kiln_choice go_backwards, kiln_choice stateful,
                                       kiln_choice zero_output_for_mask)
{
    return (recurrent_options){.return_sequences = return_sequences == KILN_YES,
                               .return_state = return_state == KILN_YES,
                               .go_backwards = go_backwards == KILN_YES,
                               .stateful = stateful == KILN_YES,
                               .zero_output_for_mask = zero_output_for_mask == KILN_YES};
}

static int64_t units_of(const kiln_layer *cell)
{
    return ((const recurrent_config *)cell->config)->units;
}

kiln_status recurrent_shapes_of(const kiln_layer *layer, int states, const kiln_shape *state,
                                kiln_shape step, int count, const kiln_shape *inputs,
                                kiln_shape *output)
{
    const recurrent_options *o = recurrent_options_in(layer);
    output[0] = step;
    if (o->return_sequences) {
        output[0] = (kiln_shape){.rank = step.rank + 1, .dims = {inputs[0].dims[0]}};
        memcpy(&output[0].dims[1], step.dims, (size_t)step.rank * sizeof *step.dims);
    }
    for (int i = 0; o->return_state && i < states; i++)
        output[1 + i] = state[i];
    if (count > 1 && count != 1 + states)
        return kiln_fail(KILN_ERROR_ARGUMENT, "it is given %d state%s to start with; it has %d",
                         count - 1, count == 2 ? "" : "s", states);
    for (int i = 0; i < count - 1; i++)
        if (!ir_shape_equal(inputs[1 + i], state[i]))
            return kiln_fail(KILN_ERROR_SHAPE, "state %d that it starts with is %s, not %s", i + 1,
                             ir_shape_text(inputs[1 + i]), ir_shape_text(state[i]));
    return KILN_OK;
}

kiln_status recurrent_shapes(const kiln_layer *layer, int cells, kiln_layer *const *cell, int count,
                             const kiln_shape *inputs, kiln_shape *output)
{
    kiln_shape state[RECURRENT_MAX_CELLS * CELL_MAX_STATES], input = inputs[0];
    int states = 0;
    if (input.rank != 2)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its input %s has %d axes besides the batch; it takes 2 (steps, features)",
                         ir_shape_text(input), input.rank);
    for (int i = 0; i < cells; i++)
        for (int k = 0; k < cell_states(cell[i]); k++)
            state[states++] = (kiln_shape){1, {units_of(cell[i])}};
    kiln_shape step = {1, {units_of(cell[cells - 1])}};
    return recurrent_shapes_of(layer, states, state, step, count, inputs, output);
}

ir_id recurrent_swap(ir_graph *g, ir_id x)
{
    int order[KILN_MAX_RANK] = {1, 0};
    for (int i = 2; i < KILN_MAX_RANK; i++)
        order[i] = i;
    return op_transpose(g, x, order);
}

kiln_status recurrent_mask(layer_call *call, ir_id input, ir_id *mask)
{
    ir_graph *g = call->graph;
    KILN_TRY(layer_mask_for(call, 0, input, mask));
    if (*mask == IR_NONE)
        return KILN_OK;
    kiln_shape given = g->items[layer_mask(call, 0)].shape;
    if (given.rank != 2)
        return kiln_fail(KILN_ERROR_SHAPE, "the mask %s of its input is not one of (batch, steps)",
                         ir_shape_text(given));
    *mask = recurrent_swap(g, *mask);
    return *mask == IR_NONE ? kiln_last_status() : KILN_OK;
}

kiln_status recurrent_call(kiln_layer *layer, layer_call *call, int cells, kiln_layer *const *cell,
                           int count, const ir_id *inputs, ir_id *output)
{
    ir_graph *g = call->graph;
    const recurrent_options *o = recurrent_options_in(layer);
    ir_id x = recurrent_swap(g, inputs[0]), mask = IR_NONE;
    int next = 1, given = 1;
    if (x == IR_NONE)
        return kiln_last_status();
    /* Keras hands a layer that starts with given states no mask: all steps run. The mask goes on to
     * the layers behind all the same. */
    if (count == 1)
        KILN_TRY(recurrent_mask(call, inputs[0], &mask));
    int64_t steps = g->items[x].shape.dims[0];
    cell_pass run = {.mask = mask};
    for (int i = 0; i < cells; i++) {
        bool last = i == cells - 1;
        run = (cell_pass){.backwards = o->go_backwards,
                          .zeros = last && o->zero_output_for_mask,
                          .sequences = !last || o->return_sequences,
                          .finals = o->return_state || o->stateful,
                          .mask = mask,
                          .initial = {IR_NONE, IR_NONE}};
        for (int k = 0; k < cell_states(cell[i]); k++)
            if (count > 1)
                run.initial[k] = inputs[given++];
            else if (o->stateful)
                run.initial[k] = layer_current(call, cell_state(cell[i], k));
        KILN_TRY(cell_kind_of(cell[i]) == CELL_CONV_LSTM ? conv_cell_run(cell[i], call, x, &run)
                                                         : cell_run(cell[i], call, x, &run));
        for (int k = 0; k < cell_states(cell[i]); k++) {
            if (o->return_state)
                output[next++] = run.states[k];
            if (o->stateful)
                KILN_TRY(layer_assign(call, cell_state(cell[i], k), run.states[k]));
        }
        x = run.sequence;
    }
    if (!o->return_sequences) {
        output[0] = run.last;
        return KILN_OK;
    }
    call->mask = layer_mask(call, 0);
    output[0] = recurrent_swap(g, run.sequence);
    if (o->go_backwards) /* in the order of execution */
        output[0] = op_slice(g, output[0], 1, steps - 1, steps, -1);
    return output[0] == IR_NONE ? kiln_last_status() : KILN_OK;
}
