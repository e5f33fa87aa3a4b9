/* A plan's own copy of the graph it is asked to run, in which each value that is asked for has a
 * node that nothing else shares. */
#include "graph/plan_inside.h"
#include "op/conv.h"
#include "op/leaf.h"
#include "op/node.h"

#include <string.h>

static ir_id own_copy(ir_graph *g, ir_id id, int64_t number)
{
    return op_node(g, op_pointwise(F_IDENTITY), 1, &id, KILN_FLOAT32, g->items[id].shape,
                   &(ir_attributes){.integer = {0, number}});
}

/* A value that is asked for and lies in somebody else's memory (a source, a sequence's step) or
 * nowhere (it is computed in place: were the node itself asked for, everyone would read it from
 * memory and wait for it) gets a node of its own. */
static ir_id own_value(ir_graph *g, ir_id id, int64_t number)
{
    ir_id base = id;
    if (id == IR_NONE)
        return id;
    while (g->items[base].op->kind == OP_VIEW && g->items[base].op != &op_desc_scan_final)
        base = g->items[base].inputs[0];
    const ir_node *n = &g->items[base];
    g->place = g->items[id].place;
    return n->op->kind == OP_LEAF || n->op->kind == OP_SOURCE || n->op == &op_desc_scan_slice
               ? own_copy(g, id, number)
               : id;
}

/* The nodes that are asked for, in place of the request's. */
static kiln_status own_values(plan *p, plan_request *r, const plan_asked *own)
{
    ir_graph *g = &p->graph;
    int64_t number = -1;
    for (int i = 0; i < r->output_count; i++)
        if ((own->outputs[i] = own_value(g, r->outputs[i], number--)) == IR_NONE)
            return kiln_fail_null("an output of a plan");
    for (int i = 0; i < r->accumulator_count; i++)
        if ((own->accumulators[i] = own_value(g, r->accumulators[i], number--)) == IR_NONE)
            return kiln_fail_null("an accumulator of a plan");
    for (int i = 0; i < r->assign_count; i++) {
        own->assigns[i] = r->assigns[i];
        if (r->assigns[i].value == IR_NONE)
            return kiln_fail_null("a value to assign");
        g->place = g->items[r->assigns[i].value].place;
        if ((own->assigns[i].value = own_copy(g, r->assigns[i].value, number--)) == IR_NONE)
            return kiln_last_status();
        kiln_shape from = g->items[own->assigns[i].value].shape, to = r->assigns[i].weight->shape;
        if (kiln_shape_size(from) != kiln_shape_size(to))
            return kiln_fail(KILN_ERROR_SHAPE, "%s of shape %s is assigned a value of shape %s",
                             r->assigns[i].weight->path, ir_shape_text(to), ir_shape_text(from));
    }
    if (r->loss != IR_NONE && (r->loss = own_value(g, r->loss, number)) == IR_NONE)
        return kiln_last_status();
    r->outputs = own->outputs;
    r->accumulators = own->accumulators;
    r->assigns = own->assigns;
    return KILN_OK;
}

/* Convolutions of one group that CLBlast is to do, become matrix products of their windows, which
 * are then written down: where it is asked for, and where it is faster at the product on a device
 * that is no CPU (of whose convolutions none copies its windows). */
static kiln_status choose_engines(plan *p, const plan_request *r)
{
    for (size_t i = 0; i < p->graph.count; i++) {
        ir_node *n = &p->graph.items[i];
        if ((n->op != &op_desc_conv && n->op != &op_desc_conv_weight_gradient) ||
            n->attr.integer[0] != 1)
            continue;
        blas_convolution c = op_conv_product(&p->graph, n);
        blas_product product = blas_convolution_product(&c);
        uint64_t bytes = 4 * (uint64_t)kiln_shape_size(p->graph.items[n->attr.integer[2]].shape),
                 most = p->device->info.largest_allocation;
        blas_engine wanted = r->engine;
        if (wanted == BLAS_AUTO)
            KILN_TRY(blas_engine_asked(&wanted));
        if (wanted == BLAS_TILE || (most && bytes > most) ||
            (wanted == BLAS_AUTO && p->device->info.type == KILN_DEVICE_CPU))
            continue;
        blas_choice choice;
        product.stride_a[0] = product.m * product.k; /* as it will lie */
        KILN_TRY(blas_choose(p->device, wanted, &product, false, &choice));
        if (choice.engine == BLAS_CLBLAST)
            op_conv_to_matmul(n);
    }
    return KILN_OK;
}

/* A graph of the plan's own, in which each gradient has a node that nothing else shares. */
kiln_status plan_copy_graph(plan *p, plan_request *r, const plan_asked *own_of)
{
    size_t more =
        2 * (size_t)(r->update_count + r->output_count + r->accumulator_count + r->assign_count) +
        8;
    const ir_graph *g = r->graph;
    p->graph = (ir_graph){0};
    p->graph.items = mem_new(g->count + more, sizeof *p->graph.items);
    p->graph.scans = mem_new(g->scan_count, sizeof *p->graph.scans);
    if (!p->graph.items || !p->graph.scans)
        return KILN_ERROR_MEMORY;
    memcpy(p->graph.items, g->items, g->count * sizeof *g->items);
    p->graph.count = g->count;
    p->graph.capacity = g->count + more;
    for (size_t i = 0; i < g->scan_count; i++) {
        p->graph.scans[i] = g->scans[i];
        p->graph.scans[i].state_capacity = g->scans[i].state_count;
        p->graph.scans[i].states = mem_new(g->scans[i].state_count, sizeof *g->scans[i].states);
        if (!p->graph.scans[i].states)
            return KILN_ERROR_MEMORY;
        memcpy(p->graph.scans[i].states, g->scans[i].states,
               g->scans[i].state_count * sizeof *g->scans[i].states);
        p->graph.scan_count = i + 1;
    }
    for (size_t i = 0; i < g->count; i++) { /* the names too: launches show them */
        if (g->items[i].place && (i == 0 || g->items[i].place != g->items[i - 1].place))
            KILN_TRY(ir_set_place(&p->graph, g->items[i].place));
        p->graph.items[i].place = g->items[i].place ? p->graph.place : NULL;
    }
    KILN_TRY(choose_engines(p, r));
    for (int i = 0; i < r->update_count; i++) {
        kiln_shape shape = r->updates[i].weight->shape;
        ir_id gradient = r->updates[i].gradient;
        if (gradient == IR_NONE)
            gradient = op_broadcast(&p->graph, op_constant(&p->graph, 0.0), shape);
        if (gradient == IR_NONE)
            return kiln_last_status();
        if (!ir_shape_equal(p->graph.items[gradient].shape, shape))
            return kiln_fail(KILN_ERROR_SHAPE, "the gradient of %s has shape %s, not %s",
                             r->updates[i].weight->path,
                             ir_shape_text(p->graph.items[gradient].shape), ir_shape_text(shape));
        p->graph.place = p->graph.items[gradient].place;
        ir_id own = op_node(&p->graph, op_pointwise(F_IDENTITY), 1, &gradient, KILN_FLOAT32, shape,
                            &(ir_attributes){.integer = {0, 1 + i}});
        if (own == IR_NONE)
            return kiln_last_status();
        own_of->updates[i] = (plan_update){r->updates[i].weight, own};
    }
    r->updates = own_of->updates;
    return own_values(p, r, own_of);
}
