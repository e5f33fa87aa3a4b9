#include "device/program_cache.h"

#include "base/env.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/prune.h"
#include "device/inject.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* An entry is this header and the driver's binary. */
typedef struct entry_header {
    char magic[8];
    uint64_t identity, source; /* second hashes of what the file's name is a hash of */
    uint64_t bytes, check;     /* of the binary */
} entry_header;

static const char magic[8] = "KilnPrg1";
static const size_t largest_binary = (size_t)256 << 20;

/* PoCL finds its entry only after running the compiler's front end over the source, 30 ms a program and 100 ms for the
 * first, where loading a binary takes 1 to 2; but to make a binary it compiles each kernel once more: of resnet20 for 27
 * seconds, to begin 0.3 s sooner ever after. */
bool program_cache_driver_keeps(const kiln_device *device)
{
    static const char *const platforms[] = {"NVIDIA", "rusticl", "Portable Computing Language"};
    for (size_t i = 0; i < sizeof platforms / sizeof *platforms; i++)
        if (strstr(device->info.platform, platforms[i]))
            return true;
    return false;
}

void program_cache_open(program_cache *cache, kiln_device *device, const char *platform_version)
{
    kiln_error_record before;
    kiln_error_save(&before);
    cache->device = device;
    cache->binaries = env_debug("program-cache") || !program_cache_driver_keeps(device);
    cache->identity =
        str_format("%s\n%s\n%s\n%s\n%s\n%s\n", device->info.name, device->info.vendor,
                   device->info.driver, device->info.version, platform_version, KILN_VERSION);
    kiln_error_restore(&before);
}

/* KILN_DEBUG=limits:cache:BYTES */
static uint64_t size_limit(void)
{
    char value[64];
    unsigned long long n;
    for (int i = 0; env_debug_item("limits", i, value, sizeof value); i++)
        if (sscanf(value, "cache:%llu", &n) == 1)
            return n;
    return (uint64_t)256 << 20;
}

static void prune(void)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char *folder = file_cache_path("programs", NULL);
    if (folder) {
        prune_folder(folder, ".bin", size_limit());
        prune_folder(folder, ".seen", size_limit() / 16);
    }
    free(folder);
    kiln_error_restore(&before);
}

void program_cache_close(program_cache *cache)
{
    if (cache->grown)
        prune();
    free(cache->identity);
    cache->identity = NULL;
}

static char *entry_path(const program_cache *cache, const uint64_t hash[2], bool binary)
{
    char name[40];
    if (cache->identity == NULL)
        return NULL;
    snprintf(name, sizeof name, "%016" PRIx64 ".%s", hash_string(hash[0], cache->identity),
             binary ? "bin" : "seen");
    return file_cache_path("programs", name);
}

static entry_header make_header(const program_cache *cache, const uint64_t hash[2],
                                const void *binary, size_t bytes)
{
    entry_header header = {.identity = hash_string(1, cache->identity),
                           .source = hash[1],
                           .bytes = bytes,
                           .check = hash_bytes(3, binary, bytes)};
    memcpy(header.magic, magic, sizeof magic);
    return header;
}

static cl_program build_binary(kiln_device *device, const unsigned char *binary, size_t bytes,
                               const char *options)
{
    cl_int error, accepted = CL_SUCCESS;
    cl_program program = CL_MAKE(&error, clCreateProgramWithBinary, device->context, 1, &device->id,
                                 &bytes, &binary, &accepted);
    if (program && error == CL_SUCCESS && accepted == CL_SUCCESS &&
        CL_RUN(clBuildProgram, program, 1, &device->id, options, NULL, NULL) == CL_SUCCESS)
        return program;
    if (program)
        clReleaseProgram(program);
    return NULL;
}

cl_program program_cache_load(program_cache *cache, const uint64_t hash[2], const char *options)
{
    kiln_error_record before;
    void *data = NULL;
    size_t bytes = 0;
    cl_program program = NULL;
    if (!cache->binaries)
        return NULL;
    kiln_error_save(&before);
    char *path = entry_path(cache, hash, true);
    if (path && file_exists(path) && file_read(path, largest_binary, &data, &bytes) == KILN_OK &&
        bytes > sizeof(entry_header)) {
        const unsigned char *binary = (unsigned char *)data + sizeof(entry_header);
        entry_header header = make_header(cache, hash, binary, bytes - sizeof(entry_header));
        if (memcmp(&header, data, sizeof header) == 0)
            program = build_binary(cache->device, binary, bytes - sizeof header, options);
        if (program)
            prune_used(path);
    }
    free(data);
    free(path);
    kiln_error_restore(&before);
    return program;
}

bool program_cache_knows(const program_cache *cache, const uint64_t hash[2])
{
    kiln_error_record before;
    if (cache->binaries)
        return false; /* it would have been loaded */
    kiln_error_save(&before);
    char *path = entry_path(cache, hash, false);
    bool known = path && file_exists(path);
    if (known)
        prune_used(path);
    free(path);
    kiln_error_restore(&before);
    return known;
}

static void store_binary(program_cache *cache, const char *path, const uint64_t hash[2],
                         cl_program program)
{
    size_t bytes = 0;
    text entry = {0};
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, NULL) !=
            CL_SUCCESS ||
        bytes == 0 || bytes > largest_binary - sizeof(entry_header))
        return;
    unsigned char *binary = mem_new(bytes, 1);
    if (binary && clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
                      CL_SUCCESS) {
        entry_header header = make_header(cache, hash, binary, bytes);
        text_bytes(&entry, (const char *)&header, sizeof header);
        text_bytes(&entry, (const char *)binary, bytes);
        if (!entry.failed)
            file_write_atomic(path, entry.data, entry.length);
    }
    text_free(&entry);
    free(binary);
}

void program_cache_store(program_cache *cache, const uint64_t hash[2], cl_program program)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char *path = entry_path(cache, hash, cache->binaries);
    cache->grown = true;
    if (path && cache->binaries)
        store_binary(cache, path, hash, program);
    else if (path && !file_exists(path))
        file_write_atomic(path, "", 0);
    free(path);
    kiln_error_restore(&before);
}
