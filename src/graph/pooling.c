/* Maximum pooling and convolutions, where kernels join them: a convolution whose launch pools what
 * it makes, and the gradients of one, which read the pooled gradient and the indices of its
 * elements. Neither map of single pixels is ever written then. */
#include "graph/inside.h"
#include "op/conv.h"
#include "op/leaf.h"

/* Sets sizes by axis from a pooling's window when its windows lie side by side and as many as fit
 * into the axes `of`. */
static bool side_by_side(const ir_node *pool, kiln_shape windows, const int64_t *of, int64_t *sizes)
{
    op_window w = op_window_of(&pool->attr);
    int missing = CONVOLUTION_AXES - w.axes;
    for (int i = 0; i < CONVOLUTION_AXES; i++) {
        int a = i - missing;
        sizes[i] = a < 0 ? 1 : w.size[a];
        if (a >= 0 && (w.stride[a] != w.size[a] || w.before[a] != 0 ||
                       windows.dims[a + 1] != of[i] / w.size[a]))
            return false;
    }
    return true;
}

static bool same_axes(kiln_shape map, const int64_t *axes)
{
    int missing = CONVOLUTION_AXES - (map.rank - 2);
    for (int i = 0; i < CONVOLUTION_AXES; i++)
        if (axes[i] != (i < missing ? 1 : map.dims[i - missing + 1]))
            return false;
    return true;
}

/* Describes a convolution that reads the gradient of a maximum pooling element by element; IR_NONE
 * for any other. */
static ir_id find_source(const builder *b, ir_id product, blas_convolution *c)
{
    const ir_node *n = &b->g->items[product];
    if ((n->op != &op_desc_conv && n->op != &op_desc_conv_weight_gradient) ||
        b->device->avoid & DEVICE_AVOID_POOLING)
        return IR_NONE;
    ir_id id = through_views(b, n->inputs[n->op == &op_desc_conv ? 0 : 1]);
    const ir_node *from = &b->g->items[id];
    if (from->op != &op_desc_max_pool_gradient || b->g->items[from->inputs[0]].dtype != KILN_UINT8)
        return IR_NONE;
    *c = op_conv_product(b->g, n);
    const int64_t *map = n->op == &op_desc_conv ? c->input : c->output;
    if (from->shape.rank > 2 + CONVOLUTION_AXES || !same_axes(from->shape, map) ||
        !side_by_side(from, b->g->items[from->inputs[0]].shape, map, c->unpool) ||
        !blas_convolution_pools(b->device, c))
        return IR_NONE;
    return id;
}

ir_id pooling_source(const builder *b, ir_id product)
{
    blas_convolution c;
    return find_source(b, product, &c);
}

blas_convolution graph_convolution(const builder *b, ir_id product)
{
    blas_convolution c;
    if (find_source(b, product, &c) != IR_NONE)
        return c;
    c = op_conv_product(b->g, &b->g->items[product]);
    ir_id pool = b->clusters && b->cluster_of[product] >= 0
                     ? b->clusters[b->cluster_of[product]].pooled
                     : IR_NONE;
    if (pool != IR_NONE)
        side_by_side(&b->g->items[pool], b->g->items[pool].shape, c.output, c.pool);
    return c;
}

/* The pooling that alone reads a convolution's result, with the index that belongs to it. */
static bool find_pooling(const builder *b, ir_id conv, ir_id *pool, ir_id *index)
{
    const ir_node *n = &b->g->items[conv];
    *pool = *index = IR_NONE;
    if (b->required[conv] || b->state_of[conv] != IR_NONE)
        return false;
    for (size_t i = (size_t)conv + 1; i < b->count; i++) {
        const ir_node *user = &b->g->items[i];
        if (!b->live[i] || user->op == &op_desc_reshape)
            continue;
        bool reads = false;
        for (int k = 0; k < user->input_count; k++)
            reads |= through_views(b, user->inputs[k]) == conv;
        if (!reads)
            continue;
        if (user->op == &op_desc_pool && user->attr.integer[0] == POOL_MAX && *pool == IR_NONE &&
            user->scope == n->scope && !b->required[i])
            *pool = (ir_id)i;
        else if (user->op == &op_desc_max_pool_index && *index == IR_NONE &&
                 user->inputs[1] == *pool && *pool != IR_NONE && !b->required[i])
            *index = (ir_id)i;
        else
            return false;
    }
    return *pool != IR_NONE;
}

void pooling_join(builder *b)
{
    for (size_t i = 0; i < b->count && !(b->device->avoid & DEVICE_AVOID_POOLING); i++) {
        ir_id pool, index;
        if (b->cluster_of[i] < 0 || b->g->items[i].op != &op_desc_conv ||
            !find_pooling(b, (ir_id)i, &pool, &index))
            continue;
        blas_convolution c = op_conv_product(b->g, &b->g->items[i]);
        const ir_node *p = &b->g->items[pool];
        if (pooling_source(b, (ir_id)i) != IR_NONE ||
            !same_axes(b->g->items[p->inputs[0]].shape, c.output) ||
            !side_by_side(p, p->shape, c.output, c.pool) || !blas_convolution_pools(b->device, &c))
            continue;
        cluster *k = &b->clusters[b->cluster_of[i]];
        k->pooled = pool;
        k->elements = k->before = kiln_shape_size(p->shape);
        b->clusters[b->cluster_of[pool]].dead = true;
        b->cluster_of[pool] = b->cluster_of[i];
        if (index != IR_NONE) {
            k->also[k->also_count++] = index;
            b->clusters[b->cluster_of[index]].dead = true;
            b->cluster_of[index] = b->cluster_of[i];
        }
    }
}
