#include "cli/log_json.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

typedef struct log_json {
    char *path;
    bool append;
    FILE *file;
    double begun; /* the epoch */
} log_json;

static kiln_status fail(const log_json *l)
{
    return kiln_fail(KILN_ERROR_FILE, "%s: the log cannot be written: %s; is the disk full?",
                     l->path, strerror(errno));
}

static kiln_status begin(void *user, kiln_model *model)
{
    log_json *l = user;
    (void)model;
    l->file = fopen(l->path, l->append ? "a" : "w");
    return l->file ? KILN_OK : fail(l);
}

static kiln_status epoch_begin(void *user, kiln_model *model, int64_t epoch)
{
    log_json *l = user;
    (void)model;
    (void)epoch;
    l->begun = clock_seconds();
    return KILN_OK;
}

static kiln_status epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    log_json *l = user;
    json_t *line =
        json_pack("{s:I, s:f, s:f}", "epoch", (json_int_t)epoch, "seconds",
                  clock_seconds() - l->begun, "learning_rate", kiln_learning_rate(model));
    for (size_t i = 0; i < kiln_logs_count(logs); i++) {
        double value = kiln_logs_value(logs, i);
        json_object_set_new(line, kiln_logs_name(logs, i),
                            isfinite(value) ? json_real(value) : json_null());
    }
    char *words = line ? json_dumps(line, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(line);
    if (words == NULL)
        return kiln_fail_memory(0);
    bool good = fprintf(l->file, "%s\n", words) > 0 && fflush(l->file) == 0;
    free(words);
    return good ? KILN_OK : fail(l);
}

static kiln_status end(void *user, kiln_model *model)
{
    log_json *l = user;
    (void)model;
    FILE *file = l->file;
    l->file = NULL;
    return file == NULL || fclose(file) == 0 ? KILN_OK : fail(l);
}

static void release(void *user)
{
    log_json *l = user;
    if (l->file)
        fclose(l->file);
    free(l->path);
    free(l);
}

kiln_callback *log_json_callback(const char *path, bool append)
{
    log_json *l = mem_new(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->append = append;
    l->path = str_copy(path);
    kiln_callback *callback =
        l->path ? kiln_callback_new(&(kiln_callback_functions){.on_train_begin = begin,
                                                               .on_epoch_begin = epoch_begin,
                                                               .on_epoch_end = epoch_end,
                                                               .on_train_end = end,
                                                               .release = release},
                                    l)
                : NULL;
    if (callback == NULL)
        release(l);
    return callback;
}
