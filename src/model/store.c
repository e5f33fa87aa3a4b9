/* Device memory of weights: slabs that many weights share. */
#include "model/model.h"

#include <string.h>

#define ALIGNMENT 64 /* elements */

/* One allocation; weights count as its owners. A device is used by one thread at a time, and so
 * are its slabs. */
typedef struct store_slab {
    kiln_device *device;
    cl_mem memory;
    size_t owners;
} store_slab;

static size_t padded(size_t elements)
{
    return (elements + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void slab_release(store_slab *slab)
{
    if (--slab->owners > 0)
        return;
    device_free(slab->device, slab->memory);
    kiln_device_close(slab->device);
    free(slab);
}

void store_release(ir_weight *weight)
{
    if (weight->slab)
        slab_release(weight->slab);
    weight->slab = NULL;
    weight->memory = NULL;
    weight->device = NULL;
    weight->offset = 0;
}

kiln_status store_upload(ir_weight *weight, const float *values)
{
    return weight_write(weight, values);
}

kiln_status store_download(ir_weight *weight, float *values)
{
    size_t bytes = (size_t)kiln_shape_size(weight->shape) * sizeof *values;
    if (weight->device) {
        if (device_read(weight->device, weight->memory, weight->offset * sizeof *values, values,
                        bytes) != KILN_OK)
            return kiln_fail_in("fetching %s", weight->path);
        return KILN_OK;
    }
    if (weight->host == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s has no values yet", weight->path);
    memmove(values, weight->host, bytes);
    return KILN_OK;
}

/* Brings a weight's values back to the host and gives its place up. */
static kiln_status bring_home(ir_weight *weight)
{
    if (weight->host == NULL) {
        weight->host = mem_new((size_t)kiln_shape_size(weight->shape), sizeof *weight->host);
        if (weight->host == NULL)
            return KILN_ERROR_MEMORY;
    }
    KILN_TRY(store_download(weight, weight->host));
    store_release(weight);
    return KILN_OK;
}

/* Puts weights[0..count) into one new slab of that many elements. */
static kiln_status place_in_slab(kiln_device *device, ir_weight *const *weights, size_t count,
                                 size_t elements)
{
    store_slab *slab = mem_new(1, sizeof *slab);
    if (slab == NULL)
        return KILN_ERROR_MEMORY;
    const char *what = count == 1 ? weights[0]->path : "the weights";
    if (device_alloc(device, elements * sizeof(float), what, &slab->memory) != KILN_OK) {
        free(slab);
        return kiln_last_status();
    }
    slab->device = device_retain(device);
    slab->owners = 1; /* this function, until its end */
    /* The gaps are read by kernels that work in wide steps. */
    kiln_status status = device_fill_zero(device, slab->memory, 0, elements * sizeof(float));
    size_t offset = 0;
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        ir_weight *w = weights[i];
        size_t own = (size_t)kiln_shape_size(w->shape);
        status = device_write(device, slab->memory, offset * sizeof(float), w->host,
                              own * sizeof(float));
        if (status == KILN_OK) {
            slab->owners++;
            w->slab = slab;
            w->device = device;
            w->memory = slab->memory;
            w->offset = offset;
            offset += padded(own);
        } else {
            kiln_fail_in("uploading %s", w->path);
        }
    }
    if (status == KILN_OK)
        for (size_t i = 0; i < count; i++) {
            free(weights[i]->host);
            weights[i]->host = NULL;
        }
    else
        for (size_t i = 0; i < count; i++)
            if (weights[i]->slab == slab)
                store_release(weights[i]); /* the host still has the values */
    slab_release(slab);
    return status;
}

kiln_status store_place(kiln_device *device, ir_weight *const *weights, size_t count)
{
    size_t most = (size_t)(device->info.largest_allocation / sizeof(float));
    ir_weight **missing = mem_new(count, sizeof *missing);
    if (missing == NULL)
        return KILN_ERROR_MEMORY;
    size_t n = 0;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        if (weights[i]->device == device)
            continue;
        if (weights[i]->device)
            status = bring_home(weights[i]);
        else if (weights[i]->host == NULL)
            status = kiln_fail(KILN_ERROR_ARGUMENT, "%s has no values yet", weights[i]->path);
        missing[n++] = weights[i];
    }
    for (size_t first = 0, next; first < n && status == KILN_OK; first = next) {
        size_t elements = 0;
        for (next = first; next < n; next++) {
            size_t own = padded((size_t)kiln_shape_size(missing[next]->shape));
            if (next > first && (own > most || elements > most - own))
                break;
            elements += own;
        }
        status = place_in_slab(device, missing + first, next - first, elements);
    }
    free(missing);
    return status;
}
