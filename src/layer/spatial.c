#include "layer/spatial.h"

#include <inttypes.h>
#include <string.h>

int spatial_axes(const kiln_layer *layer)
{
    const char *name = layer->cls->class_name;
    return name[strcspn(name, "123")] - '0';
}

kiln_status spatial_word(const char *field, const char *value, const char *allowed)
{
    size_t length = value ? strlen(value) : 0;
    const char *names[16] = {0};
    char copy[128];
    for (const char *word = allowed; length && *word;) {
        size_t end = strcspn(word, " ");
        if (end == length && strncmp(word, value, length) == 0)
            return KILN_OK;
        word += end + (word[end] == ' ');
    }
    snprintf(copy, sizeof copy, "%s", allowed);
    size_t n = 0;
    for (char *word = copy; word && n < 15;) {
        char *space = strchr(word, ' ');
        names[n++] = word;
        if (space)
            *space++ = '\0';
        word = space;
    }
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s is \"%.100s\"; possible are: %s%s", field,
                     value ? value : "", allowed, value ? spec_hint(value, names) : "");
}

kiln_status spatial_format(const char *data_format)
{
    return spatial_word("data_format", data_format, "channels_last channels_first");
}

bool spatial_channels_first(const char *data_format)
{
    return strcmp(data_format, "channels_first") == 0;
}

int spatial_begin(const char *data_format)
{
    return spatial_channels_first(data_format) ? 1 : 0;
}

kiln_status spatial_input(kiln_shape input, int axes)
{
    if (input.rank == axes + 1)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_SHAPE,
                     "its input %s has %d axes besides the batch; it takes %d (%s)",
                     ir_shape_text(input), input.rank, axes + 1,
                     axes == 1   ? "steps, channels"
                     : axes == 2 ? "height, width, channels"
                                 : "depth, height, width, channels");
}

kiln_status spatial_fill(const char *field, kiln_shape *sizes, int axes, int64_t fallback,
                         int64_t least)
{
    if (sizes->rank == 0 && fallback > 0)
        *sizes = (kiln_shape){1, {fallback}};
    if (sizes->rank == 1 && axes > 1) {
        sizes->rank = axes;
        for (int i = 1; i < axes; i++)
            sizes->dims[i] = sizes->dims[0];
    }
    if (sizes->rank == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is missing", field);
    if (sizes->rank != axes)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s has %d numbers; it takes one, or %d", field,
                         sizes->rank, axes);
    for (int i = 0; i < axes; i++)
        if (sizes->dims[i] < least || sizes->dims[i] > INT32_MAX / 4)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s %s: each must be %" PRId64 " or more", field,
                             ir_shape_text(*sizes), least);
    return KILN_OK;
}

ir_id spatial_enter(ir_graph *g, ir_id x, const char *data_format)
{
    if (x == IR_NONE || !spatial_channels_first(data_format))
        return x;
    kiln_shape from = g->items[x].shape, shape = {.rank = from.rank};
    shape.dims[0] = from.dims[0] * from.dims[1];
    for (int i = 2; i < from.rank; i++)
        shape.dims[i - 1] = from.dims[i];
    shape.dims[from.rank - 1] = 1;
    return op_reshape(g, x, shape);
}

ir_id spatial_leave(ir_graph *g, ir_id y, ir_id like, const char *data_format)
{
    if (y == IR_NONE || !spatial_channels_first(data_format))
        return y;
    kiln_shape from = g->items[y].shape, shape = g->items[like].shape;
    for (int i = 2; i < shape.rank; i++)
        shape.dims[i] = from.dims[i - 1];
    return op_reshape(g, y, shape);
}

kiln_shape spatial_channels_last(const char *data_format, kiln_shape sample)
{
    kiln_shape s = sample;
    for (int i = 0; spatial_channels_first(data_format) && i < s.rank; i++)
        s.dims[i] = sample.dims[(i + 1) % s.rank];
    return s;
}

kiln_shape spatial_as_given(const char *data_format, kiln_shape sample)
{
    kiln_shape s = sample;
    for (int i = 0; spatial_channels_first(data_format) && i < s.rank; i++)
        s.dims[(i + 1) % s.rank] = sample.dims[i];
    return s;
}

ir_id spatial_move_channels(ir_graph *g, ir_id x, bool back)
{
    if (x == IR_NONE)
        return IR_NONE;
    int rank = g->items[x].shape.rank, order[KILN_MAX_RANK] = {0};
    for (int i = 1; i < rank; i++)
        order[i] = back ? (i == 1 ? rank - 1 : i - 1) : (i == rank - 1 ? 1 : i + 1);
    return op_transpose(g, x, order);
}
