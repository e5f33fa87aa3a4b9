/* Values that are kept as half between launches, where a plan asks for it: activations and their
 * gradients. Everything is computed with float32, so a value is rounded once, when it is stored, and
 * one that stays within a launch is not rounded at all. Statistics, sums, losses, weights and their
 * gradients, the states of loops and what is read from outside stay float32. */
#include "graph/inside.h"
#include "op/leaf.h"

#include <string.h>

/* Whether a value follows from weights. What does not (data, positions, draws) may be numbers of
 * things, as is the index of the largest: half has whole numbers up to 2048. */
static bool follows_from_weights(const builder *b, ir_id id)
{
    const ir_node *n = &b->g->items[id];
    if (n->op == &op_desc_weight)
        return true;
    if (n->op == &op_desc_reduce[R_ARGMAX])
        return false;
    for (int k = 0; k < n->input_count; k++)
        if (b->half[n->inputs[k]])
            return true;
    return false;
}

/* A node of a layer that wants float32. */
static bool is_float(const plan_request *r, const char *where)
{
    for (size_t i = 0; where && i < r->float_count; i++)
        if (strcmp(where, r->float_places[i]) == 0)
            return true;
    return false;
}

static bool is_plain(const builder *b, ir_id id)
{
    const ir_node *n = &b->g->items[id];
    const int number = b->cluster_of[id], rank = n->shape.rank;
    if (b->required[id] || b->fixed[id].memory || b->update_of[id] >= 0 || b->assign_of[id] >= 0 ||
        b->state_of[id] != IR_NONE || b->stacked[id] || n->scope != 0 ||
        n->op->kind == OP_SOURCE || n->op == &op_desc_scan_state ||
        n->op == &op_desc_max_pool_index)
        return false;
    if (number >= 0 && b->clusters[number].kind == CLUSTER_REDUCE)
        return false;
    if (n->place && (strcmp(n->place, "metrics") == 0 ||
                     (strcmp(n->place, "loss") == 0 && id <= b->request->loss)))
        return false;
    if (is_float(b->request, n->place))
        return false;
    return rank >= 2 && n->shape.dims[rank - 1] > 1;
}

static void keep_float(builder *b, ir_id id)
{
    ir_id base = through_views(b, id);
    b->half[base] = false;
    if (b->joined_to[base] != IR_NONE)
        b->half[b->joined_to[base]] = false;
}

/* What a product's kernel can only take as float. */
static void keep_operands(builder *b, int number)
{
    const cluster *c = &b->clusters[number];
    const ir_node *n = &b->g->items[c->anchor];
    const bool is_matmul = n->op == &op_desc_matmul;
    if (is_matmul && c->choice.engine != BLAS_CLBLAST) {
        if (n->attr.integer[2]) /* panels */
            keep_float(b, n->inputs[1]);
        return;
    }
    if (c->choice.engine != BLAS_CLBLAST && !c->choice.serial)
        return;
    ir_id through = pooling_source(b, c->anchor);
    for (int k = 0; k < n->input_count; k++)
        keep_float(b, n->inputs[k]);
    for (int k = 0; through != IR_NONE && k < b->g->items[through].input_count; k++)
        keep_float(b, b->g->items[through].inputs[k]);
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number)
            keep_float(b, (ir_id)i);
}

void half_storage(builder *b)
{
    if (!b->request->half)
        return;
    for (size_t i = 0; i < b->count; i++)
        b->half[i] = follows_from_weights(b, (ir_id)i);
    for (size_t i = 0; i < b->count; i++)
        b->half[i] = b->half[i] && is_plain(b, (ir_id)i);
    for (size_t i = 0; i < b->cluster_count; i++)
        if (!b->clusters[i].dead && b->clusters[i].kind == CLUSTER_PRODUCT)
            keep_operands(b, (int)i);
}
