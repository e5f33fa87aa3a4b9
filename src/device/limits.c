#include "device/limits.h"

#include "base/env.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

/* The i-th limit; the words are env.c's to separate. */
static bool next(int i, char *value, size_t size)
{
    return env_debug_item("limits", i, value, size);
}

/* "NAME:NUMBER", nothing else. */
static bool number_of(const char *value, const char *name, uint64_t *number)
{
    size_t n = strlen(name);
    unsigned long long read;
    char rest;
    if (strncmp(value, name, n) != 0 || value[n] != ':' ||
        sscanf(value + n + 1, "%llu%c", &read, &rest) != 1 || read == 0)
        return false;
    *number = read;
    return true;
}

static void lower(uint64_t *what, uint64_t limit)
{
    if (limit < *what)
        *what = limit;
}

/* Applies one limit to info (NULL: to nothing); false: it means nothing. */
static bool apply(const char *value, kiln_device_info *info)
{
    kiln_device_info unused = {0};
    unsigned long long x, y, z;
    uint64_t n;
    char rest;
    if (info == NULL)
        info = &unused;
    if (number_of(value, "memory", &n))
        lower(&info->memory, n);
    else if (number_of(value, "allocation", &n))
        lower(&info->largest_allocation, n);
    else if (number_of(value, "local", &n))
        lower(&info->local_memory, n);
    else if (number_of(value, "group", &n))
        lower(&info->largest_work_group, n);
    else if (sscanf(value, "items:%llu:%llu:%llu%c", &x, &y, &z, &rest) == 3 && x && y && z) {
        lower(&info->largest_work_items[0], x);
        lower(&info->largest_work_items[1], y);
        lower(&info->largest_work_items[2], z);
    } else if (number_of(value, "alignment", &n) && n <= UINT32_MAX) {
        if (n > info->base_alignment)
            info->base_alignment = (uint32_t)n;
    } else if (strcmp(value, "version:1.2") == 0)
        snprintf(info->version, sizeof info->version, "OpenCL 1.2 (limited)");
    else if (strcmp(value, "no-fp16") == 0)
        info->has_fp16 = 0;
    else if (strcmp(value, "no-fp64") == 0)
        info->has_fp64 = 0;
    else if (strcmp(value, "no-subgroups") == 0)
        info->has_subgroups = 0;
    else /* the cache's limit is the cache's own matter */
        return strcmp(value, "threads") == 0 || number_of(value, "cache", &n);
    return true;
}

kiln_status limits_check_words(void)
{
    char value[64];
    for (int i = 0; next(i, value, sizeof value); i++)
        if (!apply(value, NULL))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "KILN_DEBUG: 'limits:%s' means nothing; limits are memory:BYTES, "
                             "allocation:BYTES, local:BYTES, group:N, items:X:Y:Z, alignment:BYTES, "
                             "version:1.2, no-fp16, no-fp64, no-subgroups, threads and cache:BYTES",
                             value);
    return KILN_OK;
}

void limits_apply(kiln_device_info *info)
{
    char value[64];
    for (int i = 0; next(i, value, sizeof value); i++)
        apply(value, info);
    for (int d = 0; d < 3; d++) /* what a group as a whole may not have, no side of it may */
        lower(&info->largest_work_items[d], info->largest_work_group);
}

uint64_t limits_mark(void)
{
    char value[64];
    uint64_t mark = 0;
    for (int i = 0; next(i, value, sizeof value); i++)
        mark += hash_string(1, value);
    return mark;
}

bool limits_threads(void)
{
    char value[64];
    for (int i = 0; next(i, value, sizeof value); i++)
        if (strcmp(value, "threads") == 0)
            return true;
    return false;
}

void limits_source(const kiln_device_info *info, text *source)
{
    char value[64];
    for (int i = 0; next(i, value, sizeof value); i++)
        if (strcmp(value, "no-fp64") == 0 && !info->has_fp64)
            text_add(source, "#define double no_double_on_this_device\n");
}
