#include "device/driver_cache.h"

#include "base/env.h"
#include "base/file.h"

#include <string.h>

/* What the kernels of a program take at most, with what the compiler writes on the way. */
#define LEAST_ROOM (16u << 20)

/* NULL: it cannot be told, or there is no memory. */
static char *pocl_folder(void)
{
    const char *own = env_get(ENV_POCL_CACHE_DIR), *shared = env_get(ENV_XDG_CACHE_HOME), *home = env_get(ENV_HOME);
    if (own)
        return str_copy(own);
    if (shared)
        return str_format("%s/pocl", shared);
    return home ? str_format("%s/.cache/pocl", home) : NULL;
}

kiln_status driver_cache_check_folder(const char *folder, uint64_t least)
{
    const uint64_t room = file_room(folder);
    if (room >= least)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_BUILD,
                     "PoCL keeps the kernels that it compiles in %s, where %.1f MB are free, and ends the program when "
                     "there is no room; make room for %.0f MB, or set POCL_CACHE_DIR to a folder on another disk",
                     folder, (double)room / 1e6, (double)least / 1e6);
}

kiln_status driver_cache_check(const kiln_device_info *info)
{
    if (strstr(info->platform, "Portable Computing Language") == NULL)
        return KILN_OK;
    kiln_error_record before;
    kiln_error_save(&before);
    char *folder = pocl_folder();
    kiln_error_restore(&before);
    kiln_status status = folder ? driver_cache_check_folder(folder, LEAST_ROOM) : KILN_OK;
    free(folder);
    return status;
}
