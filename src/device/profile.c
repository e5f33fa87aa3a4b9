#include "device/profile.h"

#include "device/inside.h"

kiln_status profile_record(kiln_device *device, cl_event event, const device_launch_info *info)
{
    (void)device, (void)info;
    clReleaseEvent(event);
    return KILN_OK;
}
