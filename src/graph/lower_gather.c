/* The gradient of a gather, on devices with serial kernels: a work-item owns some rows of the
 * table, and walks the ids once to make, for each of its rows, the list of the positions that read
 * it. */
#include "graph/lower_inside.h"
#include "op/leaf.h"

#include <inttypes.h>

/* What a work-item keeps in private memory, at most. */
#define MOST_IDS 65536
#define MOST_ROWS 16384

static int64_t ids_of(const builder *b, const ir_node *n)
{
    return kiln_shape_size(b->g->items[n->inputs[1]].shape);
}

int64_t lower_gather_rows(const builder *b, int number, int64_t width)
{
    int64_t rows = 0;
    for (size_t i = 0; i < b->count && b->device->serial_kernels; i++) {
        const ir_node *n = &b->g->items[i];
        if (b->cluster_of[i] != number || n->op != &op_desc_gather_gradient)
            continue;
        if (rows || kiln_shape_size(n->shape) != n->shape.dims[0] * width ||
            ids_of(b, n) > MOST_IDS)
            return 0;
        int64_t items = 8 * (int64_t)b->device->info.compute_units;
        rows = (n->shape.dims[0] + items - 1) / (items ? items : 1);
        if (rows > MOST_ROWS)
            rows = MOST_ROWS;
    }
    return rows;
}

kiln_status lower_gather_lists(builder *b, launch *l, int number, int64_t rows, text *body)
{
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        if (b->cluster_of[i] != number || n->op != &op_desc_gather_gradient)
            continue;
        domain d = {.shape = n->shape, .flat = "0"};
        code *c = code_new(b, l, number, 1, &d);
        argument ids;
        int k = -1;
        if (c == NULL)
            return KILN_ERROR_MEMORY;
        kiln_status status = code_source(c, n->inputs[1], &ids);
        code_free(c);
        KILN_TRY(status);
        k = launch_argument(l, &ids);
        if (k < 0)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "a fused kernel needs more than %d buffers",
                             LAUNCH_MAX_ARGUMENTS);
        /* From the last id to the first, so that a list has its positions in order. */
        text_add(
            body,
            "    int first[%" PRId64 "], next[%" PRId64
            "];\n    for (uint r = r0; r < r1; r++)\n        first[r - r0] = -1;\n    for (int "
            "j = %" PRId64 "; j >= 0; j--) {\n        const long at = (long)p%d[o%d + j] - "
            "(long)r0;\n        if (at >= 0 && at < (long)(r1 - r0)) {\n            next[j] = "
            "first[at];\n            first[at] = j;\n        }\n    }\n",
            rows, ids_of(b, n), ids_of(b, n) - 1, k, k);
    }
    return KILN_OK;
}
