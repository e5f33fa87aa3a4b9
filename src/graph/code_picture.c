/* Boxes of tensors, and pictures: resized, or sampled through a map. */
#include "graph/code_inside.h"
#include "op/leaf.h"
#include "op/picture.h"

#include <inttypes.h>

#define NAME 40

/* ---- box ---- */
static kiln_status box(code *c, const ir_node *n, int d, int lanes, char *out)
{
    kiln_shape in = c->b->g->items[n->inputs[0]].shape, strides = ir_strides(in);
    const int64_t *before = n->attr.extra.dims;
    const char *type = code_index_type(c);
    char inner[SHORT], index[NAME], inside[NAME];
    int axes = in.rank, k;
    bool done;
    argument a;
    while (before[axes - 1] == 0 && in.dims[axes - 1] == n->shape.dims[axes - 1])
        axes--;
    KILN_TRY(code_coordinates(c, d, n->shape, axes, lanes, out, inner, &done));
    if (!done)
        return code_give_up(c, out);
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    /* The nearest element of the input; outside, it is not the one that belongs here. (Compared so
     * and not as a range: an interpreter of kernels gets ranges of a power of two wrong.) */
    for (int i = 0; i < axes; i++)
        text_add(&c->out, "const int %sk%d = clamp(%sc%d - %" PRId64 ", 0, %" PRId64 ");\n", out, i,
                 out, i, before[i], in.dims[i] - 1);
    text_add(&c->out, "const bool %sb = true", out);
    for (int i = 0; i < axes; i++)
        if (before[i] > 0 || n->shape.dims[i] - before[i] > in.dims[i])
            text_add(&c->out, " && %sk%d == %sc%d - %" PRId64, out, i, out, i, before[i]);
    text_add(&c->out, ";\nconst %s %sj = %s", type, out, inner);
    for (int i = 0; i < axes; i++)
        text_add(&c->out, " + (%s)%sk%d * %" PRId64 "u", type, out, i, strides.dims[i]);
    text_add(&c->out, ";\n");
    snprintf(index, sizeof index, "%sj", out);
    snprintf(inside, sizeof inside, "%sb", out);
    code_read(c, &a, k, inside, index, lanes, out);
    return KILN_OK;
}

/* ---- resize: positions along an axis in units of 1 / (2 * out) of a pixel ---- */

/* "clamp((2 * o + 1) * length - out, 0, ...)": where the middle of pixel o of `size` lies between
 * the middles of `length` pixels. */
static void write_position(text *t, const char *pixel, int64_t length, int64_t size)
{
    text_add(t, "clamp((2 * %s + 1) * %" PRId64 " - %" PRId64 ", 0, %" PRId64 ")", pixel, length,
             size, (length - 1) * 2 * size);
}

static kiln_status resize(code *c, const ir_node *n, int d, int lanes, char *out)
{
    kiln_shape in = c->b->g->items[n->inputs[0]].shape;
    const char *type = kiln_shape_size(in) >= INT32_MAX ? "ulong" : code_index_type(c),
               *value = code_value_type(lanes);
    char inner[SHORT], index[200], name[NAME];
    bool done, linear = n->attr.integer[0] == PICTURE_BILINEAR;
    argument a;
    int k;
    KILN_TRY(code_coordinates(c, d, n->shape, 3, lanes, out, inner, &done));
    if (!done)
        return code_give_up(c, out);
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    for (int axis = 1; axis < 3; axis++) {
        int64_t length = in.dims[axis], size = n->shape.dims[axis];
        snprintf(name, sizeof name, "%sc%d", out, axis);
        if (linear) {
            text_add(&c->out, "const int %su%d = ", out, axis);
            write_position(&c->out, name, length, size);
            text_add(&c->out,
                     ", %sl%d = %su%d / %" PRId64 ", %sh%d = min(%sl%d + 1, %" PRId64
                     ");\nconst float %sf%d = (float)(%su%d %% %" PRId64 ") / %" PRId64 ".0f;\n",
                     out, axis, out, axis, 2 * size, out, axis, out, axis, length - 1, out, axis,
                     out, axis, 2 * size, 2 * size);
        } else {
            text_add(&c->out, "const int %sl%d = (2 * %s + 1) * %" PRId64 " / %" PRId64 ";\n", out,
                     axis, name, length, 2 * size);
        }
    }
    for (int corner = 0; corner < (linear ? 4 : 1); corner++) {
        snprintf(index, sizeof index,
                 "(((%s)%sc0 * %" PRId64 "u + (uint)%s%s1) * %" PRId64 "u + (uint)%s%s2) * %" PRId64
                 "u + %s",
                 type, out, in.dims[1], out, corner & 2 ? "h" : "l", in.dims[2], out,
                 corner & 1 ? "h" : "l", in.dims[3], inner);
        snprintf(name, sizeof name, linear ? "%sx%d" : "%s", out, corner);
        code_read(c, &a, k, NULL, index, lanes, name);
    }
    if (linear)
        text_add(&c->out,
                 "const %s %s = (%sx0 * (%s)(1.0f - %sf2) + %sx1 * (%s)(%sf2)) * (%s)(1.0f - %sf1) "
                 "+ (%sx2 * (%s)(1.0f - %sf2) + %sx3 * (%s)(%sf2)) * (%s)(%sf1);\n",
                 value, out, out, value, out, out, value, out, value, out, out, value, out, out,
                 value, out, value, out);
    return KILN_OK;
}

/* Each pixel sums the gradients of those that it is a part of, by its share in them. */
static kiln_status resize_gradient(code *c, const ir_node *n, int d, int lanes, char *out)
{
    kiln_shape from = c->b->g->items[n->inputs[0]].shape;
    const char *type = kiln_shape_size(from) >= INT32_MAX ? "ulong" : code_index_type(c),
               *value = code_value_type(lanes);
    char inner[SHORT], index[200], name[NAME];
    bool done, linear = n->attr.integer[0] == PICTURE_BILINEAR;
    argument a;
    int k;
    KILN_TRY(code_coordinates(c, d, n->shape, 3, lanes, out, inner, &done));
    if (!done)
        return code_give_up(c, out);
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_buffer(c, &a, &k));
    text_add(&c->out, "%s %s = (%s)(0.0f);\n", value, out, value);
    for (int axis = 1; axis < 3; axis++) {
        /* Candidates: those whose middles lie within a pixel of this one's, and one more at either
         * end. */
        int64_t length = n->shape.dims[axis], size = from.dims[axis];
        text_add(&c->out,
                 "for (int %so%d = max(((%sc%d - 1) * %" PRId64 " + %" PRId64 ") / %" PRId64
                 " - 1, 0); %so%d <= min(((%sc%d + 1) * %" PRId64 " + %" PRId64 ") / %" PRId64
                 " + 1, %" PRId64 "); %so%d++) {\n",
                 out, axis, out, axis, 2 * size, size - length, 2 * length, out, axis, out, axis,
                 2 * size, size - length, 2 * length, size - 1, out, axis);
        snprintf(name, sizeof name, "%so%d", out, axis);
        if (linear) {
            text_add(&c->out, "const int %su%d = abs_diff(", out, axis);
            write_position(&c->out, name, length, size);
            text_add(&c->out,
                     ", %sc%d * %" PRId64 ");\nif (%su%d >= %" PRId64
                     ")\ncontinue;\nconst float %sf%d = (float)(%" PRId64 " - %su%d) / %" PRId64
                     ".0f;\n",
                     out, axis, 2 * size, out, axis, 2 * size, out, axis, 2 * size, out, axis,
                     2 * size);
        } else {
            text_add(&c->out, "if ((2 * %s + 1) * %" PRId64 " / %" PRId64 " != %sc%d)\ncontinue;\n",
                     name, length, 2 * size, out, axis);
        }
    }
    snprintf(index, sizeof index,
             "(((%s)%sc0 * %" PRId64 "u + (uint)%so1) * %" PRId64 "u + (uint)%so2) * %" PRId64
             "u + %s",
             type, out, from.dims[1], out, from.dims[2], out, from.dims[3], inner);
    snprintf(name, sizeof name, "%sx", out);
    code_read(c, &a, k, NULL, index, lanes, name);
    if (linear)
        text_add(&c->out, "%s += %sx * (%s)(%sf1 * %sf2);\n}\n}\n", out, out, value, out, out);
    else
        text_add(&c->out, "%s += %sx;\n}\n}\n", out, out);
    return KILN_OK;
}

/* ---- warp ---- */

/* Statement: the pixel that is read for pixel `name` of `length`, which may lie outside. */
static void write_fill(text *t, const char *name, op_fill fill, int64_t length)
{
    if (fill == FILL_NEAREST || fill == FILL_CONSTANT)
        text_add(t, "%s = clamp(%s, 0, %" PRId64 ");\n", name, name, length - 1);
    else if (fill == FILL_WRAP)
        text_add(t, "%s = (%s %% %" PRId64 " + %" PRId64 ") %% %" PRId64 ";\n", name, name, length,
                 length, length);
    else
        text_add(t,
                 "%s = (%s %% %" PRId64 " + %" PRId64 ") %% %" PRId64 ";\n%s = min(%s, %" PRId64
                 " - %s);\n",
                 name, name, 2 * length, 2 * length, 2 * length, name, name, 2 * length - 1, name);
}

static kiln_status warp(code *c, const ir_node *n, int d, int lanes, char *out)
{
    op_fill fill = (op_fill)n->attr.integer[1];
    const char *type = code_index_type(c), *value = code_value_type(lanes);
    char inner[SHORT], index[200], name[NAME], inside[NAME];
    bool done, linear = n->attr.integer[0] == PICTURE_BILINEAR;
    argument a, map;
    int k, m;
    text *t = &c->out;
    KILN_TRY(code_coordinates(c, d, n->shape, 3, lanes, out, inner, &done));
    if (!done)
        return code_give_up(c, out);
    KILN_TRY(code_source(c, n->inputs[0], &a));
    KILN_TRY(code_source(c, n->inputs[1], &map));
    KILN_TRY(code_buffer(c, &a, &k));
    KILN_TRY(code_buffer(c, &map, &m));
    /* Rows (1), then columns (2); far away is as good as where whole numbers are exact. */
    for (int axis = 1; axis < 3; axis++) {
        int first = axis == 1 ? 3 : 0;
        text_add(t,
                 "const float %su%d = clamp(fma((float)p%d[o%d + (uint)%sc0 * 6u + %d], "
                 "(float)%sc2, fma((float)p%d[o%d + (uint)%sc0 * 6u + %d], (float)%sc1, "
                 "(float)p%d[o%d + (uint)%sc0 * 6u + %d])), -1e9f, 1e9f);\n",
                 out, axis, m, m, out, first, out, m, m, out, first + 1, out, m, m, out, first + 2);
        text_add(t, "const int %sl%d = (int)%s(%su%d);\n", out, axis, linear ? "floor" : "round",
                 out, axis);
        if (linear)
            text_add(t, "const float %sf%d = %su%d - floor(%su%d);\n", out, axis, out, axis, out,
                     axis);
    }
    for (int corner = 0; corner < (linear ? 4 : 1); corner++) {
        for (int axis = 1; axis < 3; axis++) {
            snprintf(name, sizeof name, "%si%d%d", out, axis, corner);
            text_add(t, "int %s = %sl%d + %d;\n", name, out, axis,
                     (axis == 1 ? corner >> 1 : corner) & 1);
        }
        snprintf(inside, sizeof inside, "%sb%d", out, corner);
        text_add(t,
                 "const bool %s = %si1%d >= 0 && %si1%d < %" PRId64 " && %si2%d >= 0 && %si2%d < "
                 "%" PRId64 ";\n",
                 inside, out, corner, out, corner, n->shape.dims[1], out, corner, out, corner,
                 n->shape.dims[2]);
        for (int axis = 1; axis < 3; axis++) {
            snprintf(name, sizeof name, "%si%d%d", out, axis, corner);
            write_fill(t, name, fill, n->shape.dims[axis]);
        }
        snprintf(index, sizeof index,
                 "(((%s)%sc0 * %" PRId64 "u + (uint)%si1%d) * %" PRId64
                 "u + (uint)%si2%d) * %" PRId64 "u + %s",
                 type, out, n->shape.dims[1], out, corner, n->shape.dims[2], out, corner,
                 n->shape.dims[3], inner);
        snprintf(name, sizeof name, "%sx%d", out, corner);
        code_read(c, &a, k, NULL, index, lanes, name);
        if (fill == FILL_CONSTANT)
            text_add(t, "const %s %sy%d = %s ? %s : (%s)(%.9ef);\n", value, out, corner, inside,
                     name, value, n->attr.number[0]);
        else
            text_add(t, "const %s %sy%d = %s;\n", value, out, corner, name);
    }
    if (linear)
        text_add(t,
                 "const %s %s = (%sy0 * (%s)(1.0f - %sf2) + %sy1 * (%s)(%sf2)) * (%s)(1.0f - %sf1) "
                 "+ (%sy2 * (%s)(1.0f - %sf2) + %sy3 * (%s)(%sf2)) * (%s)(%sf1);\n",
                 value, out, out, value, out, out, value, out, value, out, out, value, out, out,
                 value, out, value, out);
    else
        text_add(t, "const %s %s = %sy0;\n", value, out, out);
    return KILN_OK;
}

kiln_status code_picture(code *c, ir_id id, int d, int lanes, char *out)
{
    const ir_node *n = &c->b->g->items[id];
    snprintf(out, SHORT, "v%d", c->next++);
    KILN_TRY((n->op == &op_desc_box      ? box
              : n->op == &op_desc_resize ? resize
              : n->op == &op_desc_warp   ? warp
                                         : resize_gradient)(c, n, d, lanes, out));
    return c->out.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
