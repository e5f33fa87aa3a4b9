#include "cli/steps.h"

#include "base/clock.h"
#include "device/profile.h"

#include <math.h>

enum { MOST_WINDOWS = 4096 };
static const double least_launch = 1e-7; /* seconds; no launch is faster on average */

kiln_status steps_open(steps *s, kiln_model *model, const kiln_dataset *data, int64_t batch)
{
    s->training = training_of(model);
    KILN_TRY(adapt_layers(model, data));
    KILN_TRY(training_ready(s->training));
    KILN_TRY(
        feed_open(s->training, data, &(feed_request){.targets = true, .batch = batch}, &s->feed));
    return program_get(s->training, TRAINING_FIT, batch, &s->feed.types, &s->program);
}

/* Queues at most `limit` steps of this pass. *count 0: the pass is over. */
static kiln_status enqueue(steps *s, int64_t limit, int64_t *count)
{
    optimizer *o = &s->training->optimizer;
    KILN_TRY(feed_next(&s->feed, s->program, limit, s->records, count));
    if (*count == 0)
        return KILN_OK;
    for (int64_t i = 0; i < *count; i++) {
        s->records[i].step = (uint32_t)(o->iterations + i);
        s->records[i].sample = 0;
        optimizer_step(o, o->iterations + i, &s->records[i]);
    }
    KILN_TRY(plan_load_steps(s->program->plan, s->records, (size_t)*count));
    KILN_TRY(training_enqueue(s->training, s->program, (size_t)*count));
    o->iterations += *count;
    KILN_TRY(device_flush(s->training->device));
    return feed_prepare(&s->feed);
}

kiln_status steps_run(steps *s, int64_t count)
{
    while (count > 0) {
        int64_t done = 0, limit = count < TRAINING_MAX_STEPS ? count : TRAINING_MAX_STEPS;
        if (s->started)
            KILN_TRY(enqueue(s, limit, &done));
        if (done == 0) {
            KILN_TRY(feed_start(&s->feed, true, s->training->seed, s->passes++));
            s->started = true;
            KILN_TRY(enqueue(s, limit, &done));
            if (done == 0)
                return kiln_fail(KILN_ERROR_ARGUMENT, "the data yield no batch");
        }
        count -= done;
    }
    return device_finish(s->training->device);
}

kiln_status steps_verify(const steps *s)
{
    int64_t bad;
    KILN_TRY(plan_read_bad_step(s->program->plan, &bad));
    if (bad < 0)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_NUMERIC,
                     "training model %s failed: its loss is not finite at step %lld; check the "
                     "data or lower the "
                     "learning rate (--check-numerics finds where it begins)",
                     s->training->model->name, (long long)bad + 1);
}

kiln_status steps_check(kiln_model *model, kiln_dataset *data, int64_t batch, int64_t count)
{
    if (!common.check_numerics)
        return KILN_OK;
    return kiln_fit(model, data, .batch_size = batch, .steps_per_epoch = count, .verbose = KILN_NO,
                    .check_numerics = 1)
               ? KILN_OK
               : kiln_last_status();
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static kiln_status time_windows(steps *s, const steps_windows *w, int64_t count, double *each,
                                steps_times *t)
{
    int64_t done = 0;
    double begun = clock_seconds();
    while (done < count &&
           (done < 3 || w->most_seconds <= 0 || clock_seconds() - begun < w->most_seconds)) {
        int64_t in_window = 0;
        double start = clock_seconds();
        /* The device may have become faster since the window was sized: fill the time. */
        do {
            int64_t some = in_window == 0 ? t->window : w->chunk;
            KILN_TRY(steps_run(s, some));
            in_window += some;
        } while (clock_seconds() - start < w->least_seconds);
        each[done++] = (clock_seconds() - start) / (double)in_window;
        t->steps += in_window;
    }
    qsort(each, (size_t)done, sizeof *each, compare);
    t->best = each[0];
    t->median = done % 2 ? each[done / 2] : (each[done / 2 - 1] + each[done / 2]) / 2;
    return KILN_OK;
}

kiln_status steps_time(steps *s, const steps_windows *wanted, steps_times *times)
{
    /* Warm up, and find how long a window has to be. */
    *times = (steps_times){.window = wanted->window};
    double start = clock_seconds();
    KILN_TRY(steps_run(s, wanted->chunk));
    double step = (clock_seconds() - start) / (double)wanted->chunk;
    if (step > 0 && (double)times->window * step < wanted->least_seconds)
        times->window = (int64_t)ceil(wanted->least_seconds / step);
    KILN_TRY(steps_run(s, times->window / 2));
    int64_t count =
        wanted->steps ? (wanted->steps + times->window - 1) / times->window : wanted->windows;
    if (count > MOST_WINDOWS)
        count = MOST_WINDOWS;
    double *each = mem_new((size_t)count, sizeof *each);
    if (each == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = time_windows(s, wanted, count, each, times);
    free(each);
    return status;
}

kiln_status steps_profile(steps *s, bool *outside)
{
    kiln_device *device = s->training->device;
    profile_row *rows;
    size_t count;
    double seconds = 0, calls = 0;
    KILN_TRY(profile_start(device));
    KILN_TRY(steps_run(s, 1));
    KILN_TRY(profile_stop(device, &rows, &count));
    for (size_t i = 0; i < count; i++) {
        seconds += rows[i].seconds;
        calls += (double)rows[i].calls;
    }
    profile_free_rows(rows, count);
    *outside = seconds < least_launch * calls;
    KILN_TRY(profile_start(device));
    if (*outside)
        profile_from_outside(device);
    return KILN_OK;
}

void steps_close(steps *s)
{
    feed_close(&s->feed);
}
