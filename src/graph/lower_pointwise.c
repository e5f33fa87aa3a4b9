/* Kernels of element-wise clusters. On a device with serial kernels a work-item does a run of
 * elements, sixteen at a time; elsewhere it does one. */
#include "graph/lower_inside.h"
#include "op/leaf.h"

#include <inttypes.h>

static kiln_status emit_stores(code *c, void *user, bool *scalar_only)
{
    (void)user;
    return code_store_all(c, scalar_only);
}

/* Widths to try for rows of the domain: the row of a sample (draws and gathers go by it), then the
 * last axis. */
static int widths(kiln_shape shape, int64_t *out)
{
    int count = 0;
    int64_t n = kiln_shape_size(shape);
    if (shape.rank >= 2 && shape.dims[0] > 0)
        out[count++] = n / shape.dims[0];
    if (shape.rank >= 1 && (count == 0 || out[0] != shape.dims[shape.rank - 1]))
        out[count++] = shape.dims[shape.rank - 1];
    if (count == 0)
        out[count++] = n;
    return count;
}

static kiln_shape domain_shape(const builder *b, int number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number && (b->stored[i] || b->joined_to[i] != IR_NONE))
            return b->g->items[i].shape;
    return b->g->items[b->clusters[number].first].shape;
}

static bool finds_pixels(const builder *b, int number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->cluster_of[i] == number &&
            (b->g->items[i].op == &op_desc_warp || b->g->items[i].op == &op_desc_resize))
            return true;
    return false;
}

/* Rows of a batch lie anywhere in the data set, and a miss in the caches stalls a row at its start.
 * Reading one element of each cache line of all rows of an item first lets those misses overlap.
 * The sum of what was read is too small to reach bit 31; the loops over rows depend on it, so that
 * no compiler drops it. */
static void touch_batch(const builder *b, launch *l, int number, int64_t width, text *body)
{
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        if (b->cluster_of[i] != number || n->op != &op_desc_batch ||
            kiln_shape_size(n->shape) / n->shape.dims[0] != width ||
            n->attr.extra.dims[1] != n->attr.extra.dims[2])
            continue;
        kiln_dtype dtype = (kiln_dtype)n->attr.integer[2];
        int64_t line = 64 / (int64_t)kiln_dtype_size(dtype);
        if (width < 4 * line)
            continue;
        int data = -1, order = -1, state = -1;
        for (int a = 0; a < l->argument_count; a++) {
            const argument *x = &l->arguments[a];
            if (x->kind == ARGUMENT_SLOT && x->slot == (int)n->attr.integer[0])
                data = a;
            else if (x->kind == ARGUMENT_SLOT && x->slot == (int)n->attr.integer[1])
                order = a;
            else if (x->kind == ARGUMENT_MEMORY && x->memory == b->state)
                state = a;
        }
        if (data < 0 || order < 0 || state < 0)
            continue;
        text_add(body,
                 "    for (uint r = r0; r < r1; r++) {\n        const ulong at = o%d + "
                 "(ulong)p%d[o%d + p%d->position + (r < p%d->rows ? r : 0)] "
                 "* %" PRId64 "u;\n        for (uint c = 0; c < %" PRId64 "u; c += %" PRId64
                 "u)\n            touched += %sp%d[at + c]%s;\n    }\n",
                 data, order, order, state, state, n->attr.extra.dims[0], width, line,
                 dtype == KILN_FLOAT32 ? "as_uint(" : "(uint)", data,
                 dtype == KILN_UINT8     ? ""
                 : dtype == KILN_FLOAT32 ? ") & 1u"
                                         : " & 1u");
    }
}

kiln_status lower_pointwise(builder *b, int number)
{
    launch *l = lower_launch(b, number);
    if (l == NULL)
        return KILN_ERROR_MEMORY;
    kiln_shape shape = domain_shape(b, number);
    int64_t n = kiln_shape_size(shape), tries[2];
    int count = widths(shape, tries);
    const char *type = n >= INT32_MAX ? "ulong" : "uint";
    domain d = {.shape = shape, .flat = "i", .outer = "r", .inner = "c"};
    text wide = {0}, narrow = {0}, body = {0};
    bool done = false;
    kiln_status status = KILN_OK;
    const chain *in = lower_chain(b, number);
    int64_t listed = in ? 0 : lower_gather_rows(b, number, tries[0]);
    l->lists = listed > 0;
    if (listed)
        count = 1;
    if (in && (n / tries[0]) % in->rows != 0) /* rows of the domain are rows of the chain */
        tries[0] = n / in->rows, count = 1;
    if (in && count == 2 && (n / tries[1]) % in->rows != 0)
        count = 1;
    for (int t = 0; t < count && status == KILN_OK && !done && b->device->serial_kernels; t++) {
        d.width = tries[t];
        if (d.width >= 16)
            status = lower_emit(b, l, number, 16, &d, emit_stores, NULL, &wide, &done);
    }
    bool vector = done;
    if (!done) /* what an element needs of its pixel is then found once for all channels */
        d.width = tries[finds_pixels(b, number) ? count - 1 : 0];
    if (status == KILN_OK)
        status = lower_emit(b, l, number, 1, &d, emit_stores, NULL, &narrow, &done);
    size_t items, local = 0;
    int64_t w = d.width ? d.width : 1, rows = n / w;
    if (b->device->serial_kernels) {
        int64_t share = n / 16 < 256    ? 256
                        : n / 16 > 8192 ? 8192
                                        : n / 16; /* elements of an item */
        int64_t columns = w <= share ? w : share / 16 * 16,
                per_item = columns == w ? (share / w > 1 ? share / w : 1) : 1;
        if (in || listed) {
            columns = w;
            per_item = in ? rows / in->rows * in->block : listed;
        }
        int64_t column_blocks = (w + columns - 1) / columns;
        items = (size_t)((rows + per_item - 1) / per_item * column_blocks);
        local = 1;
        text_add(&body,
                 "    const %s r0 = (%s)(item / %" PRId64 "u) * %" PRId64
                 "u, c0 = (%s)(item %% %" PRId64 "u) * %" PRId64 "u;\n",
                 type, type, column_blocks, per_item, type, column_blocks, columns);
        text_add(&body,
                 "    const %s r1 = min(r0 + %" PRId64 "u, (%s)%" PRId64
                 "u), c1 = min(c0 + %" PRId64 "u, (%s)%" PRId64 "u);\n",
                 type, per_item, type, rows, columns, type, w);
        if (listed && status == KILN_OK)
            status = lower_gather_lists(b, l, number, listed, &body);
        text touch = {0};
        if (columns == w)
            touch_batch(b, l, number, w, &touch);
        if (touch.length)
            text_add(&body, "    uint touched = 0;\n%s", touch.data);
        text_add(&body, "    for (%s r = r0%s; r < r1; r++) {\n        %s c = c0;\n", type,
                 touch.length ? " + (touched >> 31)" : "", type);
        text_free(&touch);
        if (vector)
            text_add(&body,
                     "        for (; c + 16 <= c1; c += 16) {\nconst %s i = r * %" PRId64
                     "u + c;\n%s        }\n",
                     type, w, wide.data);
        if (!vector || w % 16 != 0)
            text_add(&body,
                     "        for (; c < c1; c++) {\nconst %s i = r * %" PRId64
                     "u + c;\n%s        }\n",
                     type, w, narrow.data ? narrow.data : "");
        text_add(&body, "    }\n");
    } else {
        local = 64;
        items = (size_t)n;
        text_add(&body,
                 "    const %s i = (%s)item;\n    if (i >= %" PRId64
                 "u)\n        return;\n    const %s r = i / %" PRId64 "u, c = i %% %" PRId64
                 "u;\n%s",
                 type, type, n, type, w, w, narrow.data ? narrow.data : "");
    }
    if (status == KILN_OK)
        status = body.failed || wide.failed || narrow.failed
                     ? KILN_ERROR_MEMORY
                     : launch_finish(l, body.data, items, local);
    text_free(&wide);
    text_free(&narrow);
    text_free(&body);
    return status;
}
