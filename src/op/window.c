/* Windows, and pooling over them. */
#include "op/window.h"

#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

kiln_status op_window_place(const char *what, op_window *w, op_padding padding, kiln_shape input,
                            kiln_shape *output)
{
    if (input.rank != w->axes + 2)
        return kiln_fail(KILN_ERROR_SHAPE, "%s: a window over %d axes does not fit the input %s",
                         what, w->axes, ir_shape_text(input));
    *output = input;
    for (int a = 0; a < w->axes; a++) {
        if (w->size[a] < 1 || w->stride[a] < 1 || w->dilation[a] < 1 || w->size[a] > INT32_MAX ||
            w->stride[a] > INT32_MAX || w->dilation[a] > INT32_MAX)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s: size %" PRId64 ", stride %" PRId64 " and dilation %" PRId64
                             " of a window must all be 1 or more",
                             what, w->size[a], w->stride[a], w->dilation[a]);
        int64_t length = input.dims[a + 1], reach = (w->size[a] - 1) * w->dilation[a] + 1, count;
        w->before[a] = 0;
        if (padding == PADDING_SAME) {
            count = (length + w->stride[a] - 1) / w->stride[a];
            int64_t needed = (count - 1) * w->stride[a] + reach - length;
            w->before[a] = needed > 0 ? needed / 2 : 0;
        } else if (padding == PADDING_CAUSAL) {
            w->before[a] = reach - 1;
            count = (length + w->stride[a] - 1) / w->stride[a];
        } else {
            count = length < reach ? 0 : (length - reach) / w->stride[a] + 1;
        }
        if (count < 1)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s: a window that covers %" PRId64
                             " elements does not fit axis %d of "
                             "the input %s",
                             what, reach, a + 1, ir_shape_text(input));
        output->dims[a + 1] = count;
    }
    return KILN_OK;
}

void op_window_store(const op_window *w, ir_attributes *attr)
{
    attr->shape = attr->extra = (kiln_shape){.rank = 2 * w->axes};
    for (int a = 0; a < w->axes; a++) {
        attr->shape.dims[a] = w->size[a];
        attr->shape.dims[w->axes + a] = w->stride[a];
        attr->extra.dims[a] = w->dilation[a];
        attr->extra.dims[w->axes + a] = w->before[a];
    }
}

op_window op_window_of(const ir_attributes *attr)
{
    op_window w = {.axes = attr->shape.rank / 2};
    for (int a = 0; a < w.axes; a++) {
        w.size[a] = attr->shape.dims[a];
        w.stride[a] = attr->shape.dims[w.axes + a];
        w.dilation[a] = attr->extra.dims[a];
        w.before[a] = attr->extra.dims[w.axes + a];
    }
    return w;
}

bool op_window_inside(const op_window *w, int axis, int64_t length, int64_t count)
{
    return w->before[axis] <= 0 && (count - 1) * w->stride[axis] - w->before[axis] +
                                           (w->size[axis] - 1) * w->dilation[axis] <
                                       length;
}
