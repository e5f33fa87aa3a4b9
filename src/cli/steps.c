#include "cli/steps.h"

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
    KILN_TRY(plan_enqueue(s->program->plan, (size_t)*count));
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

void steps_close(steps *s)
{
    feed_close(&s->feed);
}
