/* ModelCheckpoint: saves the model after epochs. */
#include "train/callbacks.h"

#include "base/file.h"
#include "format/weights_file.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

typedef struct checkpoint {
    monitor monitor;
    char *filepath;
    bool best_only, has_best, by_batch, weights_only;
    double best;
    int verbose;
    int64_t epoch;
} checkpoint;

/* What a saving is for. */
typedef struct occasion {
    int64_t epoch, batch; /* from 0; batch -1: the end of the epoch */
    const kiln_logs *logs;
    bool trial; /* figures are not known yet: zeros */
} occasion;

/* "{epoch:02d}" or "{val_loss:.4f}" at *p, after the brace; moves *p behind the closing one. */
static kiln_status add_field(const checkpoint *c, const char **p, const occasion *o, text *out)
{
    char name[128], format[32] = "%";
    size_t n = strcspn(*p, ":}"), room = sizeof format - 4;
    if (n == 0 || n >= sizeof name || (*p)[n] == '\0')
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "ModelCheckpoint: file name \"%s\" has a brace that is not closed or "
                         "has no name",
                         c->filepath);
    memcpy(name, *p, n);
    name[n] = '\0';
    *p += n;
    bool batch = strcmp(name, "batch") == 0 && o->batch >= 0;
    bool whole = strcmp(name, "epoch") == 0 || batch;
    char kind = whole ? 'd' : 'g';
    if (**p == ':') {
        const char *f = ++*p;
        n = strspn(f, "0123456789.");
        if (n > room)
            n = room;
        strncat(format, f, n);
        *p += n;
        if (**p && strchr("dfegFEG", **p))
            kind = *(*p)++;
    }
    if (**p != '}' || (whole && kind != 'd') || (!whole && kind == 'd'))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "ModelCheckpoint: the format of {%s} in file name \"%s\" is not known; "
                         "use {epoch:02d} or {%s:.4f}",
                         name, c->filepath, whole ? "val_loss" : name);
    ++*p;
    if (!whole && !o->trial && !logs_has(o->logs, name))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "ModelCheckpoint: file name \"%s\" wants %s, which this training does not "
                         "have",
                         c->filepath, name);
    char words[512];
    if (whole) {
        strcat(format, "lld");
        /* the format is made of digits and a point above */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(words, sizeof words, format, (long long)(batch ? o->batch : o->epoch) + 1);
    } else {
        strncat(format, &kind, 1);
        snprintf(words, sizeof words, format, o->trial ? 0.0 : kiln_logs_get(o->logs, name));
#pragma GCC diagnostic pop
    }
    text_add(out, "%s", words);
    return KILN_OK;
}

static kiln_status file_for(const checkpoint *c, const occasion *o, text *out)
{
    const char *p = c->filepath;
    while (*p) {
        if (*p == '{') {
            p++;
            KILN_TRY(add_field(c, &p, o, out));
        } else {
            text_bytes(out, p++, 1);
        }
    }
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

static kiln_status make_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return KILN_OK;
    char *folder = str_format("%.*s", (int)(slash - path), path);
    if (folder == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = file_make_directories(folder);
    free(folder);
    return status;
}

/* A file that cannot be written is found before the training. */
static kiln_status begin(void *user, kiln_model *model)
{
    checkpoint *c = user;
    text path = {0};
    (void)model;
    kiln_status status =
        file_for(c, &(occasion){.batch = c->by_batch ? 0 : -1, .trial = true}, &path);
    if (status == KILN_OK)
        status = c->weights_only ? weights_check_path(path.data) : save_check_path(path.data);
    if (status == KILN_OK)
        status = make_folder(path.data);
    if (status == KILN_OK)
        status = file_writable(path.data);
    text_free(&path);
    return status == KILN_OK ? KILN_OK : kiln_fail_in("ModelCheckpoint");
}

static kiln_status should_save(checkpoint *c, kiln_model *model, const occasion *o,
                               const char *path, bool *save)
{
    bool print = c->verbose > 0 && callback_may_print(model), there;
    long long number = (long long)o->epoch + 1;
    double value;
    *save = true;
    if (!c->best_only) {
        if (print)
            progress_message("\nEpoch %lld: saving model to %s", number, path);
        return KILN_OK;
    }
    KILN_TRY(monitor_read(&c->monitor, model, o->logs, &value, &there));
    if (!there) {
        *save = false;
        return KILN_OK;
    }
    char best[64] = "None";
    if (c->has_best)
        snprintf(best, sizeof best, "%.5f", c->best);
    *save = !c->has_best || monitor_better(&c->monitor, value, c->best);
    if (print && *save)
        progress_message("\nEpoch %lld: %s improved from %s to %.5f, saving model to %s", number,
                         c->monitor.name, best, value, path);
    else if (print)
        progress_message("\nEpoch %lld: %s did not improve from %s", number, c->monitor.name, best);
    if (*save) {
        c->has_best = true;
        c->best = value;
    }
    return KILN_OK;
}

static kiln_status save(checkpoint *c, kiln_model *model, const occasion *o)
{
    text path = {0};
    bool wanted = false;
    kiln_status status = file_for(c, o, &path);
    if (status == KILN_OK)
        status = should_save(c, model, o, path.data, &wanted);
    wanted = wanted && !callback_replays(model);
    if (status == KILN_OK && wanted)
        status = make_folder(path.data);
    if (status == KILN_OK && wanted)
        status =
            c->weights_only ? kiln_save_weights(model, path.data) : kiln_save(model, path.data);
    if (status == KILN_OK && wanted && c->verbose > 0 && callback_may_print(model))
        progress_message("\nEpoch %lld: finished saving model to %s", (long long)o->epoch + 1,
                         path.data);
    text_free(&path);
    return status;
}

static kiln_status epoch_begin(void *user, kiln_model *model, int64_t epoch)
{
    checkpoint *c = user;
    (void)model;
    c->epoch = epoch;
    return KILN_OK;
}

static kiln_status epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    return save(user, model, &(occasion){.epoch = epoch, .batch = -1, .logs = logs});
}

static kiln_status batch_end(void *user, kiln_model *model, int64_t batch, const kiln_logs *logs)
{
    checkpoint *c = user;
    return save(c, model, &(occasion){.epoch = c->epoch, .batch = batch, .logs = logs});
}

static void release(void *user)
{
    checkpoint *c = user;
    monitor_free(&c->monitor);
    free(c->filepath);
    free(c);
}

kiln_callback *kiln_model_checkpoint_with(const kiln_model_checkpoint_args *args)
{
    if (args->filepath == NULL || args->filepath[0] == '\0') {
        kiln_fail(KILN_ERROR_ARGUMENT, "ModelCheckpoint needs a filepath");
        return NULL;
    }
    if (args->save_freq < 0) {
        kiln_fail(KILN_ERROR_ARGUMENT, "ModelCheckpoint: save_freq is %lld batches",
                  (long long)args->save_freq);
        return NULL;
    }
    checkpoint *c = mem_new(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->best_only = args->save_best_only == KILN_YES;
    c->weights_only = args->save_weights_only == KILN_YES;
    c->has_best = args->initial_value_threshold != 0 || signbit(args->initial_value_threshold);
    c->best = args->initial_value_threshold;
    c->by_batch = args->save_freq > 0;
    c->verbose = args->verbose;
    c->filepath = str_copy(args->filepath);
    if (monitor_init(&c->monitor, "ModelCheckpoint", args->monitor, args->mode, 0) != KILN_OK ||
        c->filepath == NULL) {
        release(c);
        return NULL;
    }
    kiln_callback_functions functions = {
        .on_train_begin = begin, .on_epoch_begin = epoch_begin, .release = release};
    if (c->by_batch)
        functions.on_train_batch_end = batch_end;
    else
        functions.on_epoch_end = epoch_end;
    kiln_callback *callback = callback_make(&functions, c);
    if (callback && args->save_freq > 0)
        callback->every = args->save_freq;
    if (callback)
        callback->replays = !c->by_batch; /* what was best so far */
    return callback;
}
