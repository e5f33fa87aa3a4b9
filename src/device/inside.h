/* What the files of this folder share. */
#ifndef DEVICE_INSIDE_H
#define DEVICE_INSIDE_H

#include "device/profile.h"

/* Marks a device lost, for the reason on record; returns its code. */
kiln_status device_lose(kiln_device *device);

/* The failure of every call on a device that was lost: the first one again. */
kiln_status device_fail_lost(kiln_device *device);

/* Takes over the event of a launch; events are read and released in batches. */
bool profile_is_from_outside(const kiln_device *device);
kiln_status profile_record(kiln_device *device, cl_event event, const device_launch_info *info);

#endif
