/* Named figures, and those of each epoch. */
#ifndef TRAIN_LOGS_H
#define TRAIN_LOGS_H

#include "base/memory.h"

#include <kiln/train.h>

typedef struct logs_entry {
    char *name;
    double value;
} logs_entry;

struct kiln_logs {
    logs_entry *items;
    size_t count, capacity;
};

/* Sets a figure, added at the end when it is new. */
kiln_status logs_set(kiln_logs *logs, const char *name, double value);
bool logs_has(const kiln_logs *logs, const char *name);
/* Sets all of from's figures, their names after prefix. */
kiln_status logs_merge(kiln_logs *logs, const kiln_logs *from, const char *prefix);
/* By name, as Keras orders them. */
void logs_sort(kiln_logs *logs);
void logs_clear(kiln_logs *logs);
void logs_free(kiln_logs *logs); /* what is in it */

typedef struct history_epoch {
    int64_t epoch;
    kiln_logs logs;
} history_epoch;

struct kiln_history {
    history_epoch *items;
    size_t count, capacity;
};

/* Adds a copy. */
kiln_status history_add(kiln_history *history, int64_t epoch, const kiln_logs *logs);
void history_free(kiln_history *history); /* what is in it */

#endif
