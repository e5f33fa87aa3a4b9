/* What the files of this folder share. */
#ifndef DEVICE_INSIDE_H
#define DEVICE_INSIDE_H

#include "device/profile.h"

/* The failure of every call on a device that was lost. */
kiln_status device_fail_lost(kiln_device *device);

/* Takes over the event of a launch; events are read and released in batches. */
kiln_status profile_record(kiln_device *device, cl_event event, const device_launch_info *info);

#endif
