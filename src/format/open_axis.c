#include "format/open_axis.h"

#include <stdio.h>

kiln_status open_axis_take(open_axis *open, const kiln_load_args *args)
{
    *open = (open_axis){.length = args ? args->sequence_length : 0};
    if (open->length < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "sequence_length is %lld; it must be 1 or more",
                         (long long)open->length);
    return KILN_OK;
}

kiln_status open_axis_fix(kiln_layer *layer, open_axis *open)
{
    kiln_shape *shape = &layer->input_shape;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] != OPEN_AXIS)
            continue;
        if (layer->open_axis)
            return kiln_fail(
                KILN_ERROR_UNSUPPORTED,
                "axes %d and %d are open (None), and only one besides the batch can be; "
                "give the other a size in Keras and save the model again",
                layer->open_axis, i + 1);
        layer->open_axis = i + 1;
    }
    if (layer->open_axis == 0)
        return KILN_OK;
    if (open && open->layer[0] == '\0') {
        snprintf(open->layer, sizeof open->layer, "%s",
                 layer->name ? layer->name : layer->cls->snake_name);
        open->axis = layer->open_axis - 1;
    }
    if (open == NULL || open->length < 1)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "axis %d is open (None), and models have fixed shapes here; give it a "
                         "length, by --sequence-length N or kiln_load_with's .sequence_length",
                         layer->open_axis);
    shape->dims[layer->open_axis - 1] = open->length;
    return KILN_OK;
}
