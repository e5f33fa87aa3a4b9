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

kiln_status model_build_graph(kiln_model *model, layer_call *call, const ir_id *inputs,
                              ir_id *outputs)
{
    ir_id *made = mem_new(model->call_count, sizeof *made),
          *masks = mem_new(model->call_count, sizeof *masks);
    if (made == NULL || masks == NULL) {
        free(made);
        free(masks);
        return KILN_ERROR_MEMORY;
    }
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < model->call_count && status == KILN_OK; i++) {
        const model_call *c = &model->calls[i];
        made[i] = masks[i] = IR_NONE;
        for (size_t k = 0; k < model->input_count; k++)
            if (model->inputs[k] == (int)i)
                made[i] = inputs[k];
        if (made[i] != IR_NONE || c->input_count == 0)
            continue;
        ir_id from[MODEL_MAX_LAYER_INPUTS], from_masks[MODEL_MAX_LAYER_INPUTS];
        for (int k = 0; k < c->input_count; k++) {
            from[k] = made[c->inputs[k]];
            from_masks[k] = masks[c->inputs[k]];
        }
        call->masks = from_masks;
        call->mask = c->layer->cls->passes_mask ? from_masks[0] : IR_NONE;
        status = ir_set_place(call->graph, c->layer->name);
        if (status == KILN_OK)
            status = c->layer->cls->call_many
                         ? c->layer->cls->call_many(c->layer, call, c->input_count, from, &made[i])
                         : c->layer->cls->call(c->layer, call, from[0], &made[i]);
        if (status != KILN_OK)
            kiln_fail_in("%s", layer_label(c->layer));
        masks[i] = call->mask;
        call->masks = NULL;
    }
    for (size_t i = 0; i < model->layer_count && status == KILN_OK; i++) {
        status = ir_set_place(call->graph, model->layers[i]->name);
        if (status == KILN_OK)
            status = add_penalties(model->layers[i], call);
    }
    for (size_t i = 0; i < model->output_count && status == KILN_OK; i++) {
        outputs[i] = own_value(call->graph, made[model->outputs[i]]);
        if (call->output_masks)
            call->output_masks[i] = masks[model->outputs[i]];
    }
    for (size_t i = 0; i < model->output_count && status == KILN_OK; i++)
        if (outputs[i] == IR_NONE)
            status = kiln_last_status();
    free(made);
    free(masks);
    return status == KILN_OK ? ir_set_place(call->graph, NULL) : status;
}
