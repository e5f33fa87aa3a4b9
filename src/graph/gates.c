/* A recurrent layer's step as one launch, on devices whose work-items are threads: the product of
 * the state makes the units of several gates side by side, and the cell takes, for each unit, its
 * value of every gate. Where a work-item owns those columns of the product together, the cell is
 * computed where the product is stored. (Elsewhere a chain does the same: see chain.c.) */
#include "base/env.h"
#include "graph/cluster.h"
#include "op/conv.h"
#include "op/leaf.h"

/* The gate that a node cuts from a value of an anchor's size; -1: none. */
static int64_t gate_cut(const builder *b, ir_id id, ir_id anchor)
{
    const ir_node *n = &b->g->items[id];
    if (n->op != &op_desc_slice)
        return -1;
    kiln_shape whole = b->g->items[anchor].shape, from = b->g->items[n->inputs[0]].shape;
    int axis = from.rank - 1;
    int64_t width = whole.dims[whole.rank - 1], units = n->shape.dims[axis];
    bool fits = (int)n->attr.integer[1] == axis && n->attr.number[0] == 1.0 &&
                from.dims[axis] == width && kiln_shape_size(from) == kiln_shape_size(whole) &&
                width % units == 0 && n->attr.integer[0] % units == 0;
    return fits ? n->attr.integer[0] / units : -1;
}

int64_t gates_of_slice(const builder *b, ir_id id, int number)
{
    const cluster *c = &b->clusters[number];
    return c->gates && cluster_is(b, b->g->items[id].inputs[0], number) ? gate_cut(b, id, c->anchor)
                                                                        : -1;
}

/* Whether all that a product's cluster stores can be stored gate by gate. */
static bool is_plain(const work *w, int product)
{
    const builder *b = w->b;
    int64_t elements = graph_elements(b, b->clusters[product].anchor);
    for (int m = w->head[product]; m >= 0; m = w->next_member[m])
        if (graph_elements(b, m) != elements || b->joined_to[m] != IR_NONE ||
            b->update_of[m] >= 0 || b->assign_of[m] >= 0)
            return false;
    return true;
}

/* The cluster that reads a product gate by gate, and how many gates there are; -1: none, or it is
 * not the only one, or it reads the product otherwise too. */
static int find_cell(const work *w, int product, int64_t *gates)
{
    const builder *b = w->b;
    int64_t elements = graph_elements(b, b->clusters[product].anchor);
    int cell = -1;
    for (int m = w->head[product]; m >= 0; m = w->next_member[m])
        for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++) {
            const edge *x = &w->edges.items[e];
            int to = b->cluster_of[x->to];
            if (to == product || x->order || b->clusters[to].scope != b->clusters[product].scope)
                continue;
            if ((cell >= 0 && to != cell) || x->joined || b->clusters[to].kind != CLUSTER_POINTWISE)
                return -1;
            cell = to;
        }
    *gates = cell >= 0 && b->clusters[cell].elements ? elements / b->clusters[cell].elements : 0;
    return cell >= 0 && *gates > 1 && *gates <= GATES_MOST &&
                   b->clusters[cell].elements * *gates == elements
               ? cell
               : -1;
}

/* Whether a cell reads its product through whole gates alone. `mark`: these edges are then taken at
 * the product's own index. */
static bool reads_gates(work *w, int product, int cell, bool mark)
{
    const builder *b = w->b;
    for (int m = w->head[product]; m >= 0; m = w->next_member[m])
        for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++) {
            edge *x = &w->edges.items[e];
            if (b->cluster_of[x->to] != cell || x->order)
                continue;
            if (gate_cut(b, x->to, b->clusters[product].anchor) < 0 ||
                graph_elements(b, x->to) != b->clusters[cell].elements)
                return false;
            x->fusable |= mark;
        }
    return true;
}

static void join(work *w, int product)
{
    builder *b = w->b;
    const ir_node *n = &b->g->items[b->clusters[product].anchor];
    int64_t gates;
    int cell = find_cell(w, product, &gates);
    if (cell < 0 || !is_plain(w, product) || !reads_gates(w, product, cell, false) ||
        cluster_indirect_path(w, product, cell) ||
        (n->op != &op_desc_matmul &&
         (n->op != &op_desc_conv || op_conv_product(b->g, n).groups > 1)))
        return;
    blas_product shape = graph_product(b->g, n);
    blas_choice choice;
    if (!blas_choose_gates(b->device, &shape, gates, &choice))
        return;
    reads_gates(w, product, cell, true);
    cluster_absorb(w, product, cell);
    b->clusters[cell].choice = choice;
    b->clusters[cell].gates = gates;
}

void gates_join(work *w)
{
    const builder *b = w->b;
    if (b->device->serial_kernels || env_debug("no-gates"))
        return;
    for (size_t i = 0; i < b->cluster_count; i++) {
        const cluster *c = &b->clusters[i];
        if (!c->dead && c->scope && c->kind == CLUSTER_PRODUCT && c->pooled == IR_NONE &&
            c->choice.engine == BLAS_TILE && !c->choice.serial && !c->gates)
            join(w, (int)i);
    }
}
