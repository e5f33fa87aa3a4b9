/* The graph of a model's calls. */
#include "model/model.h"

/* The penalties of a layer's weights; frozen weights have none, as in Keras. */
static kiln_status add_penalties(const kiln_layer *layer, layer_call *call)
{
    for (size_t i = 0; i < layer->weight_count && layer->trainable; i++) {
        const layer_weight *w = layer->weights[i];
        if (w->regularizer && w->weight.trainable)
            KILN_TRY(layer_add_penalty(
                call, regularizer_apply(call->graph, w->regularizer,
                                        op_weight(call->graph, (ir_weight *)&w->weight))));
    }
    return KILN_OK;
}

/* A plan keeps outputs in memory of its own, so an output that is an input under another shape is
 * copied. */
static ir_id own_value(ir_graph *g, ir_id output)
{
    ir_id from = output;
    while (g->items[from].op->kind == OP_VIEW && g->items[from].input_count > 0)
        from = g->items[from].inputs[0];
    return g->items[from].op->kind == OP_SOURCE ? op_unary(g, F_IDENTITY, output) : output;
}

/* What a layer's nodes are called by: its name, and those of the models around it. */
static kiln_status set_place(const layer_call *call, const kiln_layer *layer)
{
    if (call->within == NULL)
        return ir_set_place(call->graph, layer->name);
    char *place = str_format("%s/%s", call->within, layer->name);
    kiln_status status = place ? ir_set_place(call->graph, place) : KILN_ERROR_MEMORY;
    free(place);
    return status;
}

static kiln_status note_float(layer_call *call)
{
    KILN_TRY(mem_grow(&call->float_places, &call->float_capacity, call->float_count + 1,
                      sizeof *call->float_places));
    char *place = str_copy(call->graph->place);
    call->float_places[call->float_count] = place;
    call->float_count += place != NULL;
    return place ? KILN_OK : KILN_ERROR_MEMORY;
}

/* Calls the layer of call i; made and masks get what it makes. */
static kiln_status call_layer(const kiln_model *model, size_t i, layer_call *call, ir_id *made,
                              ir_id *masks)
{
    const model_call *c = &model->calls[i];
    ir_id from[MODEL_MAX_LAYER_INPUTS], from_masks[MODEL_MAX_LAYER_INPUTS];
    for (int k = 0; k < c->input_count; k++) {
        from[k] = made[c->inputs[k]];
        from_masks[k] = masks[c->inputs[k]];
    }
    call->masks = from_masks;
    call->mask = c->layer->cls->passes_mask ? from_masks[0] : IR_NONE;
    for (int k = 0; k < LAYER_MAX_OUTPUTS; k++)
        call->other_masks[k] = IR_NONE;
    kiln_status status = set_place(call, c->layer);
    if (status == KILN_OK && call->mixed && !c->layer->mixed && model_within(c->layer) == NULL)
        status = note_float(call);
    if (status == KILN_OK)
        status = layer_apply(c->layer, call, c->input_count, from, &made[i]);
    if (status != KILN_OK)
        kiln_fail_in("%s", layer_label(c->layer));
    masks[i] = call->mask;
    for (int k = 1; k < layer_output_count(c->layer); k++)
        masks[i + (size_t)k] = call->other_masks[k];
    call->masks = NULL;
    return status;
}

kiln_status model_call_graph(const kiln_model *model, layer_call *call, const ir_id *inputs,
                             const ir_id *input_masks, ir_id *outputs, ir_id *output_masks)
{
    ir_id *made = mem_new(model->call_count, sizeof *made),
          *masks = mem_new(model->call_count, sizeof *masks);
    kiln_status status = made && masks ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < model->call_count && status == KILN_OK; i++)
        made[i] = masks[i] = IR_NONE;
    for (size_t k = 0; k < model->input_count && status == KILN_OK; k++) {
        made[model->inputs[k]] = inputs[k];
        masks[model->inputs[k]] = input_masks[k];
    }
    for (size_t i = 0; i < model->call_count && status == KILN_OK; i++)
        if (model->calls[i].input_count > 0 && model->calls[i].output == 0)
            status = call_layer(model, i, call, made, masks);
    for (size_t i = 0; i < model->output_count && status == KILN_OK; i++) {
        outputs[i] = made[model->outputs[i]];
        output_masks[i] = masks[model->outputs[i]];
        if (outputs[i] == IR_NONE)
            status = kiln_last_status();
    }
    free(made);
    free(masks);
    return status;
}

kiln_status model_build_graph(kiln_model *model, layer_call *call, const ir_id *inputs,
                              ir_id *outputs)
{
    ir_id *none = mem_new(model->input_count, sizeof *none),
          *masks = mem_new(model->output_count, sizeof *masks);
    kiln_status status = none && masks ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < model->input_count && status == KILN_OK; i++)
        none[i] = IR_NONE;
    if (status == KILN_OK)
        status = model_call_graph(model, call, inputs, none, outputs, masks);
    for (size_t i = 0; i < model->leaf_count && status == KILN_OK; i++) {
        status = ir_set_place(call->graph, model->leaves[i]->name);
        if (status == KILN_OK)
            status = add_penalties(model->leaves[i], call);
    }
    for (size_t i = 0; i < model->output_count && status == KILN_OK; i++) {
        outputs[i] = own_value(call->graph, outputs[i]);
        if (call->output_masks)
            call->output_masks[i] = masks[i];
        if (outputs[i] == IR_NONE)
            status = kiln_last_status();
    }
    free(none);
    free(masks);
    return status == KILN_OK ? ir_set_place(call->graph, NULL) : status;
}
