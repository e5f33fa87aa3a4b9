/* The programs of a device. */
#ifndef DEVICE_PROGRAM_H
#define DEVICE_PROGRAM_H

#include "device/device.h"

/* NULL with a failure on record when there is no memory. */
program_table *program_table_new(kiln_device *device, const char *platform_version);

/* abandon: the device is lost, its programs are left to the driver. */
void program_table_free(program_table *table, bool abandon);

#endif
