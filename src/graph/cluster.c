/* Which nodes are computed together: every node that has to be computed starts as a cluster of its
 * own, with edges to those that read it; merge.c merges them, and here they get their order. */
#include "graph/cluster.h"
#include "op/conv.h"
#include "op/leaf.h"

#include <string.h>

int64_t graph_elements(const builder *b, ir_id id)
{
    return kiln_shape_size(b->g->items[id].shape);
}

ir_id through_views(const builder *b, ir_id id)
{
    return op_through_views(b->g, id);
}

bool cluster_is(const builder *b, ir_id id, int number)
{
    return b->cluster_of[through_views(b, id)] == number;
}

/* ---- what is alive, and what is computed in place ---- */
static void mark_live(builder *b, ir_id id)
{
    if (id == IR_NONE || b->live[id])
        return;
    const ir_node *n = &b->g->items[id];
    b->live[id] = true;
    ir_id through = pooling_source(b, id);
    for (int i = 0; i < n->input_count; i++)
        if (through == IR_NONE || through_views(b, n->inputs[i]) != through)
            mark_live(b, n->inputs[i]);
    for (int i = 0; through != IR_NONE && i < b->g->items[through].input_count; i++)
        mark_live(b, b->g->items[through].inputs[i]);
    if (n->op == &op_desc_scan_state) {
        ir_id next = b->g->scans[n->scope - 1].states[n->attr.integer[0]].next;
        b->state_of[next] = id;
        mark_live(b, next);
    }
}

static void require(builder *b, ir_id id)
{
    mark_live(b, id);
    if (id != IR_NONE)
        b->required[through_views(b, id)] = true;
}

/* A sequence or a final state that is asked for is kept in the memory of a body's value. */
static void require_owner(builder *b, ir_id id)
{
    if (id == IR_NONE)
        return;
    const ir_node *n = &b->g->items[through_views(b, id)];
    if (n->op != &op_desc_scan_stack && n->op != &op_desc_scan_final)
        return;
    ir_id inner = through_views(b, n->inputs[0]);
    b->required[b->state_of[inner] != IR_NONE ? b->state_of[inner] : inner] = true;
}

/* Whether node n reads input i from memory, whatever makes it. */
static bool reads_memory(const ir_node *n, int i)
{
    if (n->op->kind == OP_PRODUCT || n->op == &op_desc_scan_stack || n->op == &graph_joined)
        return true;
    if (n->op->kind != OP_INDEXED)
        return false;
    if (n->op == &op_desc_one_hot || n->op == &op_desc_scan_state)
        return false;
    if (n->op == &op_desc_pick || n->op == &op_desc_gather || n->op == &op_desc_max_pool_index)
        return i == 0;
    return true;
}

static void mark_inlined(builder *b)
{
    const ir_graph *g = b->g;
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &g->items[i];
        bool all = n->op->kind == OP_POINTWISE || n->op == &op_desc_reshape;
        for (int k = 0; k < n->input_count; k++)
            all &= b->inlined[n->inputs[k]];
        b->inlined[i] = n->op->kind == OP_LEAF || (all && b->state_of[i] == IR_NONE);
    }
    /* What is asked for or read from memory has to be stored, and is then read by everyone. */
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &g->items[i];
        if (!b->live[i])
            continue;
        if (b->required[i])
            b->inlined[i] = false;
        for (int k = 0; k < n->input_count; k++)
            if (reads_memory(n, k))
                b->inlined[through_views(b, n->inputs[k])] = false;
        ir_id through = pooling_source(b, (ir_id)i);
        for (int k = 0; through != IR_NONE && k < g->items[through].input_count; k++)
            b->inlined[through_views(b, g->items[through].inputs[k])] = false;
    }
    /* A view of a stored node is no longer computed in place. */
    for (size_t i = 0; i < b->count; i++)
        if (g->items[i].op == &op_desc_reshape)
            b->inlined[i] = b->inlined[g->items[i].inputs[0]];
}

/* ---- initial clusters ---- */
static bool is_cluster_node(const builder *b, size_t i)
{
    const ir_node *n = &b->g->items[i];
    if (!b->live[i] || b->inlined[i] || n->op->kind == OP_SOURCE || n->op->kind == OP_VIEW ||
        n->op == &op_desc_scan_slice)
        return false;
    return true;
}

blas_product graph_product(const ir_graph *g, const ir_node *n)
{
    if (n->op != &op_desc_matmul) {
        blas_convolution c = op_conv_product(g, n);
        return blas_convolution_product(&c);
    }
    const ir_node *x = &g->items[n->inputs[0]], *y = &g->items[n->inputs[1]];
    bool ta = n->attr.integer[0] != 0, tb = n->attr.integer[1] != 0;
    int rank = n->shape.rank;
    int64_t m = n->shape.dims[rank - 2], nn = n->shape.dims[rank - 1];
    int64_t k = x->shape.dims[x->shape.rank - (ta ? 2 : 1)];
    blas_product p = blas_plain(m, nn, k, ta, tb);
    p.panel = n->attr.integer[2];
    /* Batch axes, the inner one last; 0 strides broadcast. */
    for (int axis = 0; axis < rank - 2; axis++) {
        int from_end =
            rank - axis; /* counted from the end: this axis has index shape.rank - from_end */
        int slot = axis + (2 - (rank - 2));
        int64_t a = 0, c = m * nn, bb = 0;
        for (int j = axis + 1; j < rank - 2; j++)
            c *= n->shape.dims[j];
        if (x->shape.rank >= from_end && x->shape.dims[x->shape.rank - from_end] > 1)
            a = ir_strides(x->shape).dims[x->shape.rank - from_end];
        if (y->shape.rank >= from_end && y->shape.dims[y->shape.rank - from_end] > 1)
            bb = ir_strides(y->shape).dims[y->shape.rank - from_end];
        p.batch[slot] = n->shape.dims[axis];
        p.stride_a[slot] = a;
        p.stride_b[slot] = bb;
        p.stride_c[slot] = c;
    }
    return p;
}

static bool asks_for_clblast(const builder *b)
{
    blas_engine asked = b->request->engine;
    return asked == BLAS_CLBLAST ||
           (asked == BLAS_AUTO && blas_engine_asked(&asked) == KILN_OK && asked == BLAS_CLBLAST);
}

static kiln_status make_clusters(builder *b)
{
    for (size_t i = 0; i < b->count; i++)
        b->cluster_of[i] = -1;
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        if (!is_cluster_node(b, i))
            continue;
        cluster c = {.kind = CLUSTER_POINTWISE,
                     .anchor = IR_NONE,
                     .pooled = IR_NONE,
                     .elements = graph_elements(b, (ir_id)i),
                     .scope = n->scope,
                     .chain = -1,
                     .first = (int)i};
        c.before = c.elements;
        if (n->op->kind == OP_REDUCE) {
            c.kind = CLUSTER_REDUCE;
            c.anchor = (ir_id)i;
            c.before = graph_elements(b, n->inputs[0]);
        } else if (n->op->kind == OP_PRODUCT) {
            c.kind = CLUSTER_PRODUCT;
            c.anchor = (ir_id)i;
            blas_product p = graph_product(b->g, n);
            if (n->op == &op_desc_matmul) {
                /* A call of CLBlast sets arguments at each time step, and takes no cell behind it. */
                KILN_TRY(blas_choose(b->device, b->request->engine, &p,
                                     n->scope != 0 && !asks_for_clblast(b), &c.choice));
            } else {
                c.choice.engine = BLAS_TILE; /* pooling_join may have a say in the rest */
            }
        } else if (n->op == &op_desc_scan_state) {
            c.kind = CLUSTER_STATE;
            c.anchor = (ir_id)i;
            c.scope = 0;
        }
        KILN_TRY(mem_grow(&b->clusters, &b->cluster_capacity, b->cluster_count + 1,
                          sizeof *b->clusters));
        b->clusters[b->cluster_count] = c;
        b->cluster_of[i] = (int)b->cluster_count++;
    }
    pooling_join(b);
    for (size_t i = 0; i < b->cluster_count; i++) {
        cluster *c = &b->clusters[i];
        if (c->dead || c->kind != CLUSTER_PRODUCT || b->g->items[c->anchor].op == &op_desc_matmul)
            continue;
        blas_convolution v = graph_convolution(b, c->anchor);
        KILN_TRY(blas_choose_convolution(b->device, &v, &c->choice));
    }
    return KILN_OK;
}

/* ---- edges ---- */
static kiln_status add_edge(work *w, ir_id from, ir_id to, bool fusable)
{
    KILN_TRY(MEM_PUSH_ROOM(&w->edges));
    w->edges.items[w->edges.count++] = (edge){from, to, fusable, false, false};
    return KILN_OK;
}

/* A weight gets its next value, that of node `next`, after everything that reads it. */
static kiln_status add_order(work *w, const ir_weight *weight, ir_id next)
{
    const builder *b = w->b;
    for (size_t i = 0; i < b->count; i++) {
        if (b->cluster_of[i] < 0 || (ir_id)i == next)
            continue;
        const ir_node *n = &b->g->items[i];
        for (int k = 0; k < n->input_count; k++) {
            const ir_node *x = &b->g->items[through_views(b, n->inputs[k])];
            if (x->op != &op_desc_weight || x->attr.object != weight)
                continue;
            /* An element-wise reader at the same index may share the launch. */
            bool same = n->op->kind == OP_POINTWISE &&
                        graph_elements(b, (ir_id)i) == graph_elements(b, next);
            KILN_TRY(add_edge(w, (ir_id)i, next, same));
            w->edges.items[w->edges.count - 1].order = true;
        }
    }
    return KILN_OK;
}

static kiln_status add_update_edges(work *w)
{
    const plan_request *r = w->b->request;
    for (int u = 0; u < r->update_count && w->b->fused_updates; u++)
        KILN_TRY(add_order(w, r->updates[u].weight, r->updates[u].gradient));
    for (int i = 0; i < r->assign_count; i++)
        KILN_TRY(add_order(w, r->assigns[i].weight, r->assigns[i].value));
    return KILN_OK;
}

static kiln_status add_edges_from(work *w, ir_id source, ir_id to, bool fusable)
{
    const builder *b = w->b;
    const ir_node *n = &b->g->items[source];
    if (n->op == &op_desc_reshape)
        return add_edges_from(w, n->inputs[0], to, fusable);
    if (n->op == &op_desc_scan_slice)
        return add_edges_from(w, n->inputs[0], to, false);
    if (n->op == &graph_joined) {
        for (int i = 0; i < n->input_count; i++) {
            KILN_TRY(add_edge(w, n->inputs[i], to, false));
            w->edges.items[w->edges.count - 1].joined = true;
        }
        return KILN_OK;
    }
    if (n->op == &op_desc_scan_stack || n->op == &op_desc_scan_final) {
        ir_id inner = through_views(b, n->inputs[0]);
        if (b->g->items[inner].op == &op_desc_scan_state)
            KILN_TRY(add_edges_from(w,
                                    b->g->scans[b->g->items[inner].scope - 1]
                                        .states[b->g->items[inner].attr.integer[0]]
                                        .next,
                                    to, false));
        return add_edges_from(w, inner, to, false);
    }
    if (b->inlined[source]) {
        for (int i = 0; i < n->input_count; i++)
            KILN_TRY(add_edges_from(w, n->inputs[i], to, false));
        return KILN_OK;
    }
    if (b->cluster_of[source] < 0)
        return KILN_OK;
    if (n->op == &op_desc_scan_state)
        fusable = false;
    return add_edge(w, source, to, fusable);
}

static int by_source(const void *x, const void *y)
{
    const edge *a = x, *b = y;
    return a->from != b->from ? (a->from < b->from ? -1 : 1) : (a->to > b->to) - (a->to < b->to);
}

static kiln_status make_edges(work *w)
{
    const builder *b = w->b;
    for (size_t i = 0; i < b->count; i++) {
        if (b->cluster_of[i] < 0)
            continue;
        const ir_node *n = &b->g->items[i];
        ir_id through = pooling_source(b, (ir_id)i);
        for (int k = 0; k < n->input_count; k++) {
            int64_t wanted = graph_elements(b, n->op->kind == OP_REDUCE ? n->inputs[0] : (ir_id)i);
            bool fusable = (!reads_memory(n, k) && graph_elements(b, n->inputs[k]) == wanted) ||
                           cluster_is(b, n->inputs[k], b->cluster_of[i]); /* joined already */
            if (through == IR_NONE || through_views(b, n->inputs[k]) != through)
                KILN_TRY(add_edges_from(w, n->inputs[k], (ir_id)i, fusable));
        }
        for (int k = 0; through != IR_NONE && k < b->g->items[through].input_count; k++)
            KILN_TRY(add_edges_from(w, b->g->items[through].inputs[k], (ir_id)i, false));
    }
    KILN_TRY(add_update_edges(w));
    if (w->edges.count > 0)
        qsort(w->edges.items, w->edges.count, sizeof *w->edges.items, by_source);
    w->first_edge = mem_new(b->count + 1, sizeof *w->first_edge);
    if (w->first_edge == NULL)
        return KILN_ERROR_MEMORY;
    size_t e = 0;
    for (size_t i = 0; i <= b->count; i++) {
        while (e < w->edges.count && (size_t)w->edges.items[e].from < i)
            e++;
        w->first_edge[i] = e;
    }
    return KILN_OK;
}

/* ---- what has to lie in memory ---- */
static void mark_stored(work *w)
{
    builder *b = w->b;
    for (size_t i = 0; i < b->count; i++) {
        b->stored[i] = b->cluster_of[i] >= 0 && (b->required[i] || b->state_of[i] != IR_NONE ||
                                                 b->g->items[i].op == &op_desc_scan_state);
        for (size_t e = w->first_edge[i]; e < w->first_edge[i + 1]; e++)
            if (!w->edges.items[e].order && !w->edges.items[e].joined &&
                (b->cluster_of[w->edges.items[e].to] != b->cluster_of[i] ||
                 !w->edges.items[e].fusable))
                b->stored[i] = true;
    }
    for (size_t i = 0; i < b->count; i++)
        if (b->live[i] && b->g->items[i].op == &graph_joined)
            b->stored[i] = true;
    for (size_t i = 0; i < b->count; i++)
        if (b->live[i] && b->g->items[i].op == &op_desc_scan_stack) {
            ir_id inner = through_views(b, b->g->items[i].inputs[0]);
            b->stacked[inner] = true;
            if (b->cluster_of[inner] >= 0)
                b->stored[inner] = true;
        }
}

/* ---- order: the clusters of a loop stay together, and so do those of a chain ---- */
static int together(const builder *b, size_t i)
{
    const cluster *c = &b->clusters[i];
    return c->scope ? c->scope : c->chain >= 0 ? (int)b->g->scan_count + 1 + c->chain : 0;
}

static kiln_status put_in_order(work *w)
{
    builder *b = w->b;
    size_t n = b->cluster_count, sets = b->g->scan_count + 1 + b->chains.count;
    free(b->order);
    b->order_count = 0;
    int *waiting = mem_new(n, sizeof *waiting);
    bool *done = mem_new(n, sizeof *done);
    b->order = mem_new(n, sizeof *b->order);
    if (!waiting || !done || !b->order) {
        free(waiting);
        free(done);
        return KILN_ERROR_MEMORY;
    }
    /* A cluster waits for each edge into it; clusters of a loop also wait, all of them, for every
     * edge into the loop. */
    int *scope_waiting = mem_new(sets, sizeof *scope_waiting);
    int *scope_left = mem_new(sets, sizeof *scope_left);
    kiln_status status = scope_waiting && scope_left ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t e = 0; status == KILN_OK && e < w->edges.count; e++) {
        int from = b->cluster_of[w->edges.items[e].from], to = b->cluster_of[w->edges.items[e].to];
        if (from == to)
            continue;
        waiting[to]++;
        if (together(b, (size_t)to) && together(b, (size_t)from) != together(b, (size_t)to))
            scope_waiting[together(b, (size_t)to)]++;
    }
    for (size_t i = 0; i < n && status == KILN_OK; i++)
        scope_left[together(b, i)] += !b->clusters[i].dead;
    int open = 0; /* the loop being emitted */
    while (status == KILN_OK) {
        int best = -1;
        for (size_t i = 0; i < n; i++) {
            const cluster *c = &b->clusters[i];
            if (c->dead || done[i] || waiting[i] > 0 ||
                (together(b, i) && scope_waiting[together(b, i)] > 0) ||
                (open && together(b, i) != open))
                continue;
            if (best < 0 || c->first < b->clusters[best].first)
                best = (int)i;
        }
        if (best < 0)
            break;
        done[best] = true;
        b->order[b->order_count++] = best;
        int scope = together(b, (size_t)best);
        open = scope && --scope_left[scope] > 0 ? scope : 0;
        for (int m = w->head[best]; m >= 0; m = w->next_member[m])
            for (size_t e = w->first_edge[m]; e < w->first_edge[m + 1]; e++) {
                int to = b->cluster_of[w->edges.items[e].to];
                if (to == best)
                    continue;
                waiting[to]--;
                if (together(b, (size_t)to) && together(b, (size_t)to) != scope)
                    scope_waiting[together(b, (size_t)to)]--;
            }
    }
    for (size_t i = 0; i < n && status == KILN_OK; i++)
        if (!b->clusters[i].dead && !done[i])
            status = kiln_fail(KILN_ERROR_ARGUMENT, "the graph of plan \"%s\" has a cycle at %s",
                               b->request->name, b->g->items[b->clusters[i].first].op->name);
    free(waiting);
    free(done);
    free(scope_waiting);
    free(scope_left);
    return status;
}

kiln_status cluster_graph(builder *b)
{
    const plan_request *r = b->request;
    for (int i = 0; i < r->output_count; i++)
        require(b, r->outputs[i]);
    for (int i = 0; i < r->accumulator_count; i++)
        require(b, r->accumulators[i]);
    for (int i = 0; i < r->update_count; i++)
        require(b, r->updates[i].gradient);
    for (int i = 0; i < r->assign_count; i++)
        require(b, r->assigns[i].value);
    require(b, r->loss);
    for (int i = 0; i < r->output_count; i++)
        require_owner(b, r->outputs[i]);
    joined_find(b);
    mark_inlined(b);
    work w = {.b = b};
    kiln_status status = make_clusters(b);
    if (status == KILN_OK)
        status = make_edges(&w);
    if (status == KILN_OK)
        status = cluster_merge(&w);
    if (status == KILN_OK) {
        gates_join(&w);
        status = put_in_order(&w);
        if (status == KILN_OK && b->device->serial_kernels &&
            !(b->device->avoid & DEVICE_AVOID_CHAINS))
            status = chain_clusters(b, w.edges.items, w.edges.count);
        if (status == KILN_OK && b->chains.count)
            status = put_in_order(&w);
        mark_stored(&w);
    }
    free(w.edges.items);
    free(w.first_edge);
    free(w.next_member);
    free(w.head);
    free(w.tail);
    free(w.stamp);
    free(w.stack);
    return status;
}
