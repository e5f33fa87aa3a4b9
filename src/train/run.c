#include "train/run.h"

#include "base/clock.h"
#include "train/callbacks.h"

#include <math.h>

#define SLICE_SECONDS 0.05  /* work that is queued at once */
#define REFRESH_SECONDS 0.1 /* between two reports */
#define WATCH_SECONDS 0.5   /* between two looks for a bad loss, where nothing is reported */

const char *training_check_option = "check_numerics";

/* A table of records and how far it was run. */
typedef struct table {
    plan_step *steps;
    int64_t count, next;
    int64_t first_iteration; /* of steps[0], in a training */
} table;

static void fill_records(const pass *p, table *s, int64_t from)
{
    const optimizer *o = &p->training->optimizer;
    for (int64_t i = from; i < s->count; i++) {
        int64_t iteration = p->fit ? s->first_iteration + i : i;
        s->steps[i].step = (uint32_t)iteration;
        s->steps[i].sample = 0;
        if (p->fit)
            optimizer_step(o, iteration, &s->steps[i]);
    }
}

/* A new rate holds from the next step on. */
static kiln_status renew_rate(pass *p, table *s)
{
    if (!p->fit || !p->training->rate_changed)
        return KILN_OK;
    p->training->rate_changed = false;
    if (s->next == s->count)
        return KILN_OK;
    fill_records(p, s, s->next);
    return plan_load_steps(p->program->plan, s->steps + s->next, (size_t)(s->count - s->next));
}

static kiln_status next_table(pass *p, table *s)
{
    int64_t limit = TRAINING_MAX_STEPS;
    if (p->steps >= 0 && p->steps - p->done < limit)
        limit = p->steps - p->done;
    s->count = s->next = 0;
    if (limit > 0)
        KILN_TRY(feed_next(p->feed, p->program, limit, s->steps, &s->count));
    if (s->count == 0)
        return KILN_OK;
    int64_t fixed = model_state_batch(p->training->model);
    for (int64_t i = 0; fixed && i < s->count; i++)
        if (s->steps[i].rows != fixed)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "model %s is stateful with batches of %lld rows, and batch %lld has "
                             "%lld",
                             p->training->model->name, (long long)fixed,
                             (long long)(p->done + i + 1), (long long)s->steps[i].rows);
    s->first_iteration = p->training->optimizer.iterations;
    if (p->fit)
        p->training->rate_changed = false;
    fill_records(p, s, 0);
    return plan_load_steps(p->program->plan, s->steps, (size_t)s->count);
}

/* ---- losses that are not finite ---- */

/* Runs again from the last snapshot up to a step of this table; `more` steps are loaded after it.
 */
static kiln_status run_again(pass *p, const table *s, int64_t until, int64_t more)
{
    int64_t first = snapshot_iteration(p->fit->snapshot) - s->first_iteration;
    int64_t count = until - s->first_iteration - first;
    KILN_TRY(snapshot_restore(p->fit->snapshot));
    KILN_TRY(plan_load_steps(p->program->plan, s->steps + first, (size_t)(count + more)));
    return training_enqueue(p->training, p->program, (size_t)count);
}

/* Asks where the bad step goes wrong. Weights and optimizer are left as they were before it. */
static kiln_status find_where(pass *p, const table *s, int64_t bad, char *where, size_t room)
{
    int64_t from = snapshot_iteration(p->fit->snapshot);
    if (from < s->first_iteration || bad < from || bad >= s->first_iteration + s->count)
        return KILN_OK;
    KILN_TRY(run_again(p, s, bad, 1));
    KILN_TRY(plan_check_numerics(p->program->plan, where, room));
    KILN_TRY(run_again(p, s, bad, 1));
    p->training->optimizer.iterations = bad;
    return device_finish(p->training->device);
}

/* The first layer with a weight that is not finite; NULL: none. */
static kiln_status find_layer(const kiln_model *model, const kiln_layer **found)
{
    kiln_status status = KILN_OK;
    *found = NULL;
    for (size_t i = 0; i < model_weight_count(model) && *found == NULL && status == KILN_OK; i++) {
        kiln_layer *layer;
        ir_weight *weight = &model_weight(model, i, &layer)->weight;
        size_t count = (size_t)kiln_shape_size(weight->shape);
        float *values = mem_new(count, sizeof *values);
        status = values ? store_download(weight, values) : KILN_ERROR_MEMORY;
        for (size_t k = 0; k < count && status == KILN_OK; k++)
            if (!isfinite(values[k]))
                *found = layer;
        free(values);
    }
    return status;
}

static kiln_status check_loss(pass *p, const table *s)
{
    model_training *t = p->training;
    int64_t bad;
    KILN_TRY(plan_read_bad_step(p->program->plan, &bad));
    if (bad < 0)
        return KILN_OK;
    int64_t first = t->optimizer.iterations - p->done; /* of this epoch */
    long long number = (long long)(bad - first) + 1, epoch = (long long)p->fit->epoch + 1;
    if (callbacks_take_nan(p->fit)) {
        p->not_finite = true;
        p->stopped = true;
        if (p->fit->verbose > 0) {
            if (p->bar)
                progress_abort(p->bar);
            progress_message("Batch %lld: Invalid loss, terminating training", number - 1);
        }
        return KILN_OK;
    }
    char where[512] = "";
    if (p->fit->check_numerics)
        KILN_TRY(find_where(p, s, bad, where, sizeof where));
    if (where[0])
        return kiln_fail(KILN_ERROR_NUMERIC,
                         "training model %s failed: its loss is not finite at step %lld of epoch "
                         "%lld, and the first result that is not finite is that of %s; check the "
                         "data there, lower the learning rate or clip the gradients",
                         t->model->name, number, epoch, where);
    const kiln_layer *layer;
    KILN_TRY(find_layer(t->model, &layer));
    return kiln_fail(
        KILN_ERROR_NUMERIC,
        "training model %s failed: its loss is not finite at step %lld of epoch "
        "%lld%s%s; check the data, lower the learning rate or clip the gradients%s%s%s",
        t->model->name, number, epoch,
        layer ? ", and the first layer whose weights are not finite any more is " : "",
        layer ? layer->name : "", p->fit->check_numerics ? "" : " (",
        p->fit->check_numerics ? "" : training_check_option,
        p->fit->check_numerics ? "" : " finds where it begins)");
}

/* ---- reports ---- */

static kiln_status refresh(pass *p, const table *s, double now)
{
    model_training *t = p->training;
    kiln_logs logs = {0};
    if (p->fit)
        KILN_TRY(check_loss(p, s));
    if (p->stopped || p->output)
        return KILN_OK;
    KILN_TRY(training_collect(t, p->program, p->totals));
    kiln_status status = training_logs(t, p->totals, &logs);
    if (status == KILN_OK && p->bar)
        progress_draw(p->bar, p->done, &logs, now);
    if (status == KILN_OK && p->fit)
        status = callbacks_call(p->fit, CALLBACK_REFRESH, p->done, &logs);
    logs_free(&logs);
    if (status == KILN_OK && p->fit && p->fit->check_numerics)
        status = snapshot_take(t, &p->fit->snapshot);
    return status;
}

/* The figures so far, for callbacks that want them after this batch. */
static kiln_status report_batch(pass *p, const table *s)
{
    model_training *t = p->training;
    kiln_logs logs = {0};
    KILN_TRY(check_loss(p, s));
    if (p->stopped)
        return KILN_OK;
    KILN_TRY(training_collect(t, p->program, p->totals));
    kiln_status status = training_logs(t, p->totals, &logs);
    if (status == KILN_OK)
        status = callbacks_call(p->fit, CALLBACK_BATCH_END, p->done - 1, &logs);
    logs_free(&logs);
    return status;
}

static bool refresh_is_due(const pass *p, double since, double now)
{
    if (p->bar && progress_wants(p->bar, now))
        return true;
    if (p->fit && callbacks_want_refresh(p->fit))
        return since >= REFRESH_SECONDS;
    return p->fit && since >= WATCH_SECONDS;
}

/* How many steps to queue: about SLICE_SECONDS of them, one where the time of a step is not known.
 */
static int64_t slice_of(const pass *p, const table *s)
{
    int64_t left = s->count - s->next, slice = 1;
    double seconds = p->program->step_seconds;
    if (p->done > 0 && seconds > 0 && !p->output)
        slice = (int64_t)fmin(SLICE_SECONDS / seconds, TRAINING_MAX_STEPS);
    if (p->fit && slice > 1) {
        int64_t wanted = callbacks_batches_left(p->fit);
        slice = wanted < slice ? wanted : slice;
    }
    return slice < 1 ? 1 : slice > left ? left : slice;
}

/* The steps of a table have the same data bound. A data set's last batch may have few rows. */
static void note_last(pass *p, const table *s)
{
    const plan_step *last = &s->steps[s->next - 1];
    p->fit->program = p->program;
    p->fit->last = s->next > 1 && last[-1].rows > last->rows ? last[-1] : *last;
}

static kiln_status run_slice(pass *p, table *s)
{
    kiln_device *device = p->training->device;
    int64_t slice = slice_of(p, s);
    if (p->where) {
        KILN_TRY(plan_check_numerics(p->program->plan, p->where, p->where_room));
        s->next++;
        p->done++;
        return p->output(p, s->steps[s->next - 1].rows);
    }
    if (p->fit && callbacks_want_begin(p->fit)) {
        KILN_TRY(callbacks_call(p->fit, CALLBACK_BATCH_BEGIN, p->done, NULL));
        KILN_TRY(renew_rate(p, s));
    }
    if (p->before)
        KILN_TRY(p->before(p));
    double start = clock_seconds();
    KILN_TRY(training_enqueue(p->training, p->program, (size_t)slice));
    KILN_TRY(device_flush(device));
    /* While the device works: the next chunk, unless no step of this pass can want it. */
    if (p->steps < 0 || p->done + slice < p->steps)
        KILN_TRY(feed_prepare(p->feed));
    KILN_TRY(device_finish(device));
    double seconds = (clock_seconds() - start) / (double)slice;
    if (p->done > 0) /* the first step may have compiled or touched memory */
        p->program->step_seconds = seconds;
    else if (p->bar && p->bar->verbose == 1)
        p->bar->first_step = clock_seconds();
    s->next += slice;
    p->done += slice;
    if (p->fit) {
        p->training->optimizer.iterations += slice;
        note_last(p, s);
    }
    if (p->fit && callbacks_count(p->fit, slice))
        KILN_TRY(report_batch(p, s));
    return p->output ? p->output(p, s->steps[s->next - 1].rows) : KILN_OK;
}

static kiln_status run_tables(pass *p, table *s)
{
    double refreshed = clock_seconds();
    while (!p->stopped) {
        if (s->next == s->count) {
            KILN_TRY(next_table(p, s));
            if (s->count == 0)
                break;
            if (p->fit && p->fit->check_numerics)
                KILN_TRY(snapshot_take(p->training, &p->fit->snapshot));
        }
        KILN_TRY(run_slice(p, s));
        double now = clock_seconds();
        if (refresh_is_due(p, now - refreshed, now) ||
            (p->fit && p->fit->check_numerics && s->next == s->count)) {
            KILN_TRY(refresh(p, s, now));
            refreshed = clock_seconds();
        }
        if (training_stopping(p->training, p->generation) || p->training->stop_by_callback)
            p->stopped = true;
        if (!p->stopped)
            KILN_TRY(renew_rate(p, s));
    }
    if (p->fit && p->done > 0 && !p->not_finite)
        KILN_TRY(check_loss(p, s));
    return KILN_OK;
}

kiln_status pass_run(pass *p)
{
    table s = {.steps = mem_new(TRAINING_MAX_STEPS, sizeof(plan_step))};
    if (s.steps == NULL)
        return KILN_ERROR_MEMORY;
    feed_set_budget(p->feed, p->steps);
    kiln_status status = run_tables(p, &s);
    if (status == KILN_OK && p->totals && !p->output)
        status = training_collect(p->training, p->program, p->totals);
    free(s.steps);
    return status;
}
