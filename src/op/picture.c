/* Boxes and pictures. */
#include "op/picture.h"

#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

/* ---- box: attr.extra the offsets ---- */
static kiln_status box_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    int64_t back[KILN_MAX_RANK];
    for (int a = 0; a < n.shape.rank; a++)
        back[a] = -n.attr.extra.dims[a];
    return op_add_gradient(g, &dx[0], op_box(g, dy, back, g->items[n.inputs[0]].shape));
}
const op_descriptor op_desc_box = {
    .name = "box", .kind = OP_INDEXED, .inputs = 1, .gradient = box_gradient};

ir_id op_box(ir_graph *g, ir_id x, const int64_t *before, kiln_shape shape)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape;
    ir_attributes attr = {.extra = {.rank = from.rank}};
    bool ok = shape.rank == from.rank && from.rank > 0, same = true;
    for (int a = 0; ok && a < from.rank; a++) {
        ok = shape.dims[a] >= 1 && shape.dims[a] < INT32_MAX / 2 && from.dims[a] < INT32_MAX / 2 &&
             before[a] < shape.dims[a] && before[a] > -from.dims[a];
        attr.extra.dims[a] = before[a];
        same &= before[a] == 0 && shape.dims[a] == from.dims[a];
    }
    if (!ok) {
        kiln_fail(KILN_ERROR_SHAPE, "nothing of %s is left in a box of shape %s",
                  ir_shape_text(from), ir_shape_text(shape));
        return IR_NONE;
    }
    return same ? x : op_node(g, &op_desc_box, 1, &x, KILN_FLOAT32, shape, &attr);
}

/* ---- resize: integer[0] the interpolation ---- */
const op_descriptor op_desc_resize_gradient = {
    .name = "resize_gradient", .kind = OP_INDEXED, .inputs = 1};

static kiln_status resize_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    return op_add_gradient(g, &dx[0],
                           op_node(g, &op_desc_resize_gradient, 1, &dy, KILN_FLOAT32,
                                   g->items[n.inputs[0]].shape, &n.attr));
}
const op_descriptor op_desc_resize = {
    .name = "resize", .kind = OP_INDEXED, .inputs = 1, .gradient = resize_gradient};

static bool are_pictures(const char *what, kiln_shape x)
{
    if (x.rank == 4)
        return true;
    kiln_fail(KILN_ERROR_SHAPE,
              "%s: pictures have a batch, a height, a width and channels; %s has "
              "not",
              what, ir_shape_text(x));
    return false;
}

ir_id op_resize(ir_graph *g, ir_id x, op_interpolation interpolation, int64_t height, int64_t width)
{
    if (x == IR_NONE || !are_pictures("resize", g->items[x].shape))
        return IR_NONE;
    kiln_shape from = g->items[x].shape, shape = from;
    shape.dims[1] = height;
    shape.dims[2] = width;
    for (int a = 1; a < 3; a++)
        /* positions are counted in whole numbers: halves of a pixel over the other size */
        if (shape.dims[a] < 1 || shape.dims[a] >= 16384 || from.dims[a] >= 16384) {
            kiln_fail(KILN_ERROR_SHAPE,
                      "resize: from %" PRId64 " to %" PRId64 " pixels; 1 to 16383 are possible",
                      from.dims[a], shape.dims[a]);
            return IR_NONE;
        }
    return ir_shape_equal(from, shape) ? x
                                       : op_node(g, &op_desc_resize, 1, &x, KILN_FLOAT32, shape,
                                                 &(ir_attributes){.integer = {interpolation}});
}

/* ---- warp: integer[0] the interpolation, [1] what lies outside, number[0] its value ---- */
static kiln_status warp_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    (void)dy, (void)dx;
    return kiln_fail(KILN_ERROR_UNSUPPORTED,
                     "gradients do not pass through pictures that are moved at random%s%s: put no "
                     "layer with weights to train before it",
                     g->items[node].place ? ", as by layer " : "",
                     g->items[node].place ? g->items[node].place : "");
}
const op_descriptor op_desc_warp = {
    .name = "warp", .kind = OP_INDEXED, .inputs = 2, .gradient = warp_gradient};

ir_id op_warp(ir_graph *g, ir_id x, ir_id map, op_interpolation interpolation, op_fill fill,
              double value)
{
    if (x == IR_NONE || map == IR_NONE || !are_pictures("warp", g->items[x].shape))
        return IR_NONE;
    kiln_shape m = g->items[map].shape, shape = g->items[x].shape;
    if (m.rank != 2 || m.dims[0] != shape.dims[0] || m.dims[1] != 6 || shape.dims[1] > 1 << 23 ||
        shape.dims[2] > 1 << 23) {
        kiln_fail(KILN_ERROR_SHAPE, "warp: a map of shape %s for pictures %s", ir_shape_text(m),
                  ir_shape_text(shape));
        return IR_NONE;
    }
    return op_node(g, &op_desc_warp, 2, (ir_id[]){x, map}, KILN_FLOAT32, shape,
                   &(ir_attributes){.integer = {interpolation, fill}, .number = {value}});
}
