/* The optimizer's state on the device, and as named arrays. */
#include "train/optimizer.h"

#include <string.h>

const char *optimizer_slot_name(const optimizer *o, int slot)
{
    static const char *const adam[] = {"momentum", "velocity", "velocity_hat"};
    bool momentum = o->args.momentum > 0;
    if (o->plan.accumulate > 0 && slot == o->plan.slot_count - 1)
        return "gradient_accumulator";
    switch (o->args.kind) {
    case KILN_OPTIMIZER_SGD:
        return "momentum";
    case KILN_OPTIMIZER_ADAM:
    case KILN_OPTIMIZER_ADAMW:
        return adam[slot];
    case KILN_OPTIMIZER_ADAGRAD:
        return "accumulator";
    default:
        return slot == 0 ? "velocity" : slot == 1 && momentum ? "momentum" : "average_gradient";
    }
}

static float slot_start(const optimizer *o, int slot)
{
    bool accumulator = o->plan.accumulate > 0 && slot == o->plan.slot_count - 1;
    return o->args.kind == KILN_OPTIMIZER_ADAGRAD && !accumulator
               ? (float)o->args.initial_accumulator_value
               : 0;
}

void optimizer_free(optimizer *o)
{
    for (int i = 0; i < o->plan.slot_count; i++)
        if (o->plan.slots[i])
            device_free(o->device, o->plan.slots[i]);
    if (o->scale.memory)
        device_free(o->device, o->scale.memory);
    if (o->device)
        kiln_device_close(o->device);
    free(o->weights);
    free(o->offsets);
    optimizer_arrays_free(o->pending, o->pending_count);
    *o = (optimizer){0};
}

void optimizer_arrays_free(optimizer_array *arrays, size_t count)
{
    for (size_t i = 0; arrays && i < count; i++) {
        free(arrays[i].name);
        free(arrays[i].values);
    }
    free(arrays);
}

static kiln_status check_same_weights(const optimizer *o, int count, const plan_update *updates)
{
    bool same = count == o->weight_count;
    for (int i = 0; same && i < count; i++)
        same = updates[i].weight == o->weights[i];
    if (same)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "the optimizer was made for other weights than this graph trains (%d and %d); "
                     "compile the model again",
                     o->weight_count, count);
}

static kiln_status make_slot(optimizer *o, int slot)
{
    size_t bytes = o->elements * sizeof(float);
    KILN_TRY(device_alloc(o->device, bytes, "optimizer state", &o->plan.slots[slot]));
    float start = slot_start(o, slot);
    if (start == 0)
        return device_fill_zero(o->device, o->plan.slots[slot], 0, bytes);
    float *values = mem_new(o->elements, sizeof *values);
    if (values == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < o->elements; i++)
        values[i] = start;
    kiln_status status = device_write(o->device, o->plan.slots[slot], 0, values, bytes);
    free(values);
    return status;
}

static kiln_status make_scale(optimizer *o)
{
    o->scale.device = o->device;
    KILN_TRY(device_alloc(o->device, sizeof o->scale_start, "the loss's scale", &o->scale.memory));
    o->plan.scale = &o->scale;
    o->plan.scale_growth = (int)o->args.dynamic_growth_steps;
    return device_write(o->device, o->scale.memory, 0, o->scale_start, sizeof o->scale_start);
}

kiln_status optimizer_read_scale(const optimizer *o, float values[2])
{
    if (o->scale.memory)
        return device_read(o->device, o->scale.memory, 0, values, sizeof o->scale_start);
    memcpy(values, o->scale_start, sizeof o->scale_start);
    return KILN_OK;
}

kiln_status optimizer_write_scale(optimizer *o, const float values[2])
{
    memcpy(o->scale_start, values, sizeof o->scale_start);
    if (o->scale.memory)
        return device_write(o->device, o->scale.memory, 0, values, sizeof o->scale_start);
    return KILN_OK;
}

kiln_status optimizer_place(optimizer *o, kiln_device *device, int count,
                            const plan_update *updates)
{
    if (o->weights)
        return check_same_weights(o, count, updates);
    o->weights = mem_new((size_t)count, sizeof *o->weights);
    o->offsets = mem_new((size_t)count, sizeof *o->offsets);
    if (o->weights == NULL || o->offsets == NULL)
        return KILN_ERROR_MEMORY;
    for (int i = 0; i < count; i++)
        o->weights[i] = updates[i].weight;
    o->weight_count = count;
    o->elements = plan_update_offsets(count, updates, o->offsets);
    o->device = device_retain(device);
    for (int slot = 0; slot < o->plan.slot_count; slot++)
        KILN_TRY(make_slot(o, slot));
    if (o->args.initial_scale > 0)
        KILN_TRY(make_scale(o));
    if (o->pending == NULL)
        return KILN_OK;
    kiln_status status = optimizer_import(o, o->pending, o->pending_count);
    optimizer_arrays_free(o->pending, o->pending_count);
    o->pending = NULL;
    o->pending_count = 0;
    return status;
}

kiln_status optimizer_read_slot(optimizer *o, int slot, float *values)
{
    return device_read(o->device, o->plan.slots[slot], 0, values, o->elements * sizeof(float));
}

kiln_status optimizer_write_slot(optimizer *o, int slot, const float *values)
{
    return device_write(o->device, o->plan.slots[slot], 0, values, o->elements * sizeof(float));
}

/* "dense/kernel/momentum". NULL on failure. */
static char *array_name(const char *path, const char *slot)
{
    return str_format("%s/%s", path, slot);
}

static kiln_status export_slot(optimizer *o, int slot, float *all, optimizer_array *arrays)
{
    KILN_TRY(optimizer_read_slot(o, slot, all));
    for (int i = 0; i < o->weight_count; i++) {
        const ir_weight *weight = o->weights[i];
        size_t size = (size_t)kiln_shape_size(weight->shape);
        optimizer_array *array = &arrays[(size_t)slot * (size_t)o->weight_count + (size_t)i];
        array->name = array_name(weight->path, optimizer_slot_name(o, slot));
        array->shape = weight->shape;
        array->values = mem_new(size, sizeof(float));
        if (array->name == NULL || array->values == NULL)
            return KILN_ERROR_MEMORY;
        memcpy(array->values, all + o->offsets[i], size * sizeof(float));
    }
    return KILN_OK;
}

static kiln_status copy_arrays(const optimizer_array *from, size_t count, optimizer_array **copy)
{
    optimizer_array *arrays = mem_new(count, sizeof *arrays);
    if (arrays == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)kiln_shape_size(from[i].shape);
        arrays[i].name = str_copy(from[i].name);
        arrays[i].shape = from[i].shape;
        arrays[i].values = mem_new(size, sizeof(float));
        if (arrays[i].name == NULL || arrays[i].values == NULL) {
            optimizer_arrays_free(arrays, count);
            return KILN_ERROR_MEMORY;
        }
        memcpy(arrays[i].values, from[i].values, size * sizeof(float));
    }
    *copy = arrays;
    return KILN_OK;
}

kiln_status optimizer_export(optimizer *o, optimizer_array **arrays, size_t *count)
{
    *arrays = NULL;
    *count = 0;
    if (o->weights == NULL) {
        if (o->pending == NULL)
            return KILN_OK;
        KILN_TRY(copy_arrays(o->pending, o->pending_count, arrays));
        *count = o->pending_count;
        return KILN_OK;
    }
    size_t total = (size_t)o->plan.slot_count * (size_t)o->weight_count;
    optimizer_array *made = mem_new(total, sizeof *made);
    float *all = mem_new(o->elements, sizeof *all);
    kiln_status status = made && all ? KILN_OK : KILN_ERROR_MEMORY;
    for (int slot = 0; status == KILN_OK && slot < o->plan.slot_count; slot++)
        status = export_slot(o, slot, all, made);
    free(all);
    if (status != KILN_OK) {
        optimizer_arrays_free(made, made ? total : 0);
        return status;
    }
    *arrays = made;
    *count = total;
    return KILN_OK;
}

static const optimizer_array *find_array(const optimizer_array *arrays, size_t count,
                                         const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(arrays[i].name, name) == 0)
            return &arrays[i];
    return NULL;
}

static kiln_status import_slot(optimizer *o, int slot, float *all, const optimizer_array *arrays,
                               size_t count)
{
    KILN_TRY(optimizer_read_slot(o, slot, all));
    for (int i = 0; i < o->weight_count; i++) {
        const ir_weight *weight = o->weights[i];
        char *name = array_name(weight->path, optimizer_slot_name(o, slot));
        if (name == NULL)
            return KILN_ERROR_MEMORY;
        const optimizer_array *array = find_array(arrays, count, name);
        free(name);
        if (array == NULL)
            continue;
        if (!ir_shape_equal(array->shape, weight->shape))
            return kiln_fail(KILN_ERROR_SHAPE, "optimizer state %s has shape %s, the weight %s",
                             array->name, ir_shape_text(array->shape),
                             ir_shape_text(weight->shape));
        memcpy(all + o->offsets[i], array->values,
               (size_t)kiln_shape_size(weight->shape) * sizeof(float));
    }
    return optimizer_write_slot(o, slot, all);
}

kiln_status optimizer_import(optimizer *o, const optimizer_array *arrays, size_t count)
{
    if (o->weights == NULL) {
        optimizer_array *copy;
        KILN_TRY(copy_arrays(arrays, count, &copy));
        optimizer_arrays_free(o->pending, o->pending_count);
        o->pending = copy;
        o->pending_count = count;
        return KILN_OK;
    }
    float *all = mem_new(o->elements, sizeof *all);
    kiln_status status = all ? KILN_OK : KILN_ERROR_MEMORY;
    for (int slot = 0; status == KILN_OK && slot < o->plan.slot_count; slot++)
        status = import_slot(o, slot, all, arrays, count);
    free(all);
    return status;
}
