#include "train/callbacks.h"

#include <math.h>
#include <string.h>

kiln_status monitor_init(monitor *m, const char *what, const char *name, const char *mode,
                         double min_delta)
{
    *m = (monitor){.what = what, .min_delta = fabs(min_delta)};
    if (mode && strcmp(mode, "auto") != 0 && strcmp(mode, "min") != 0 && strcmp(mode, "max") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: mode is \"%s\"; it must be \"auto\", \"min\" or \"max\"", what, mode);
    m->name = str_copy(name ? name : "val_loss");
    m->mode = str_copy(mode ? mode : "auto");
    return m->name && m->mode ? KILN_OK : KILN_ERROR_MEMORY;
}

void monitor_free(monitor *m)
{
    free(m->name);
    free(m->mode);
}

/* A metric's own name behind "val_" and an output's name. */
static int direction_of(const kiln_model *model, const char *name)
{
    if (strncmp(name, "val_", 4) == 0)
        name += 4;
    const model_training *t = training_of(model);
    for (size_t i = 0; t && i < t->metric_count; i++)
        if (strcmp(t->metrics[i].name, name) == 0)
            return metric_better(&t->metrics[i]);
    int direction = metric_direction(name);
    size_t length = strlen(name);
    if (direction == 0 && length > 5 && strcmp(name + length - 5, "_loss") == 0)
        direction = -1;
    for (size_t i = 0; direction == 0 && i < model->output_count; i++) {
        const char *output = model_output_name(model, i);
        size_t n = strlen(output);
        if (strncmp(name, output, n) == 0 && name[n] == '_')
            direction = metric_direction(name + n + 1);
    }
    return direction;
}

static kiln_status settle_direction(monitor *m, const kiln_model *model)
{
    if (m->direction == 0)
        m->direction = strcmp(m->mode, "max") == 0   ? 1
                       : strcmp(m->mode, "min") == 0 ? -1
                                                     : direction_of(model, m->name);
    if (m->direction == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: whether more or less of %s is better is not known; set mode to "
                         "\"max\" or \"min\"",
                         m->what, m->name);
    return KILN_OK;
}

kiln_status monitor_read(monitor *m, const kiln_model *model, const kiln_logs *logs, double *value,
                         bool *there)
{
    const model_training *t = training_of(model);
    *there = logs && logs_has(logs, m->name);
    if (*there) {
        *value = kiln_logs_get(logs, m->name);
        return settle_direction(m, model);
    }
    bool later = strncmp(m->name, "val_", 4) == 0 && t && t->fit && t->fit->validates &&
                 logs_has(logs, m->name + 4);
    if (later) /* no validation in this epoch */
        return KILN_OK;
    text names = {0};
    for (size_t i = 0; i < kiln_logs_count(logs); i++)
        text_add(&names, "%s%s", i ? ", " : "", kiln_logs_name(logs, i));
    kiln_status status = kiln_fail(
        KILN_ERROR_ARGUMENT, "%s watches %s, which this training does not have; it has %s%s",
        m->what, m->name, names.data ? names.data : "nothing",
        strncmp(m->name, "val_", 4) == 0 ? " (give it validation data)" : "");
    text_free(&names);
    return status;
}

bool monitor_better(const monitor *m, double value, double reference)
{
    return m->direction > 0 ? value - m->min_delta > reference : value + m->min_delta < reference;
}
