#include "device/list.h"

#include "base/env.h"
#include "device/inject.h"
#include "device/limits.h"
#include "device/miscompile.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <string.h>

/* From extensions that not every cl_ext.h knows. */
#define PCI_BUS_INFO_KHR 0x410F
#define PCI_BUS_ID_NV 0x4008
#define PCI_SLOT_ID_NV 0x4009
#define PCI_DOMAIN_ID_NV 0x400A
#define TOPOLOGY_AMD 0x4037
#define BOARD_NAME_AMD 0x4038
#define MAX_NUM_SUB_GROUPS 0x105C

/* A device's text without blanks at either end; "" when the driver has none. */
static void query_text(cl_device_id id, cl_device_info what, char *out, size_t size)
{
    char raw[4096];
    size_t length = 0;
    out[0] = '\0';
    if (clGetDeviceInfo(id, what, 0, NULL, &length) != CL_SUCCESS || length > sizeof raw ||
        clGetDeviceInfo(id, what, length, raw, NULL) != CL_SUCCESS || length == 0)
        return;
    raw[length - 1] = '\0';
    char *start = raw + strspn(raw, " \t");
    size_t n = strlen(start);
    while (n && strchr(" \t\n", start[n - 1]))
        n--;
    snprintf(out, size, "%.*s", (int)(n < size ? n : size - 1), start);
}

static uint64_t query_number(cl_device_id id, cl_device_info what)
{
    union {
        cl_uint u32;
        cl_ulong u64;
    } value = {.u64 = 0};
    size_t length = 0;
    if (clGetDeviceInfo(id, what, sizeof value, &value, &length) != CL_SUCCESS)
        return 0;
    return length == sizeof(cl_uint) ? value.u32 : value.u64;
}

bool list_has_extension(const char *list, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

static void find_pci(cl_device_id id, const char *extensions, char *out, size_t size)
{
    if (list_has_extension(extensions, "cl_khr_pci_bus_info")) {
        cl_uint bus[4]; /* domain, bus, device, function */
        if (clGetDeviceInfo(id, PCI_BUS_INFO_KHR, sizeof bus, bus, NULL) == CL_SUCCESS)
            snprintf(out, size, "%04x:%02x:%02x.%x", bus[0], bus[1], bus[2], bus[3]);
    } else if (list_has_extension(extensions, "cl_nv_device_attribute_query")) {
        cl_uint bus, slot, domain = 0;
        if (clGetDeviceInfo(id, PCI_BUS_ID_NV, sizeof bus, &bus, NULL) == CL_SUCCESS &&
            clGetDeviceInfo(id, PCI_SLOT_ID_NV, sizeof slot, &slot, NULL) == CL_SUCCESS) {
            clGetDeviceInfo(id, PCI_DOMAIN_ID_NV, sizeof domain, &domain, NULL);
            snprintf(out, size, "%04x:%02x:%02x.%x", domain, bus, slot >> 3, slot & 7);
        }
    } else if (list_has_extension(extensions, "cl_amd_device_attribute_query")) {
        unsigned char place[24] = {
            0}; /* type 1 in the first word: bus, device, function at the end */
        if (clGetDeviceInfo(id, TOPOLOGY_AMD, sizeof place, place, NULL) == CL_SUCCESS &&
            place[0] == 1)
            snprintf(out, size, "0000:%02x:%02x.%x", place[21], place[22], place[23]);
    }
}

static kiln_device_type type_of(cl_device_id id)
{
    cl_device_type type = query_number(id, CL_DEVICE_TYPE);
    return type & CL_DEVICE_TYPE_GPU           ? KILN_DEVICE_GPU
           : type & CL_DEVICE_TYPE_ACCELERATOR ? KILN_DEVICE_ACCELERATOR
           : type & CL_DEVICE_TYPE_CPU         ? KILN_DEVICE_CPU
                                               : KILN_DEVICE_OTHER;
}

/* Sides of a work-group: three at least, by the standard; a device may have more dimensions. */
static void find_work_items(cl_device_id id, kiln_device_info *info)
{
    size_t sizes[16] = {0}, length = 0;
    if (clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_ITEM_SIZES, sizeof sizes, sizes, &length) !=
        CL_SUCCESS)
        length = 0;
    for (size_t d = 0; d < 3; d++)
        info->largest_work_items[d] =
            (d + 1) * sizeof *sizes <= length && sizes[d] ? sizes[d] : info->largest_work_group;
}

static void describe(found_device *found)
{
    kiln_device_info *info = &found->info;
    cl_device_id id = found->id;
    char extensions[8192] = "", board[128];
    size_t work_group = 0;
    clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL);
    extensions[sizeof extensions - 1] = '\0';

    query_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    if (list_has_extension(extensions, "cl_amd_device_attribute_query")) {
        query_text(id, BOARD_NAME_AMD, board, sizeof board);
        size_t n = strlen(info->name); /* the name alone is a chip's code */
        if (board[0])
            snprintf(info->name + n, sizeof info->name - n, " (%s)", board);
    }
    query_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    query_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    query_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    find_pci(id, extensions, info->pci, sizeof info->pci);
    info->type = type_of(id);
    info->compute_units = (uint32_t)query_number(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = (uint32_t)query_number(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->memory = query_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->largest_allocation = query_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->local_memory = query_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof work_group, &work_group, NULL);
    info->largest_work_group = work_group ? work_group : 1;
    find_work_items(id, info);
    info->base_alignment = (uint32_t)query_number(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN) / 8;
    info->has_fp16 = list_has_extension(extensions, "cl_khr_fp16");
    info->has_fp64 = list_has_extension(extensions, "cl_khr_fp64") ||
                     query_number(id, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    info->has_subgroups = list_has_extension(extensions, "cl_khr_subgroups") ||
                          list_has_extension(extensions, "cl_intel_subgroups") ||
                          query_number(id, MAX_NUM_SUB_GROUPS) > 0;
    info->has_unified_memory = query_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY) != 0;
    limits_apply(info);

    int major = 0, minor = 0;
    sscanf(info->version, "OpenCL %d.%d", &major, &minor);
    if (!query_number(id, CL_DEVICE_AVAILABLE))
        found->unusable = "it says that it is not available";
    else if (!query_number(id, CL_DEVICE_COMPILER_AVAILABLE))
        found->unusable = "its driver has no compiler";
    else if (major * 10 + minor < 12)
        found->unusable = "it is older than OpenCL 1.2";
    else if (!query_number(id, CL_DEVICE_ENDIAN_LITTLE))
        found->unusable = "it is big-endian";
}

static void skip(text *skipped, const char *platform, const char *why, cl_int error)
{
    text_add(skipped, "%s%s: %s", skipped->length ? "\n" : "", platform, why);
    if (error != CL_SUCCESS)
        text_add(skipped, " (%s)", device_error_name(error));
}

/* Appends the devices of one platform. */
static kiln_status add_platform(cl_platform_id platform, int index, found_device **found,
                                size_t *count, size_t *capacity, text *skipped)
{
    char name[128] = "", version[128] = "";
    cl_device_id ids[256];
    cl_uint n = 0;
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof version, version, NULL);
    name[sizeof name - 1] = version[sizeof version - 1] = '\0';
    if (name[0] == '\0')
        snprintf(name, sizeof name, "platform %d", index);

    cl_int error = CL_RUN(clGetDeviceIDs, platform, CL_DEVICE_TYPE_ALL, 256, ids, &n);
    if (error == CL_DEVICE_NOT_FOUND || (error == CL_SUCCESS && n == 0)) {
        skip(skipped, name, "no device", CL_SUCCESS);
        return KILN_OK;
    }
    if (error != CL_SUCCESS) {
        skip(skipped, name, "its devices cannot be listed", error);
        return KILN_OK;
    }
    if (n > 256)
        n = 256;
    KILN_TRY(mem_grow(found, capacity, *count + n, sizeof **found));
    for (cl_uint i = 0; i < n; i++) {
        found_device *device = *found + *count;
        *device = (found_device){.platform = platform, .id = ids[i]};
        device->info.index = (int)(*count)++;
        device->info.platform_index = index;
        device->info.device_index = (int)i;
        snprintf(device->info.platform, sizeof device->info.platform, "%s", name);
        snprintf(device->platform_version, sizeof device->platform_version, "%s", version);
        describe(device);
    }
    return KILN_OK;
}

kiln_status list_devices(found_device **found, size_t *count, text *skipped)
{
    cl_platform_id platforms[64];
    cl_uint n = 0;
    size_t capacity = 0;
    *found = NULL;
    *count = 0;
    KILN_TRY(inject_load());
    KILN_TRY(limits_check_words());
    KILN_TRY(miscompile_check_words());
    cl_int error = CL_RUN(clGetPlatformIDs, 64, platforms, &n);
    if (error !=
        CL_SUCCESS) { /* the loader fails with a code of its own when there is no platform */
        skip(skipped, "OpenCL", "no platform", error);
        return KILN_OK;
    }
    for (cl_uint i = 0; i < n && i < 64; i++) {
        kiln_status status = add_platform(platforms[i], (int)i, found, count, &capacity, skipped);
        if (status != KILN_OK) {
            free(*found);
            *found = NULL;
            *count = 0;
            return status;
        }
    }
    return KILN_OK;
}

kiln_status kiln_devices_list(kiln_device_info **devices, size_t *count, char **skipped)
{
    found_device *found;
    text lines = {0};
    size_t best, n;
    *devices = NULL;
    *count = 0;
    if (skipped)
        *skipped = NULL;
    kiln_status status = list_devices(&found, &n, &lines);
    if (status == KILN_OK && (*devices = mem_new(n, sizeof **devices)) == NULL)
        status = kiln_last_status();
    if (status == KILN_OK && skipped) {
        *skipped = str_copy(lines.data ? lines.data : "");
        if (*skipped == NULL)
            status = kiln_last_status();
    }
    if (status == KILN_OK) {
        for (size_t i = 0; i < n; i++)
            (*devices)[i] = found[i].info;
        *count = n;
        /* A bad KILN_DEVICE is the business of kiln_device_open: the list just has no default then.
         */
        kiln_error_record before;
        kiln_error_save(&before);
        if (n && list_select(found, n, NULL, "", &best) == KILN_OK)
            (*devices)[best].is_default = 1;
        kiln_error_restore(&before);
    } else {
        free(*devices);
        *devices = NULL;
    }
    free(found);
    text_free(&lines);
    return status;
}

const char *kiln_device_type_name(kiln_device_type type)
{
    return type == KILN_DEVICE_CPU           ? "CPU"
           : type == KILN_DEVICE_GPU         ? "GPU"
           : type == KILN_DEVICE_ACCELERATOR ? "accelerator"
                                             : "other";
}
