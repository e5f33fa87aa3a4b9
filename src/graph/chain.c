/* Chains: clusters that take the same rows of the batch one after the other. */
#include "graph/inside.h"
#include "op/conv.h"
#include "op/leaf.h"

/* A right side is read by every block of rows: it must stay in a core's cache. */
#define LARGEST_RIGHT_SIDE (512 * 1024)
#define MOST_LOOP_ROWS 32
/* About what a CPU does: a core's multiply-adds (2 each) and reads a second, and a launch. */
#define UNIT_FLOPS 50e9
#define UNIT_BYTES 20e9
#define LAUNCH_SECONDS 4e-6

/* The rows of a convolution in a loop: images, which a work-item takes whole; 0: it cannot. */
static int64_t images_of(const builder *b, const cluster *c)
{
    if (c->scope == 0 || c->choice.engine != BLAS_TILE || !c->choice.serial ||
        c->pooled != IR_NONE || pooling_source(b, c->anchor) != IR_NONE)
        return 0;
    blas_convolution conv = op_conv_product(b->g, &b->g->items[c->anchor]);
    return conv.output[0] == 1 ? conv.batch : 0;
}

/* Rows of the batch in a cluster's results, as its first axis has them; 0: the cluster cannot be in
 * a chain. */
static int64_t rows_of(const builder *b, const cluster *c)
{
    const ir_node *n = &b->g->items[c->anchor != IR_NONE ? c->anchor : c->first];
    if (c->kind == CLUSTER_STATE || n->shape.rank < 1)
        return 0;
    if (c->kind == CLUSTER_PRODUCT) {
        if (n->op == &op_desc_conv)
            return images_of(b, c);
        if (n->op != &op_desc_matmul)
            return 0;
        blas_product p = graph_product(b->g, n);
        if (c->choice.engine != BLAS_TILE || !c->choice.serial || p.batch[0] * p.batch[1] != 1 ||
            p.transpose_a || (c->scope == 0 && p.k * p.n * 4 > LARGEST_RIGHT_SIDE))
            return 0;
        return p.m;
    }
    if (c->kind == CLUSTER_REDUCE &&
        (n->attr.integer[0] < 1 || n->attr.integer[1] != b->g->items[n->inputs[0]].shape.rank - 1))
        return 0;
    return n->shape.dims[0];
}

static bool fits(const builder *b, const cluster *c, int64_t rows)
{
    int64_t own = rows_of(b, c);
    bool images = c->anchor != IR_NONE && b->g->items[c->anchor].op == &op_desc_conv;
    return own > 0 && (images ? own == rows : own % rows == 0) && c->elements % rows == 0 &&
           c->before % rows == 0;
}

/* Whether a read by index stays in the rows of the batch. */
static bool within_rows(const op_descriptor *op)
{
    return op == &op_desc_pick || op == &op_desc_one_hot || op == &op_desc_depthwise ||
           op == &op_desc_depthwise_back || op == &op_desc_window_tap || op == &op_desc_pool ||
           op == &op_desc_unpool || op == &op_desc_max_pool_index ||
           op == &op_desc_max_pool_gradient || op == &op_desc_resize ||
           op == &op_desc_resize_gradient || op == &op_desc_warp;
}

/* Whether node n reads, of node `from`, only the rows it computes itself. */
static bool same_rows(const builder *b, ir_id from, ir_id to, int64_t rows)
{
    const ir_node *n = &b->g->items[to];
    bool found = false;
    for (int k = 0; k < n->input_count; k++) {
        ir_id read = through_views(b, n->inputs[k]);
        bool part = b->joined_to[from] != IR_NONE && read == b->joined_to[from];
        if (read != from && !part)
            continue;
        if (part && b->g->items[read].attr.integer[0] == 0)
            return false;
        found = true;
        kiln_shape in = b->g->items[n->inputs[k]].shape;
        if (graph_elements(b, from) % rows != 0 || in.rank < 1)
            return false;
        bool first_axis = in.dims[0] % rows == 0;
        switch (n->op->kind) {
        case OP_POINTWISE:
            if (graph_elements(b, n->inputs[k]) != graph_elements(b, to) &&
                !(in.rank == n->shape.rank && in.dims[0] == n->shape.dims[0] && first_axis))
                return false;
            break;
        case OP_REDUCE:
            if (n->attr.integer[0] < 1 || !first_axis)
                return false;
            break;
        case OP_PRODUCT:
            if (k != 0 || (n->op == &op_desc_conv && !first_axis))
                return false;
            break;
        case OP_INDEXED:
            if (!first_axis || in.dims[0] != n->shape.dims[0])
                return false;
            if (n->op == &op_desc_slice       ? n->attr.integer[1] == 0
                : n->op == &op_desc_pad       ? n->attr.integer[0] == 0
                : n->op == &op_desc_box       ? n->attr.extra.dims[0] != 0
                : n->op == &op_desc_transpose ? n->attr.extra.dims[0] != 0
                                              : !within_rows(n->op))
                return false;
            break;
        default:
            return false;
        }
    }
    return found;
}

enum { OUTSIDE, MEMBER, BEHIND };

/* Buffers a cluster may bring into a kernel, at most: its nodes and the sources they read. */
static int buffers(const builder *b, int number)
{
    int count = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->cluster_of[i] != number)
            continue;
        count++;
        for (int k = 0; k < b->g->items[i].input_count; k++)
            count += b->g->items[through_views(b, b->g->items[i].inputs[k])].op->kind == OP_SOURCE;
    }
    return count;
}

/* Rows a work-item takes: enough to use what it reads of the weights, few enough to leave every
 * compute unit two blocks. */
static int64_t block_of(const builder *b, int64_t rows)
{
    int64_t units = b->device->info.compute_units ? b->device->info.compute_units : 1;
    for (int64_t block = 16; block >= 4; block--)
        if (rows % block == 0 && rows / block >= 2 * units)
            return block;
    for (int64_t block = 16; block >= 4; block--)
        if (rows % block == 0 && rows / block >= units)
            return block;
    return 0;
}

static kiln_status add_chain(builder *b, const chain *c)
{
    KILN_TRY(MEM_PUSH_ROOM(&b->chains));
    b->chains.items[b->chains.count++] = *c;
    return KILN_OK;
}

/* ---- loops: rows of a batch go through time by themselves ---- */

/* Rows that a loop's chain has, or 0: all its clusters need, of what the loop makes, only their own
 * rows. */
static int64_t loop_rows(const builder *b, const edge *edges, size_t count, int scope)
{
    int64_t rows = 0;
    for (size_t i = 0; i < b->cluster_count; i++) {
        const cluster *c = &b->clusters[i];
        if (c->dead || c->scope != scope)
            continue;
        int64_t own = rows_of(b, c);
        if (own == 0)
            return 0;
        rows = rows && rows < own ? rows : own;
    }
    for (size_t i = 0; i < b->cluster_count && rows; i++)
        if (!b->clusters[i].dead && b->clusters[i].scope == scope &&
            !fits(b, &b->clusters[i], rows))
            return 0;
    for (size_t e = 0; e < count && rows; e++) {
        const ir_node *from = &b->g->items[edges[e].from];
        int maker = b->cluster_of[edges[e].from], reader = b->cluster_of[edges[e].to];
        if (b->clusters[reader].scope != scope || maker == reader ||
            (b->clusters[maker].scope != scope &&
             !(from->op == &op_desc_scan_state && from->scope == scope)))
            continue;
        if (edges[e].order || !same_rows(b, edges[e].from, edges[e].to, rows))
            return 0;
    }
    return rows;
}

/* Whether a loop's launches have few enough buffers between them for one kernel: what a cluster
 * reads of others, and what it writes for others, for the next step or for after the loop. */
static kiln_status fits_kernel(const builder *b, int scope, bool *room)
{
    bool *reads = mem_new(b->count, sizeof *reads), *writes = mem_new(b->count, sizeof *writes);
    kiln_status status = reads && writes ? KILN_OK : KILN_ERROR_MEMORY;
    int count = 8; /* the step's state, an optimizer's */
    for (size_t i = 0; i < b->count && status == KILN_OK; i++) {
        const ir_node *n = &b->g->items[i];
        bool inside = b->cluster_of[i] >= 0 && b->clusters[b->cluster_of[i]].scope == scope;
        if (inside && (b->state_of[i] != IR_NONE || b->joined_to[i] != IR_NONE))
            writes[i] = true;
        for (int k = 0; k < n->input_count && b->live[i]; k++) {
            ir_id x = through_views(b, n->inputs[k]);
            if (inside && b->cluster_of[x] != b->cluster_of[i])
                reads[x] = true;
            if (b->cluster_of[x] >= 0 && b->cluster_of[x] != b->cluster_of[i])
                writes[x] |= b->clusters[b->cluster_of[x]].scope == scope;
        }
    }
    for (size_t i = 0; i < b->count && status == KILN_OK; i++)
        count += reads[i] + writes[i];
    free(reads);
    free(writes);
    *room = count <= GROUP_MAX_ARGUMENTS;
    return status;
}

double chain_seconds(double multiply_adds, double bytes)
{
    double work = 2 * multiply_adds / UNIT_FLOPS, reading = bytes / UNIT_BYTES;
    return work > reading ? work : reading;
}

/* As many as leave every compute unit a block, for each block reads all right sides at each step.
 */
int64_t chain_loop_rows(const kiln_device *device, int64_t rows)
{
    int64_t units = device->info.compute_units ? device->info.compute_units : 1, block = 1;
    for (int64_t k = 1; k <= rows && k <= MOST_LOOP_ROWS; k++)
        if (rows % k == 0 && (block == 1 || rows / k >= units))
            block = k;
    return block;
}

/* Rows a work-item takes through time, each block of which reads all right sides at each step. 0: a
 * launch for each step and cluster, where compute units share the right sides, is faster. */
static int64_t loop_block(const builder *b, int scope, int64_t rows)
{
    int64_t units = b->device->info.compute_units ? b->device->info.compute_units : 1,
            block = chain_loop_rows(b->device, rows);
    double bytes = 0, work = 0, launches = 0;
    for (size_t i = 0; i < b->cluster_count; i++) {
        const cluster *c = &b->clusters[i];
        if (c->dead || c->scope != scope)
            continue;
        launches++;
        if (c->kind != CLUSTER_PRODUCT)
            continue;
        if (b->g->items[c->anchor].op == &op_desc_conv)
            block = 1; /* an image by itself is work enough for what it reads */
        blas_product p = graph_product(b->g, &b->g->items[c->anchor]);
        bytes += 4.0 * (double)p.k * (double)p.n;
        work += (double)p.m * (double)p.k * (double)p.n;
    }
    int64_t turns = (rows / block + units - 1) / units;
    double share = 1 / (double)units,
           apart = (double)turns * chain_seconds(work * (double)block / (double)rows, bytes),
           together = launches * LAUNCH_SECONDS + chain_seconds(work * share, bytes * share);
    return apart <= together ? block : 0;
}

static kiln_status chain_loops(builder *b, const edge *edges, size_t count)
{
    for (int scope = 1; scope <= (int)b->g->scan_count; scope++) {
        int64_t rows = loop_rows(b, edges, count, scope),
                block = rows ? loop_block(b, scope, rows) : 0;
        bool room = false;
        if (block)
            KILN_TRY(fits_kernel(b, scope, &room));
        if (!room)
            continue;
        for (size_t i = 0; i < b->cluster_count; i++)
            if (!b->clusters[i].dead && b->clusters[i].scope == scope)
                b->clusters[i].chain = (int)b->chains.count;
        KILN_TRY(add_chain(b, &(chain){rows, block, scope}));
    }
    return KILN_OK;
}

/* Marks the chain that begins with cluster `start`; returns its members. */
static int grow(builder *b, const edge *edges, size_t count, int start, int64_t rows,
                unsigned char *mark)
{
    int members = 1, room = GROUP_MAX_ARGUMENTS - 8 - buffers(b, start);
    for (size_t i = 0; i < b->cluster_count; i++)
        mark[i] = OUTSIDE;
    mark[start] = MEMBER;
    for (size_t o = 0; o < b->order_count; o++) {
        int c = b->order[o];
        if (mark[c] == MEMBER)
            continue;
        bool linked = false, behind = false, aligned = true;
        for (size_t e = 0; e < count; e++) {
            int from = b->cluster_of[edges[e].from], to = b->cluster_of[edges[e].to];
            if (to != c || from == c || mark[from] == OUTSIDE)
                continue;
            linked = true;
            behind |= mark[from] == BEHIND;
            if (mark[from] == MEMBER)
                aligned &= !edges[e].order && same_rows(b, edges[e].from, edges[e].to, rows);
        }
        if (!linked)
            continue;
        if (!behind && aligned && b->clusters[c].chain < 0 && b->clusters[c].scope == 0 &&
            fits(b, &b->clusters[c], rows) && buffers(b, c) <= room) {
            mark[c] = MEMBER;
            room -= buffers(b, c);
            members++;
        } else {
            mark[c] = BEHIND;
            /* Another chain or loop is one launch or one block of them: all of it is behind. */
            for (size_t i = 0; i < b->cluster_count; i++)
                if ((b->clusters[c].chain >= 0 && b->clusters[i].chain == b->clusters[c].chain) ||
                    (b->clusters[c].scope && b->clusters[i].scope == b->clusters[c].scope))
                    mark[i] = BEHIND;
        }
    }
    return members;
}

kiln_status chain_clusters(builder *b, const edge *edges, size_t count)
{
    unsigned char *mark = mem_new(b->cluster_count, 1);
    if (mark == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = chain_loops(b, edges, count);
    for (size_t o = 0; o < b->order_count && status == KILN_OK; o++) {
        int c = b->order[o];
        int64_t rows = b->clusters[c].chain < 0 && b->clusters[c].scope == 0
                           ? rows_of(b, &b->clusters[c])
                           : 0,
                block = rows ? block_of(b, rows) : 0;
        if (block == 0 || !fits(b, &b->clusters[c], rows) ||
            grow(b, edges, count, c, rows, mark) < 2)
            continue;
        for (size_t i = 0; i < b->cluster_count; i++)
            if (mark[i] == MEMBER)
                b->clusters[i].chain = (int)b->chains.count;
        status = add_chain(b, &(chain){rows, block, 0});
    }
    free(mark);
    return status;
}
