/* The devices of a machine. */
#ifndef DEVICE_LIST_H
#define DEVICE_LIST_H

#include "device/device.h"

typedef struct found_device {
    kiln_device_info info;
    cl_platform_id platform;
    cl_device_id id;
    char platform_version[128];
    const char *unusable; /* why Kiln cannot use it, or NULL */
} found_device;

/* Everything there is. *found is the caller's, freed with free(). Platforms that fail or are empty
 * get a line of *skipped ("Clover: no device"), without a line end after the last. */
kiln_status list_devices(found_device **found, size_t *count, text *skipped);

/* The device a selector means (NULL: $KILN_DEVICE, else the best), as an index into found. */
kiln_status list_select(const found_device *found, size_t count, const char *selector,
                        const char *skipped, size_t *chosen);

/* Opens one of them; NULL on failure. */
kiln_device *device_open_found(const found_device *found);

/* Measured speed of a device in GFLOP/s, from the cache or by measuring now; 0 when it does not
 * work. Used to choose between devices of one type. */
double list_speed(const found_device *device);

/* Whether a list of words, as CL_DEVICE_EXTENSIONS is, has this one. */
bool list_has_extension(const char *list, const char *name);

#endif
