/* Where a driver keeps what it compiles: some end the process when that disk is full. */
#ifndef DEVICE_DRIVER_CACHE_H
#define DEVICE_DRIVER_CACHE_H

#include "base/memory.h"

#include <kiln/device.h>

/* Before a compilation: fails where the driver would find no room for what comes of it. */
kiln_status driver_cache_check(const kiln_device_info *info);

/* The same of a folder, or the place where it would be made, that has to have so many bytes. */
kiln_status driver_cache_check_folder(const char *folder, uint64_t least);

#endif
