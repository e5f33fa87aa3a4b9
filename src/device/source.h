/* The files of cl/, embedded when Kiln is built. */
#ifndef DEVICE_SOURCE_H
#define DEVICE_SOURCE_H

#include <stddef.h>

typedef struct embedded_source {
    const char *file; /* "common.clh" */
    const char *text;
} embedded_source;

/* In the generated kernels.c, sorted by name. */
extern const embedded_source embedded_sources[];
extern const size_t embedded_source_count;

/* The text of a file of cl/, or NULL. */
const char *source_find(const char *file);

#endif
