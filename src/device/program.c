#include "device/program.h"

#include "base/env.h"
#include "base/hash.h"
#include "device/build_log.h"
#include "device/driver_cache.h"
#include "device/inject.h"
#include "device/limits.h"
#include "device/miscompile.h"
#include "device/inside.h"
#include "device/program_cache.h"
#include "device/source.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* -w: no warnings, of which PoCL would print how many there are. The other flags leave NaN and
 * infinities alone: -cl-mad-enable lets a * b + c be one operation; -cl-no-signed-zeros lets x + 0
 * be x; -cl-denorms-are-zero spares CPU drivers the slow path for numbers below 1e-38, which moments
 * of vanished gradients reach. -cl-fast-relaxed-math, -cl-finite-math-only and
 * -cl-unsafe-math-optimizations stay out: they let a compiler drop the test for a loss that is not
 * finite. */
static const char default_options[] =
    "-cl-std=CL1.2 -w -cl-mad-enable -cl-no-signed-zeros -cl-denorms-are-zero";

typedef struct built_program {
    uint64_t hash[2]; /* of source and options */
    cl_program program;
    bool kept; /* on disk, or not worth it */
} built_program;

struct program_table {
    built_program *items;
    size_t count, capacity;
    program_cache cache;
};

void (*device_on_compile)(const char *label);
void (*device_on_warning)(const char *way, const char *why);

/* Not every driver's compiler may run in two threads. */
static pthread_mutex_t build_lock = PTHREAD_MUTEX_INITIALIZER;

program_table *program_table_new(kiln_device *device, const char *platform_version)
{
    program_table *table = mem_new(1, sizeof *table);
    if (table)
        program_cache_open(&table->cache, device, platform_version);
    return table;
}

void program_table_free(program_table *table, bool abandon)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->count && !abandon; i++) {
        built_program *built = &table->items[i];
        if (!built->kept)
            program_cache_store(&table->cache, built->hash, built->program);
        clReleaseProgram(built->program);
    }
    free(table->items);
    program_cache_close(&table->cache);
    free(table);
}

static kiln_status fail_build(kiln_device *device, cl_program program, cl_int error,
                              const char *label, const char *source)
{
    size_t length = 0;
    char *log = NULL;
    text summary = {0};
    clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
    if (length > 1 && (log = mem_new(length + 1, 1)) != NULL &&
        clGetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, length, log, NULL))
        log[0] = '\0';
    if (log && env_debug("source"))
        fprintf(stderr, "%s: build log\n%s\n", label, log);
    build_log_summary(log ? log : "", source, &summary);
    kiln_status status = kiln_fail(
        KILN_ERROR_BUILD,
        "compiling %s failed on \"%s\" (%s): %s; update the driver, or report "
        "this line",
        label, device->info.name, device_error_name(error), summary.data ? summary.data : "");
    text_free(&summary);
    free(log);
    return status;
}

static kiln_status build(kiln_device *device, const char *label, const char *source,
                         const char *options, bool known, cl_program *program)
{
    cl_int error;
    size_t length = strlen(source);
    KILN_TRY(driver_cache_check(&device->info));
    if (!known && device_on_compile)
        device_on_compile(label);
    *program = CL_MAKE(&error, clCreateProgramWithSource, device->context, 1, &source, &length);
    if (*program == NULL || error != CL_SUCCESS)
        return device_check(device, error, "clCreateProgramWithSource", "compiling %s", label);
    error = CL_RUN(clBuildProgram, *program, 1, &device->id, options, NULL, NULL);
    if (error == CL_SUCCESS)
        return KILN_OK;
    kiln_status status = error == CL_BUILD_PROGRAM_FAILURE || error == CL_INVALID_BUILD_OPTIONS
                             ? fail_build(device, *program, error, label, source)
                             : device_check(device, error, "clBuildProgram", "compiling %s", label);
    clReleaseProgram(*program);
    *program = NULL;
    return status;
}

/* Puts source and options together as the driver gets them. */
static kiln_status assemble(const kiln_device *device, const char *source, const char *options,
                            text *full, text *flags)
{
    bool own_standard = options && strstr(options, "-cl-std=");
    text_add(flags, "%s%s%s", own_standard ? strchr(default_options, ' ') + 1 : default_options,
             options && *options ? " " : "", options ? options : "");
    limits_source(&device->info, full);
    kiln_status status = source_file(full, "common.clh");
    text_add(full, "%s", "");
    text_bytes(full, source, strlen(source));
    if (status == KILN_OK)
        status = miscompile(full);
    if (status == KILN_OK && (full->failed || flags->failed))
        status = kiln_last_status();
    return status;
}

static kiln_status build_or_load(kiln_device *device, const char *label, const text *full,
                                 const text *flags, built_program *built)
{
    program_cache *cache = &device->programs->cache;
    built->program = program_cache_load(cache, built->hash, flags->data);
    built->kept = built->program != NULL;
    if (built->program)
        return KILN_OK;
    if (env_debug("source"))
        fprintf(stderr, "/* %s: %s */\n%s\n", label, flags->data, full->data);
    return build(device, label, full->data, flags->data, program_cache_knows(cache, built->hash),
                 &built->program);
}

kiln_status device_program(kiln_device *device, const char *label, const char *source,
                           const char *options, cl_program *program)
{
    *program = NULL;
    if (device->lost)
        return device_fail_lost(device);
    program_table *table = device->programs;
    text full = {0}, flags = {0};
    kiln_status status = assemble(device, source, options, &full, &flags);
    built_program built = {0};
    if (status == KILN_OK) {
        for (int i = 0; i < 2; i++)
            built.hash[i] =
                hash_string(hash_bytes((uint64_t)i, full.data, full.length), flags.data);
        for (size_t i = 0; i < table->count && *program == NULL; i++)
            if (memcmp(table->items[i].hash, built.hash, sizeof built.hash) == 0)
                *program = table->items[i].program;
    }
    if (status == KILN_OK && *program == NULL && (status = MEM_PUSH_ROOM(table)) == KILN_OK) {
        pthread_mutex_lock(&build_lock);
        status = build_or_load(device, label, &full, &flags, &built);
        pthread_mutex_unlock(&build_lock);
        if (status == KILN_OK) {
            table->items[table->count++] = built;
            *program = built.program;
        }
    }
    text_free(&full);
    text_free(&flags);
    return status;
}

void device_program_drop(kiln_device *device, cl_program program)
{
    program_table *table = device->programs;
    for (size_t i = 0; i < table->count; i++) {
        if (table->items[i].program != program)
            continue;
        table->items[i] = table->items[--table->count];
        if (!device->lost)
            clReleaseProgram(program);
        return;
    }
}

kiln_status device_kernel_group(kiln_device *device, cl_kernel kernel, uint64_t *most)
{
    size_t group = 0, multiple = 0;
    KILN_TRY(device_check(device,
                          CL_RUN(clGetKernelWorkGroupInfo, kernel, device->id,
                                 CL_KERNEL_WORK_GROUP_SIZE, sizeof group, &group, NULL),
                          "clGetKernelWorkGroupInfo", "a kernel's largest work-group"));
    /* Mesa's rusticl, until it counted (seen in 22.3), gave its preferred multiple here for every
     * kernel, and ran them all with as many work-items as the device allows. */
    if (strstr(device->info.platform, "rusticl") &&
        CL_RUN(clGetKernelWorkGroupInfo, kernel, device->id,
               CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, sizeof multiple, &multiple, NULL) ==
            CL_SUCCESS &&
        group == multiple)
        group = 0;
    *most = group && group < device->group_limit ? group : device->group_limit;
    return KILN_OK;
}

kiln_status device_kernel(kiln_device *device, cl_program program, const char *name,
                          cl_kernel *kernel)
{
    cl_int error;
    *kernel = NULL;
    if (device->lost)
        return device_fail_lost(device);
    *kernel = CL_MAKE(&error, clCreateKernel, program, name);
    if (*kernel && error == CL_SUCCESS)
        return KILN_OK;
    *kernel = NULL;
    return device_check(device, error ? error : CL_INVALID_KERNEL_NAME, "clCreateKernel",
                        "finding kernel %s", name);
}
