#include "device/list.h"

double list_speed(const found_device *device)
{
    return device->info.compute_units;
}
