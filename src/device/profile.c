#include "device/profile.h"

#include "base/clock.h"
#include "base/hash.h"
#include "device/inject.h"
#include "device/inside.h"

#include <string.h>

/* Events are read and released this many at a time: some drivers slow down a thousandfold under
 * many unreleased ones. */
enum { BATCH = 256, MOST_PENDING = 4096 };

typedef struct pending_event {
    cl_event event;
    size_t row;
    double flops, bytes;
} pending_event;

struct device_profile {
    struct {
        profile_row *items;
        size_t count, capacity;
    } rows;
    struct {
        pending_event *items;
        size_t count, capacity;
    } pending;
    struct {
        profile_span *items; /* start: by the device's clock, in seconds */
        size_t count, capacity, most;
    } spans;
    double clock_offset; /* the device's clock minus this process's */
    bool from_outside;   /* launches are timed by this process's clock */
    size_t
        *slots; /* row + 1 by hash of its names, 0 when free; a power of two, at most half full */
    size_t slot_count;
};

static size_t slot_of(const device_profile *profile, const char *name, const char *what)
{
    size_t slot = (size_t)hash_string(hash_string(0, name), what) & (profile->slot_count - 1);
    for (; profile->slots[slot]; slot = (slot + 1) & (profile->slot_count - 1)) {
        const profile_row *row = &profile->rows.items[profile->slots[slot] - 1];
        if (strcmp(row->name, name) == 0 && strcmp(row->what, what) == 0)
            break;
    }
    return slot;
}

static kiln_status grow_slots(device_profile *profile)
{
    size_t count = profile->slot_count ? profile->slot_count * 2 : 128;
    size_t *slots = mem_new(count, sizeof *slots);
    if (slots == NULL)
        return kiln_last_status();
    free(profile->slots);
    profile->slots = slots;
    profile->slot_count = count;
    for (size_t i = 0; i < profile->rows.count; i++) {
        const profile_row *row = &profile->rows.items[i];
        profile->slots[slot_of(profile, row->name, row->what)] = i + 1;
    }
    return KILN_OK;
}

static void free_row(profile_row *row)
{
    free(row->name);
    free(row->what);
    free(row->layer);
}

static kiln_status find_row(device_profile *profile, const char *name, const char *what,
                            const char *layer, size_t *row)
{
    if (2 * (profile->rows.count + 1) > profile->slot_count)
        KILN_TRY(grow_slots(profile));
    size_t slot = slot_of(profile, name, what);
    if (profile->slots[slot] == 0) {
        KILN_TRY(MEM_PUSH_ROOM(&profile->rows));
        profile_row fresh = {
            .name = str_copy(name), .what = str_copy(what), .layer = str_copy(layer)};
        if (fresh.name == NULL || fresh.what == NULL || fresh.layer == NULL) {
            free_row(&fresh);
            return kiln_last_status();
        }
        profile->rows.items[profile->rows.count++] = fresh;
        profile->slots[slot] = profile->rows.count;
    }
    *row = profile->slots[slot] - 1;
    return KILN_OK;
}

/* Room was made by profile_keep_spans. */
static void keep_span(device_profile *profile, profile_span span)
{
    if (profile->spans.count < profile->spans.most)
        profile->spans.items[profile->spans.count++] = span;
}

/* Adds up the events that are done, from the oldest on; the queue is in order. */
static void collect(device_profile *profile)
{
    size_t done = 0;
    for (; done < profile->pending.count; done++) {
        const pending_event *pending = &profile->pending.items[done];
        cl_int state = CL_QUEUED;
        cl_ulong start = 0, end = 0;
        clGetEventInfo(pending->event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state,
                       NULL);
        if (state > CL_COMPLETE)
            break;
        if (state == CL_COMPLETE &&
            clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_START, sizeof start,
                                    &start, NULL) == CL_SUCCESS &&
            clGetEventProfilingInfo(pending->event, CL_PROFILING_COMMAND_END, sizeof end, &end,
                                    NULL) == CL_SUCCESS &&
            end > start) {
            double seconds = (double)(end - start) * 1e-9;
            profile->rows.items[pending->row].seconds += seconds;
            keep_span(profile, (profile_span){pending->row, (double)start * 1e-9, seconds,
                                              pending->flops, pending->bytes});
        }
        clReleaseEvent(pending->event);
    }
    profile->pending.count -= done;
    if (done && profile->pending.count)
        memmove(profile->pending.items, profile->pending.items + done,
                profile->pending.count * sizeof *profile->pending.items);
}

/* The row of a launch, which counts as one more call. */
static kiln_status count_call(device_profile *profile, const device_launch_info *info,
                              size_t *index)
{
    const char *name = info && info->name ? info->name : "kernel";
    const char *what = info && info->what ? info->what : "";
    const char *layer = info && info->layer ? info->layer : "";
    KILN_TRY(find_row(profile, name, what, layer, index));
    profile_row *row = &profile->rows.items[*index];
    row->calls++;
    row->flops += info ? info->flops : 0;
    row->bytes += info ? info->bytes : 0;
    return KILN_OK;
}

kiln_status profile_add(kiln_device *device, const device_launch_info *info, double seconds)
{
    size_t index = 0;
    KILN_TRY(count_call(device->profile, info, &index));
    device->profile->rows.items[index].seconds += seconds;
    collect(device->profile); /* the launches before it */
    keep_span(device->profile,
              (profile_span){index, clock_seconds() + device->profile->clock_offset - seconds,
                             seconds, info ? info->flops : 0, info ? info->bytes : 0});
    return KILN_OK;
}

kiln_status profile_record(kiln_device *device, cl_event event, const device_launch_info *info)
{
    device_profile *profile = device->profile;
    size_t index = 0;
    kiln_status status = count_call(profile, info, &index);
    if (status == KILN_OK)
        status = MEM_PUSH_ROOM(&profile->pending);
    if (status != KILN_OK) {
        clReleaseEvent(event);
        return status;
    }
    profile->pending.items[profile->pending.count++] =
        (pending_event){event, index, info ? info->flops : 0, info ? info->bytes : 0};
    if (profile->pending.count % BATCH == 0) {
        KILN_TRY(device_flush(device));
        if (profile->pending.count >= MOST_PENDING)
            KILN_TRY(device_finish(device));
        collect(profile);
    }
    return KILN_OK;
}

/* The queue of a device cannot change its properties: another takes its place. */
static kiln_status replace_queue(kiln_device *device, cl_command_queue_properties properties)
{
    cl_int error;
    KILN_TRY(device_finish(device));
    cl_command_queue queue =
        CL_MAKE(&error, clCreateCommandQueue, device->context, device->id, properties);
    KILN_TRY(device_check(device, error, "clCreateCommandQueue", "profiling"));
    clReleaseCommandQueue(device->queue);
    device->queue = queue;
    return KILN_OK;
}

static void free_profile(device_profile *profile)
{
    for (size_t i = 0; i < profile->pending.count; i++)
        clReleaseEvent(profile->pending.items[i].event);
    free(profile->pending.items);
    profile_free_rows(profile->rows.items, profile->rows.count);
    free(profile->spans.items);
    free(profile->slots);
    free(profile);
}

kiln_status profile_start(kiln_device *device)
{
    if (device->profile)
        return kiln_fail(KILN_ERROR_ARGUMENT, "device \"%s\" is being profiled already",
                         device->info.name);
    device_profile *profile = mem_new(1, sizeof *profile);
    if (profile == NULL)
        return kiln_last_status();
    kiln_status status = replace_queue(device, CL_QUEUE_PROFILING_ENABLE);
    if (status != KILN_OK) {
        free(profile);
        return status;
    }
    device->profile = profile;
    return KILN_OK;
}

void profile_from_outside(kiln_device *device)
{
    if (device->profile)
        device->profile->from_outside = true;
}

bool profile_is_from_outside(const kiln_device *device)
{
    return device->profile && device->profile->from_outside;
}

/* How far the device's clock is ahead of the host's: calls that are timed from outside have to find
 * their place among the events. */
static kiln_status compare_clocks(kiln_device *device, double *offset)
{
    cl_event event;
    cl_ulong end = 0;
    KILN_TRY(device_check(
        device, CL_QUEUE(device, device->queue, clEnqueueMarkerWithWaitList, 0, NULL, &event),
        "clEnqueueMarkerWithWaitList", "profiling"));
    kiln_status status = device_finish(device);
    *offset = -clock_seconds();
    if (status == KILN_OK && clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, sizeof end,
                                                     &end, NULL) == CL_SUCCESS)
        *offset += (double)end * 1e-9;
    clReleaseEvent(event);
    return status;
}

kiln_status profile_keep_spans(kiln_device *device, size_t most)
{
    device_profile *profile = device->profile;
    if (profile == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "device \"%s\" is not being profiled",
                         device->info.name);
    KILN_TRY(mem_grow(&profile->spans.items, &profile->spans.capacity, most,
                      sizeof *profile->spans.items));
    KILN_TRY(device_finish(device));
    collect(profile);
    profile->clock_offset = 0;
    if (!profile->from_outside)
        KILN_TRY(compare_clocks(device, &profile->clock_offset));
    profile->spans.count = 0;
    profile->spans.most = most;
    return KILN_OK;
}

static int by_start(const void *a, const void *b)
{
    double x = ((const profile_span *)a)->start, y = ((const profile_span *)b)->start;
    return (x > y) - (x < y);
}

kiln_status profile_take_spans(kiln_device *device, profile_span **spans, size_t *count)
{
    device_profile *profile = device->profile;
    *spans = NULL;
    *count = 0;
    if (profile == NULL || profile->spans.most == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "the launches of device \"%s\" are not being kept",
                         device->info.name);
    KILN_TRY(device_finish(device));
    collect(profile);
    *spans = profile->spans.items;
    *count = profile->spans.count;
    memset(&profile->spans, 0, sizeof profile->spans);
    if (*count)
        qsort(*spans, *count, sizeof **spans, by_start);
    for (size_t i = *count; i-- > 0;)
        (*spans)[i].start -= (*spans)[0].start;
    /* The queue is in order; two clocks may differ by some microseconds. */
    for (size_t i = 1; i < *count; i++) {
        double free_at = (*spans)[i - 1].start + (*spans)[i - 1].seconds;
        if ((*spans)[i].start < free_at)
            (*spans)[i].start = free_at;
    }
    return KILN_OK;
}

kiln_status profile_stop(kiln_device *device, profile_row **rows, size_t *count)
{
    device_profile *profile = device->profile;
    *rows = NULL;
    *count = 0;
    if (profile == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "device \"%s\" is not being profiled",
                         device->info.name);
    kiln_status status = device_finish(device);
    if (status == KILN_OK) {
        collect(profile);
        status = replace_queue(device, 0);
    }
    if (status == KILN_OK) {
        *rows = profile->rows.items;
        *count = profile->rows.count;
        profile->rows.items = NULL;
        profile->rows.count = 0;
    }
    device->profile = NULL;
    free_profile(profile);
    return status;
}

void profile_free_rows(profile_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free_row(&rows[i]);
    }
    free(rows);
}
