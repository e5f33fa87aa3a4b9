/* Keras's TensorBoard callback: what TensorBoard shows, in event files below log_dir/train and
 * log_dir/validation. */
#include "base/clock.h"
#include "train/callbacks.h"
#include "train/events.h"
#include "train/gradients.h"
#include "train/weight_picture.h"

#include <string.h>

typedef struct tensorboard {
    char *log_dir;
    int64_t histogram_freq;
    bool write_steps_per_second, write_grads, write_images;
    event_file train, validation;
    double epoch_begun;
    int64_t steps_before;
} tensorboard;

static kiln_status open_part(const tensorboard *b, const char *part, event_file *e)
{
    char *folder = str_format("%s/%s", b->log_dir, part);
    kiln_status status = folder ? events_open(e, folder) : KILN_ERROR_MEMORY;
    free(folder);
    return status;
}

static kiln_status begin(void *user, kiln_model *model)
{
    tensorboard *b = user;
    (void)model;
    KILN_TRY(events_close(&b->train));
    KILN_TRY(events_close(&b->validation));
    return open_part(b, "train", &b->train);
}

static kiln_status epoch_begin(void *user, kiln_model *model, int64_t epoch)
{
    tensorboard *b = user;
    (void)epoch;
    b->epoch_begun = clock_seconds();
    b->steps_before = training_of(model)->optimizer.iterations;
    return KILN_OK;
}

static void add_scalar(event_summary *s, const char *prefix, const char *name, double value)
{
    char tag[256];
    snprintf(tag, sizeof tag, "%s%s", prefix, name);
    summary_scalar(s, tag, value);
}

/* The values of weight i in a summary. */
static kiln_status add_weight(const tensorboard *b, event_summary *s, kiln_model *model, size_t i)
{
    size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
    const char *path = kiln_model_weight_path(model, i);
    float *values = mem_new(count, sizeof *values);
    char *tag = str_format("%s/histogram", path);
    kiln_status status =
        values && tag ? kiln_get_weights(model, i, values, count) : KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = summary_histogram(s, tag, values, count);
    if (status == KILN_OK && b->write_images)
        status = weight_pictures(s, path, kiln_model_weight_shape(model, i), values);
    free(values);
    free(tag);
    return status;
}

typedef struct gradient_writing {
    event_summary *summary;
    const kiln_model *model;
} gradient_writing;

static kiln_status add_gradient(void *user, size_t weight, const float *values, size_t count)
{
    const gradient_writing *g = user;
    char *tag = str_format("%s/gradient", kiln_model_weight_path(g->model, weight));
    kiln_status status =
        tag ? summary_histogram(g->summary, tag, values, count) : KILN_ERROR_MEMORY;
    free(tag);
    return status;
}

static kiln_status add_histograms(const tensorboard *b, event_summary *s, kiln_model *model)
{
    for (size_t i = 0; i < kiln_model_weight_count(model); i++)
        KILN_TRY(add_weight(b, s, model, i));
    if (!b->write_grads)
        return KILN_OK;
    return gradients_of_last_batch(training_of(model), add_gradient, &(gradient_writing){s, model});
}

static kiln_status write_train(tensorboard *b, kiln_model *model, int64_t epoch,
                               const kiln_logs *logs)
{
    event_summary s = {0};
    bool has_rate = false;
    for (size_t i = 0; i < kiln_logs_count(logs); i++) {
        const char *name = kiln_logs_name(logs, i);
        has_rate |= strcmp(name, "learning_rate") == 0;
        if (strncmp(name, "val_", 4) != 0)
            add_scalar(&s, "epoch_", name, kiln_logs_value(logs, i));
    }
    if (!has_rate)
        add_scalar(&s, "epoch_", "learning_rate", kiln_learning_rate(model));
    double seconds = clock_seconds() - b->epoch_begun;
    int64_t steps = training_of(model)->optimizer.iterations - b->steps_before;
    if (b->write_steps_per_second && seconds > 0)
        add_scalar(&s, "epoch_", "steps_per_second", (double)steps / seconds);
    if (b->histogram_freq && epoch % b->histogram_freq == 0) {
        kiln_status status = add_histograms(b, &s, model);
        if (status != KILN_OK) {
            text_free(&s.values);
            return status;
        }
    }
    return events_write(&b->train, &s, epoch);
}

static kiln_status epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    tensorboard *b = user;
    event_summary s = {0};
    if (b->train.file == NULL || logs == NULL)
        return KILN_OK;
    KILN_TRY(write_train(b, model, epoch, logs));
    for (size_t i = 0; i < kiln_logs_count(logs); i++)
        if (strncmp(kiln_logs_name(logs, i), "val_", 4) == 0)
            add_scalar(&s, "epoch_", kiln_logs_name(logs, i) + 4, kiln_logs_value(logs, i));
    if (s.values.length == 0)
        return KILN_OK;
    if (b->validation.file == NULL) {
        kiln_status status = open_part(b, "validation", &b->validation);
        if (status != KILN_OK) {
            text_free(&s.values);
            return status;
        }
    }
    return events_write(&b->validation, &s, epoch);
}

static kiln_status batch_end(void *user, kiln_model *model, int64_t batch, const kiln_logs *logs)
{
    tensorboard *b = user;
    event_summary s = {0};
    (void)batch;
    if (b->train.file == NULL || logs == NULL)
        return KILN_OK;
    for (size_t i = 0; i < kiln_logs_count(logs); i++)
        add_scalar(&s, "batch_", kiln_logs_name(logs, i), kiln_logs_value(logs, i));
    return events_write(&b->train, &s, training_of(model)->optimizer.iterations);
}

static kiln_status end(void *user, kiln_model *model)
{
    tensorboard *b = user;
    (void)model;
    kiln_status status = events_close(&b->train), other = events_close(&b->validation);
    return status == KILN_OK ? other : status;
}

static void release(void *user)
{
    tensorboard *b = user;
    events_close(&b->train);
    events_close(&b->validation);
    free(b->log_dir);
    free(b);
}

kiln_callback *kiln_tensorboard_with(const kiln_tensorboard_args *args)
{
    if (args->histogram_freq < 0 || args->update_freq < 0) {
        kiln_fail(
            KILN_ERROR_ARGUMENT,
            "TensorBoard: histogram_freq is %lld and update_freq %lld; they must not be negative",
            (long long)args->histogram_freq, (long long)args->update_freq);
        return NULL;
    }
    if ((args->write_grads == KILN_YES || args->write_images == KILN_YES) &&
        args->histogram_freq == 0) {
        kiln_fail(
            KILN_ERROR_ARGUMENT,
            "TensorBoard: %s is written every histogram_freq epochs, and that is 0; give it too",
            args->write_grads == KILN_YES ? "write_grads" : "write_images");
        return NULL;
    }
    tensorboard *b = mem_new(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->write_grads = args->write_grads == KILN_YES;
    b->write_images = args->write_images == KILN_YES;
    b->histogram_freq = args->histogram_freq;
    b->write_steps_per_second = args->write_steps_per_second == KILN_YES;
    b->log_dir = str_copy(args->log_dir && args->log_dir[0] ? args->log_dir : "logs");
    if (b->log_dir == NULL) {
        release(b);
        return NULL;
    }
    kiln_callback_functions functions = {.on_train_begin = begin,
                                         .on_epoch_begin = epoch_begin,
                                         .on_epoch_end = epoch_end,
                                         .on_train_end = end,
                                         .release = release};
    if (args->update_freq)
        functions.on_train_batch_end = batch_end;
    kiln_callback *callback = callback_make(&functions, b);
    if (callback && args->update_freq)
        callback->every = args->update_freq;
    return callback;
}
