/* Values that come from nowhere: constants, counts, random draws, rows of the batch. */
#include "graph/code_inside.h"
#include "op/leaf.h"

#include <inttypes.h>

kiln_status code_leaf(code *c, const ir_node *n, int d, int lanes, char *out)
{
    const char *row, *column, *type = code_value_type(lanes);
    char space[2 * SHORT];
    bool lanes_ok;
    int s, k;
    int64_t rows = n->shape.rank ? n->shape.dims[0] : 1,
            width = kiln_shape_size(n->shape) / (rows ? rows : 1);
    snprintf(out, SHORT, "v%d", c->next++);
    if (n->op == &op_desc_constant) {
        double v = n->attr.number[0];
        if (v != v || v - v != 0)
            text_add(&c->out, "const %s %s = (%s)(%s);\n", type, out, type,
                     v != v  ? "NAN"
                     : v > 0 ? "INFINITY"
                             : "-INFINITY");
        else
            text_add(&c->out, "const %s %s = (%s)(%.9ef);\n", type, out, type, v);
    } else if (n->op == &op_desc_row_count) {
        KILN_TRY(code_state(c, &s));
        text_add(&c->out, "const %s %s = (%s)((float)p%d->rows);\n", type, out, type, s);
    } else if (n->op == &op_desc_row_mask) {
        if (lanes == 16)
            return code_give_up(c, out);
        KILN_TRY(code_state(c, &s));
        text_add(&c->out, "const float %s = %s < p%d->rows ? 1.0f : 0.0f;\n", out,
                 c->domains.items[d].flat, s);
    } else if (n->op == &op_desc_iota) {
        if (lanes == 16)
            text_add(&c->out, "const float16 %s = convert_float16((uint16)(%s) + " LANES ");\n",
                     out, c->domains.items[d].flat);
        else
            text_add(&c->out, "const float %s = (float)(%s);\n", out, c->domains.items[d].flat);
    } else if (n->op == &op_desc_uniform) {
        code_row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && !lanes_ok)
            return code_give_up(c, out);
        KILN_TRY(code_state(c, &s));
        text_add(&c->out, "const %s %s = kiln_uniform%s(p%d, %uu, (uint)(%s), (uint)(%s));\n", type,
                 out, lanes == 16 ? "16" : "", s, n->attr.stream, row, column);
    } else if (n->op == &op_desc_batch) {
        int64_t stride = n->attr.extra.dims[0], step = n->attr.extra.dims[1],
                entry = n->attr.extra.dims[2];
        char gap[2 * SHORT + 64] = ""; /* what skipped elements add to the place in the sample */
        code_row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16 || (step != entry && entry % 16 != 0)))
            return code_give_up(c, out);
        if (step != entry)
            snprintf(gap, sizeof gap, " + (%s) / %" PRId64 "u * %" PRId64 "u", column, entry,
                     step - entry);
        const char *stored = code_storage_type((kiln_dtype)n->attr.integer[2]);
        KILN_TRY(code_state(c, &s));
        int data;
        KILN_TRY(code_buffer(
            c, &(argument){.kind = ARGUMENT_SLOT, .slot = (int)n->attr.integer[0], .type = stored},
            &data));
        KILN_TRY(code_buffer(
            c, &(argument){.kind = ARGUMENT_SLOT, .slot = (int)n->attr.integer[1], .type = "int"},
            &k));
        text_add(&c->out,
                 "const ulong j%s = o%d + (ulong)p%d[o%d + p%d->position + (%s < p%d->rows ? %s : "
                 "0)] * %" PRId64 "u + %s%s;\n",
                 out, data, k, k, s, row, s, row, stride, column, gap);
        if (lanes == 16)
            text_add(&c->out, "const float16 %s = convert_float16(vload16(0, p%d + j%s))", out,
                     data, out);
        else
            text_add(&c->out, "const float %s = (float)p%d[j%s]", out, data, out);
        if (n->attr.number[0] != 1.0)
            text_add(&c->out, " * (%s)(%.9ef)", type, n->attr.number[0]);
        text_add(&c->out, ";\n");
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "no code for %s", n->op->name);
    }
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
