/* Clusters are merged along edges where the consumer can compute the producer's value at the index
 * it needs, as long as no other path leads from one to the other. */
#include "graph/cluster.h"
#include "op/conv.h"
#include "op/leaf.h"

#include <string.h>

static int push(work *w, int depth, int c)
{
    const builder *b = w->b;
    if (w->stamp[c] == w->search)
        return depth;
    w->stamp[c] = w->search;
    w->stack[depth++] = c;
    int scope = b->clusters[c].scope;
    if (scope) /* a loop is one thing to everything outside it */
        for (size_t i = 0; i < b->cluster_count; i++)
            if (!b->clusters[i].dead && b->clusters[i].scope == scope && w->stamp[i] != w->search) {
                w->stamp[i] = w->search;
                w->stack[depth++] = (int)i;
            }
    return depth;
}

bool cluster_indirect_path(work *w, int from, int to)
{
    const builder *b = w->b;
    int depth = 0, scope = b->clusters[from].scope;
    w->search++;
    w->stamp[from] = w->search;
    w->stack[depth++] = from;
    while (depth > 0) {
        int current = w->stack[--depth];
        for (int m = w->head[current]; m >= 0; m = w->next_member[m])
            for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++) {
                int c = b->cluster_of[w->edges.items[e].to];
                if (c == current)
                    continue;
                if (c == to) {
                    if (current != from)
                        return true;
                } else if (scope && b->clusters[c].scope == scope) {
                    if (w->stamp[c] != w->search) {
                        w->stamp[c] = w->search;
                        w->stack[depth++] = c;
                    }
                } else {
                    depth = push(w, depth, c);
                }
            }
    }
    return false;
}

static bool all_edges(const work *w, int from, int to, bool nothing_else)
{
    const builder *b = w->b;
    for (int m = w->head[from]; m >= 0; m = w->next_member[m]) {
        if (nothing_else && b->required[m])
            return false;
        for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++) {
            int c = b->cluster_of[w->edges.items[e].to];
            if (c == to && !w->edges.items[e].fusable)
                return false;
            if (nothing_else && c != to && c != from && !w->edges.items[e].order)
                return false;
        }
    }
    return true;
}

/* A product in a loop that is going to be a chain: what follows it is in the same launch anyway, and takes less time
 * there, row by row, than for each tile of registers. */
static bool is_link_of_loop(const builder *b, const cluster *c)
{
    return c->scope && b->device->serial_kernels && !(b->device->avoid & DEVICE_AVOID_CHAINS) &&
           b->g->items[c->anchor].op == &op_desc_matmul;
}

/* Whether every consumer of the product in `to` reads it at its own index: a product that is also
 * read transposed, say, is not (that is a memory edge and was refused before). */
static bool can_merge(work *w, int from, int to)
{
    const builder *b = w->b;
    const cluster *a = &b->clusters[from], *c = &b->clusters[to];
    if (a->scope != c->scope)
        return false;
    if (c->kind == CLUSTER_REDUCE) {
        /* In front of a reduction: only values nobody else wants. */
        if (a->kind != CLUSTER_POINTWISE || a->elements != c->before ||
            !all_edges(w, from, to, true))
            return false;
    } else if (c->kind == CLUSTER_STATE) {
        if (a->kind != CLUSTER_POINTWISE || a->elements != c->elements ||
            !all_edges(w, from, to, true))
            return false;
    } else if (c->kind == CLUSTER_POINTWISE) {
        if (a->kind == CLUSTER_STATE || a->elements != c->elements ||
            !all_edges(w, from, to, false))
            return false;
        if (a->kind == CLUSTER_PRODUCT && (a->choice.engine == BLAS_CLBLAST || is_link_of_loop(b, a)))
            return false;
    } else if (c->scope) {
        /* Beside a product in a loop, whose time step had better be one launch: what only follows it. */
        if (a->kind != CLUSTER_POINTWISE || c->choice.engine == BLAS_CLBLAST || a->elements != c->elements ||
            !all_edges(w, from, to, true))
            return false;
    } else {
        return false;
    }
    return !cluster_indirect_path(w, from, to);
}

void cluster_absorb(work *w, int from, int to)
{
    builder *b = w->b;
    cluster *a = &b->clusters[from], *c = &b->clusters[to];
    if (a->anchor != IR_NONE) { /* the epilogue joins its anchor: keep the anchor's record */
        c->kind = a->kind;
        c->anchor = a->anchor;
        c->before = a->before;
        c->choice = a->choice;
        c->pooled = a->pooled;
        memcpy(c->also, a->also, sizeof c->also);
        c->also_count = a->also_count;
    }
    if (a->first < c->first)
        c->first = a->first;
    for (int m = w->head[from]; m >= 0; m = w->next_member[m])
        b->cluster_of[m] = to;
    w->next_member[w->tail[from]] = w->head[to];
    w->head[to] = w->head[from];
    a->dead = true;
}

/* ---- sums over the same elements, in one pass ---- */

/* What an element-wise value is made of, down to what is read from memory: nodes, or (negative) the
 * clusters that make them. */
#define BASES 32
typedef struct bases {
    int items[BASES];
    int count;
} bases;

static void find_bases(const builder *b, ir_id id, int64_t size, bases *out)
{
    id = through_views(b, id);
    const ir_node *n = &b->g->items[id];
    if (b->inlined[id] || graph_elements(b, id) != size || out->count == BASES)
        return;
    int key = b->cluster_of[id] >= 0 ? -1 - b->cluster_of[id] : (int)id;
    for (int i = 0; i < out->count; i++)
        if (out->items[i] == key)
            return;
    out->items[out->count++] = key;
    for (int k = 0; k < n->input_count && n->op->kind == OP_POINTWISE; k++)
        find_bases(b, n->inputs[k], size, out);
}

static bool share_bases(const builder *b, ir_id x, ir_id y)
{
    bases of_x = {.count = 0}, of_y = {.count = 0};
    find_bases(b, x, graph_elements(b, x), &of_x);
    find_bases(b, y, graph_elements(b, y), &of_y);
    for (int i = 0; i < of_x.count; i++)
        for (int k = 0; k < of_y.count; k++)
            if (of_x.items[i] == of_y.items[k])
                return true;
    return false;
}

static bool leads_to(work *w, int from, int to)
{
    for (int m = w->head[from]; m >= 0; m = w->next_member[m])
        for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++)
            if (w->b->cluster_of[w->edges.items[e].to] == to)
                return true;
    return cluster_indirect_path(w, from, to);
}

static bool can_join(work *w, int first, int second)
{
    const builder *b = w->b;
    const cluster *c = &b->clusters[first], *d = &b->clusters[second];
    if (c->dead || d->dead || c->kind != CLUSTER_REDUCE || d->kind != CLUSTER_REDUCE || c->scope ||
        d->scope || c->also_count + 1 + d->also_count > CLUSTER_MORE_SUMS)
        return false;
    const ir_node *x = &b->g->items[c->anchor], *y = &b->g->items[d->anchor];
    return x->op == &op_desc_reduce[R_SUM] && y->op == x->op &&
           x->attr.integer[0] == y->attr.integer[0] && x->attr.integer[1] == y->attr.integer[1] &&
           ir_shape_equal(b->g->items[x->inputs[0]].shape, b->g->items[y->inputs[0]].shape) &&
           share_bases(b, x->inputs[0], y->inputs[0]) && !leads_to(w, first, second) &&
           !leads_to(w, second, first);
}

static void join_sums(work *w)
{
    builder *b = w->b;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < b->cluster_count; i++)
            for (size_t k = i + 1; k < b->cluster_count; k++) {
                if (!can_join(w, (int)i, (int)k))
                    continue;
                cluster *c = &b->clusters[i], *d = &b->clusters[k];
                c->also[c->also_count++] = d->anchor;
                for (int m = w->head[k]; m >= 0; m = w->next_member[m])
                    b->cluster_of[m] = (int)i;
                w->next_member[w->tail[i]] = w->head[k];
                w->tail[i] = w->tail[k];
                d->dead = changed = true;
            }
    }
}

static void merge_edges(work *w, bool to_joined_sums)
{
    const builder *b = w->b;
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t e = 0; e < w->edges.count; e++) {
            int from = b->cluster_of[w->edges.items[e].from],
                to = b->cluster_of[w->edges.items[e].to];
            if (from == to || !w->edges.items[e].fusable || w->edges.items[e].order ||
                (to_joined_sums && b->clusters[to].also_count == 0) || !can_merge(w, from, to))
                continue;
            cluster_absorb(w, from, to);
            changed = true;
        }
    }
}

kiln_status cluster_merge(work *w)
{
    builder *b = w->b;
    w->next_member = mem_new(b->count, sizeof *w->next_member);
    w->head = mem_new(b->cluster_count, sizeof *w->head);
    w->tail = mem_new(b->cluster_count, sizeof *w->tail);
    w->stamp = mem_new(b->cluster_count, sizeof *w->stamp);
    w->stack = mem_new(b->cluster_count + 1, sizeof *w->stack);
    if (!w->next_member || !w->head || !w->tail || !w->stamp || !w->stack)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < b->cluster_count; i++)
        w->head[i] = -1;
    for (size_t i = 0; i < b->count; i++) {
        w->next_member[i] = -1;
        int k = b->cluster_of[i];
        if (k < 0)
            continue;
        if (w->head[k] < 0)
            w->head[k] = (int)i;
        else
            w->next_member[w->tail[k]] = (int)i;
        w->tail[k] = (int)i;
    }
    join_sums(w);
    merge_edges(w, true); /* what leads to joined sums alone is not kept */
    merge_edges(w, false);
    return KILN_OK;
}
