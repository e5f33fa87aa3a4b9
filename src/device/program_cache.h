/* Compiled programs on disk, under "programs" in the cache folder.
 *
 * Where the driver keeps compiled programs itself, only an empty mark is left, which says that this
 * program has been compiled before. The folder is kept below 256 MiB: what was not used for longest
 * goes first. Nothing here can fail in a way that matters: a bad entry is one that is not there. */
#ifndef DEVICE_PROGRAM_CACHE_H
#define DEVICE_PROGRAM_CACHE_H

#include "device/device.h"

typedef struct program_cache {
    kiln_device *device;
    char *identity; /* device, driver, platform and Kiln's version; NULL: no cache */
    bool binaries;  /* keep them; else only the marks */
    bool grown;     /* something was stored: the folder may have become too large */
} program_cache;

/* Whether the driver itself finds its compiled programs again without reading their source. */
bool program_cache_driver_keeps(const kiln_device *device);

void program_cache_open(program_cache *cache, kiln_device *device, const char *platform_version);
void program_cache_close(program_cache *cache);

/* A program of the cache, built, or NULL. hash: two hashes of source and options. */
cl_program program_cache_load(program_cache *cache, const uint64_t hash[2], const char *options);

/* Was this program compiled before, so that the driver probably has it? */
bool program_cache_knows(const program_cache *cache, const uint64_t hash[2]);

/* Called when a device is closed, not when a program is built: the first training step should not
 * wait for what a driver does to make a binary. */
void program_cache_store(program_cache *cache, const uint64_t hash[2], cl_program program);

#endif
