#include "train/logs.h"

#include <math.h>
#include <string.h>

static logs_entry *find(const kiln_logs *logs, const char *name)
{
    for (size_t i = 0; logs && i < logs->count; i++)
        if (strcmp(logs->items[i].name, name) == 0)
            return &logs->items[i];
    return NULL;
}

kiln_status logs_set(kiln_logs *logs, const char *name, double value)
{
    logs_entry *entry = find(logs, name);
    if (entry) {
        entry->value = value;
        return KILN_OK;
    }
    KILN_TRY(MEM_PUSH_ROOM(logs));
    char *copy = str_copy(name);
    if (copy == NULL)
        return KILN_ERROR_MEMORY;
    logs->items[logs->count++] = (logs_entry){copy, value};
    return KILN_OK;
}

bool logs_has(const kiln_logs *logs, const char *name)
{
    return find(logs, name) != NULL;
}

kiln_status logs_merge(kiln_logs *logs, const kiln_logs *from, const char *prefix)
{
    for (size_t i = 0; i < from->count; i++) {
        char *name = str_format("%s%s", prefix, from->items[i].name);
        if (name == NULL)
            return KILN_ERROR_MEMORY;
        kiln_status status = logs_set(logs, name, from->items[i].value);
        free(name);
        KILN_TRY(status);
    }
    return KILN_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const logs_entry *)a)->name, ((const logs_entry *)b)->name);
}

void logs_sort(kiln_logs *logs)
{
    if (logs->count > 1)
        qsort(logs->items, logs->count, sizeof *logs->items, by_name);
}

void logs_clear(kiln_logs *logs)
{
    for (size_t i = 0; i < logs->count; i++)
        free(logs->items[i].name);
    logs->count = 0;
}

void logs_free(kiln_logs *logs)
{
    logs_clear(logs);
    free(logs->items);
    *logs = (kiln_logs){0};
}

size_t kiln_logs_count(const kiln_logs *logs)
{
    return logs ? logs->count : 0;
}

const char *kiln_logs_name(const kiln_logs *logs, size_t index)
{
    return logs && index < logs->count ? logs->items[index].name : NULL;
}

double kiln_logs_value(const kiln_logs *logs, size_t index)
{
    return logs && index < logs->count ? logs->items[index].value : NAN;
}

double kiln_logs_get(const kiln_logs *logs, const char *name)
{
    const logs_entry *entry = name ? find(logs, name) : NULL;
    return entry ? entry->value : NAN;
}

/* ---- history ---- */

kiln_status history_add(kiln_history *history, int64_t epoch, const kiln_logs *logs)
{
    KILN_TRY(MEM_PUSH_ROOM(history));
    kiln_logs copy = {0};
    kiln_status status = logs_merge(&copy, logs, "");
    if (status != KILN_OK) {
        logs_free(&copy);
        return status;
    }
    history->items[history->count++] = (history_epoch){epoch, copy};
    return KILN_OK;
}

void history_free(kiln_history *history)
{
    for (size_t i = 0; i < history->count; i++)
        logs_free(&history->items[i].logs);
    free(history->items);
    *history = (kiln_history){0};
}

size_t kiln_history_epochs(const kiln_history *history)
{
    return history ? history->count : 0;
}

int64_t kiln_history_epoch(const kiln_history *history, size_t index)
{
    return history && index < history->count ? history->items[index].epoch : -1;
}

const kiln_logs *kiln_history_logs(const kiln_history *history, size_t index)
{
    return history && index < history->count ? &history->items[index].logs : NULL;
}

double kiln_history_get(const kiln_history *history, const char *name, size_t index)
{
    return kiln_logs_get(kiln_history_logs(history, index), name);
}
