/* Right sides of products in loops over time: they are the same at each step, so they are laid out
 * once, before the loop, the way the product's kernel reads them. */
#include "graph/plan_inside.h"
#include "op/leaf.h"
#include "op/node.h"

/* Laying out pays when it is read often enough. */
#define LEAST_STEPS 4

/* Columns of op(B) in panels, one behind the other: (n / panel, k, panel). */
static ir_id in_panels(ir_graph *g, ir_id right, const blas_product *p, int64_t panel)
{
    static const int rows[] = {1, 0, 2}, columns[] = {0, 2, 1};
    if (p->transpose_b)
        return op_transpose(g, op_reshape(g, right, (kiln_shape){3, {p->n / panel, panel, p->k}}),
                            columns);
    return op_transpose(g, op_reshape(g, right, (kiln_shape){3, {p->k, p->n / panel, panel}}),
                        rows);
}

kiln_status plan_lay_out_panels(plan *p)
{
    ir_graph *g = &p->graph;
    for (size_t i = 0, count = g->count; i < count; i++) {
        const ir_node n = g->items[i];
        if (n.scope == 0 || n.op != &op_desc_matmul || n.shape.rank != 2 ||
            g->items[n.inputs[1]].scope != 0 || g->scans[n.scope - 1].steps < LEAST_STEPS)
            continue;
        blas_product product = graph_product(g, &n);
        int64_t panel = blas_panel(p->device, &product, chain_loop_rows(p->device, product.m));
        if (panel == 0)
            continue;
        ir_set_place(g, n.place);
        ir_id right = in_panels(g, n.inputs[1], &product, panel);
        if (right == IR_NONE)
            return kiln_last_status();
        g->items[i].inputs[1] = right;
        g->items[i].attr.integer[1] = 0;
        g->items[i].attr.integer[2] = panel;
    }
    return KILN_OK;
}
