/* Stands in for save.c until the format floor is there. */
#include "train/training.h"

kiln_status kiln_save(kiln_model *model, const char *path)
{
    (void)model;
    return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: models cannot be saved yet", path);
}

kiln_model *kiln_load(const char *path)
{
    kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: models cannot be loaded yet", path);
    return NULL;
}
