/* Reads at another index than the result's: transpose, slice, pad, one-hot, pick, gather. */
#include "graph/code_inside.h"
#include "op/leaf.h"

#include <inttypes.h>

kiln_status code_indexed(code *c, ir_id id, int d, int lanes, char *out)
{
    const ir_node *n = &c->b->g->items[id];
    const char *row, *column, *type = code_value_type(lanes);
    char space[2 * SHORT], index[SHORT], x[SHORT];
    bool lanes_ok;
    argument a;
    int k, inner_lanes = lanes;
    int64_t gate = gates_of_slice(c->b, id, c->cluster);
    if (gate >= 0) { /* known where the product is */
        domain at = c->domains.items[c->gate[gate]];
        at.shape = c->b->g->items[n->inputs[0]].shape;
        int whole = code_find_domain(c, &at);
        if (whole < 0)
            return KILN_ERROR_MEMORY;
        return code_value_at(c, n->inputs[0], whole, lanes, out);
    }
    if (n->op == &op_desc_transpose || n->op == &op_desc_slice) {
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(code_strided(c, d, n->shape, n->attr.shape.dims,
                              n->op == &op_desc_slice ? n->attr.integer[0] : 0, &inner_lanes,
                              index));
        KILN_TRY(code_load(c, &a, index, inner_lanes, x));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out, "const %s %s = (%s)(%s);\n", type, out, type, x);
    } else if (n->op == &op_desc_pad) {
        int axis = (int)n->attr.integer[0];
        int64_t before = n->attr.integer[1], distance = n->attr.integer[2];
        kiln_shape in = c->b->g->items[n->inputs[0]].shape, strides = ir_strides(in);
        if (lanes == 16) {
            const char *o, *i;
            int q = code_inner_axis(&c->domains.items[d], n->shape, &o, &i);
            if (axis >= q || c->domains.items[d].inner[0] == '\0')
                return code_give_up(c, out);
        }
        KILN_TRY(code_source(c, n->inputs[0], &a));
        /* The coordinate along the axis, then the position of the others. */
        int64_t along[KILN_MAX_RANK] = {0};
        char j[SHORT];
        int one = 1;
        along[axis] = 1;
        KILN_TRY(code_strided(c, d, n->shape, along, 0, &one, j));
        strides.dims[axis] = 0;
        KILN_TRY(code_strided(c, d, n->shape, strides.dims, 0, &inner_lanes, index));
        KILN_TRY(code_buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        int64_t stride = ir_strides(in).dims[axis];
        text_add(&c->out, "const int k%s = (int)%s - %" PRId64 ";\n", out, j, before);
        text_add(&c->out,
                 "const bool b%s = k%s >= 0 && k%s < %" PRId64 " && k%s %% %" PRId64 " == 0;\n",
                 out, out, out, in.dims[axis] * distance, out, distance);
        text_add(&c->out,
                 "const ulong j%s = o%d + %s + (b%s ? (ulong)(k%s / %" PRId64 ") * %" PRId64
                 "u : 0);\n",
                 out, k, index, out, out, distance, stride);
        snprintf(j, sizeof j, "j%s", out);
        text_add(&c->out, "const %s %s = (%s)(b%s ? ", type, out, type, out);
        code_element(c, &a, k, j, inner_lanes);
        text_add(&c->out, inner_lanes == 16 ? " : (float16)(0.0f));\n" : " : 0.0f);\n");
    } else if (n->op == &op_desc_one_hot) {
        kiln_shape last = n->shape;
        int64_t classes = last.dims[last.rank - 1];
        code_row_and_column(c, d, classes, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || classes < 16))
            return code_give_up(c, out);
        domain rows = {.shape = c->b->g->items[n->inputs[0]].shape, .width = 0};
        snprintf(rows.flat, sizeof rows.flat, "%s", row);
        char col[SHORT];
        snprintf(col, sizeof col, "%s", column);
        int at = code_find_domain(c, &rows);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        KILN_TRY(code_value_at(c, n->inputs[0], at, 1, x));
        snprintf(out, SHORT, "v%d", c->next++);
        if (lanes == 16)
            text_add(&c->out,
                     "const float16 %s = convert_float16((uint16)(%s) + " LANES
                     ") == (float16)(%s) ? (float16)(1.0f) : (float16)(0.0f);\n",
                     out, col, x);
        else
            text_add(&c->out, "const float %s = (float)(%s) == %s ? 1.0f : 0.0f;\n", out, col, x);
    } else if (n->op == &op_desc_pick) {
        if (lanes == 16)
            return code_give_up(c, out);
        kiln_shape from = c->b->g->items[n->inputs[0]].shape;
        int64_t classes = from.dims[from.rank - 1];
        KILN_TRY(code_value_at(c, n->inputs[1], d, 1, x));
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(code_buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out, "const int k%s = (int)%s;\n", out, x);
        char picked[128];
        snprintf(picked, sizeof picked, "o%d + (ulong)%s * %" PRId64 "u + (uint)k%s", k,
                 c->domains.items[d].flat, classes, out);
        text_add(&c->out, "const float %s = k%s >= 0 && k%s < %" PRId64 " ? ", out, out, out,
                 classes);
        code_element(c, &a, k, picked, 1);
        text_add(&c->out, " : 0.0f;\n");
    } else if (n->op == &op_desc_gather) {
        kiln_shape table = c->b->g->items[n->inputs[0]].shape;
        int64_t width = kiln_shape_size(table) / table.dims[0];
        code_row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16))
            return code_give_up(c, out);
        char col[SHORT];
        snprintf(col, sizeof col, "%s", column);
        domain ids = {.shape = c->b->g->items[n->inputs[1]].shape, .width = 0};
        snprintf(ids.flat, sizeof ids.flat, "%s", row);
        int at = code_find_domain(c, &ids);
        if (at < 0)
            return KILN_ERROR_MEMORY;
        KILN_TRY(code_value_at(c, n->inputs[1], at, 1, x));
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(code_buffer(c, &a, &k));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out,
                 "const int k%s = (int)%s;\nconst bool b%s = k%s >= 0 && k%s < %" PRId64 ";\n", out,
                 x, out, out, out, table.dims[0]);
        text_add(&c->out, "const ulong j%s = o%d + (ulong)(b%s ? k%s : 0) * %" PRId64 "u + %s;\n",
                 out, k, out, out, width, col);
        snprintf(col, sizeof col, "j%s", out);
        text_add(&c->out, "const %s %s = b%s ? ", type, out, out);
        code_element(c, &a, k, col, lanes);
        text_add(&c->out, lanes == 16 ? " : (float16)(0.0f);\n" : " : 0.0f;\n");
    } else if (n->op == &op_desc_gather_gradient) {
        int64_t width = kiln_shape_size(n->shape) / n->shape.dims[0],
                count = kiln_shape_size(c->b->g->items[n->inputs[1]].shape);
        code_row_and_column(c, d, width, &row, &column, &lanes_ok, space);
        if (lanes == 16 && (!lanes_ok || width < 16))
            return code_give_up(c, out);
        argument ids;
        int ki;
        KILN_TRY(code_source(c, n->inputs[0], &a));
        KILN_TRY(code_source(c, n->inputs[1], &ids));
        KILN_TRY(code_buffer(c, &a, &k));
        KILN_TRY(code_buffer(c, &ids, &ki));
        snprintf(out, SHORT, "v%d", c->next++);
        text_add(&c->out, "%s %s = (%s)(0.0f);\n", type, out, type);
        if (c->l->lists)
            text_add(&c->out, "for (int j%s = first[%s - r0]; j%s >= 0; j%s = next[j%s])\n", out,
                     row, out, out, out);
        else
            text_add(&c->out,
                     "for (uint j%s = 0; j%s < %" PRId64
                     "u; j%s++)\n    if ((int)p%d[o%d + j%s] == (int)(%s))\n",
                     out, out, count, out, ki, ki, out, row);
        char at[128];
        snprintf(at, sizeof at, "o%d + (ulong)j%s * %" PRId64 "u + %s", k, out, width, column);
        text_add(&c->out, "        %s += ", out);
        code_element(c, &a, k, at, lanes);
        text_add(&c->out, ";\n");
    } else if (n->op == &op_desc_depthwise || n->op == &op_desc_depthwise_back ||
               n->op == &op_desc_window_tap || n->op == &op_desc_pool || n->op == &op_desc_unpool ||
               n->op == &op_desc_max_pool_index || n->op == &op_desc_max_pool_gradient) {
        return code_window(c, id, d, lanes, out);
    } else if (n->op == &op_desc_conv_windows) {
        return code_conv_window(c, n, d, lanes, out);
    } else if (n->op == &op_desc_box || n->op == &op_desc_resize ||
               n->op == &op_desc_resize_gradient || n->op == &op_desc_warp) {
        return code_picture(c, id, d, lanes, out);
    } else {
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "no code for %s", n->op->name);
    }
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
