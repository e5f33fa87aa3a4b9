#include "train/resume.h"

#include "format/json.h"
#include "format/weights_file.h"
#include "train/callbacks.h"
#include "train/state.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- writing ---- */

/* A number in full; JSON has none that are not finite. */
static void write_number(json_writer *w, const char *key, double value)
{
    char words[40];
    snprintf(words, sizeof words, "%.17g", value);
    if (isfinite(value))
        json_write_raw(w, key, words);
    else
        json_write_string(w, key, words);
}

static void write_seed(json_writer *w, const char *key, uint64_t seed)
{
    char words[24];
    snprintf(words, sizeof words, "%" PRIu64, seed); /* more than JSON's numbers hold */
    json_write_string(w, key, words);
}

static void write_history(json_writer *w, const kiln_history *history)
{
    json_write_open(w, "history", '[');
    for (size_t e = 0; e < history->count; e++) {
        const history_epoch *epoch = &history->items[e];
        json_write_open(w, NULL, '{');
        json_write_integer(w, "epoch", epoch->epoch);
        json_write_open(w, "names", '[');
        for (size_t i = 0; i < epoch->logs.count; i++)
            json_write_string(w, NULL, epoch->logs.items[i].name);
        json_write_close(w, ']');
        json_write_open(w, "values", '[');
        for (size_t i = 0; i < epoch->logs.count; i++)
            write_number(w, NULL, epoch->logs.items[i].value);
        json_write_close(w, ']');
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

static kiln_status write_json(const model_training *t, const resume_state *s, char **json)
{
    text out = {0};
    json_writer w = {.out = &out, .indent = -1};
    json_write_open(&w, NULL, '{');
    json_write_integer(&w, "epoch", s->epoch);
    write_seed(&w, "seed", s->seed);
    write_seed(&w, "model_seed", t->model->seed);
    json_write_integer(&w, "pass_start", s->pass_start);
    write_number(&w, "learning_rate", t->optimizer.rate);
    json_write_integer(&w, "batch_size", s->batch);
    json_write_integer(&w, "samples", s->samples);
    json_write_integer(&w, "steps", s->steps);
    write_history(&w, &t->history);
    json_write_close(&w, '}');
    if (out.failed) {
        text_free(&out);
        return KILN_ERROR_MEMORY;
    }
    *json = out.data;
    return KILN_OK;
}

/* The name of an array that callback `number` keeps. */
static char *kept_name(size_t number, const char *path)
{
    return str_format("callback/%zu/%s", number, path);
}

static kiln_status collect_kept(const fit_run *run, archive_arrays *kept)
{
    const kiln_model *model = run->training->model;
    for (size_t c = 0; c < run->callback_count; c++) {
        const kiln_callback *callback = run->callbacks[c];
        size_t count = 0;
        float ***weights = callback->kept ? callback->kept(callback->user, &count) : NULL;
        for (size_t i = 0; weights && *weights && i < count; i++) {
            char *name = kept_name(c, kiln_model_weight_path(model, i));
            kiln_status status =
                name ? archive_add(kept, name, kiln_model_weight_shape(model, i), (*weights)[i])
                     : KILN_ERROR_MEMORY;
            free(name);
            KILN_TRY(status);
        }
    }
    return KILN_OK;
}

/* The name of what a stateful layer keeps from batch to batch: the file of weights leaves it out. */
static char *state_name(const layer_weight *state)
{
    return str_format("state/%s", state->weight.path);
}

static kiln_status collect_states(const kiln_model *model, archive_arrays *kept)
{
    for (size_t i = 0; i < model_weight_count(model); i++) {
        layer_weight *w = model_weight(model, i, NULL);
        if (!w->state)
            continue;
        float *values = mem_new((size_t)kiln_shape_size(w->weight.shape), sizeof *values);
        char *name = state_name(w);
        kiln_status status =
            values && name ? store_download(&w->weight, values) : KILN_ERROR_MEMORY;
        if (status == KILN_OK)
            status = archive_add(kept, name, w->weight.shape, values);
        free(name);
        free(values);
        KILN_TRY(status);
    }
    return KILN_OK;
}

kiln_status resume_write(const fit_run *run, const resume_state *s, const char *path)
{
    model_training *t = run->training;
    archive_training training = {0};
    archive_arrays variables = {0};
    text config = {0};
    kiln_status status = write_json(t, s, &training.json);
    if (status == KILN_OK)
        status = collect_kept(run, &training.kept);
    if (status == KILN_OK)
        status = collect_states(t->model, &training.kept);
    if (status == KILN_OK)
        status = config_write(t, &config);
    if (status == KILN_OK)
        status = state_collect(t, &variables);
    if (status == KILN_OK)
        status = archive_write_training(t->model, config.data, &variables, &training, path);
    text_free(&config);
    archive_arrays_free(&variables);
    archive_training_free(&training);
    return status;
}

/* ---- reading ---- */

static double number_of(const json_t *value)
{
    return json_is_string(value) ? strtod(json_string_value(value), NULL)
                                 : json_number_value(value);
}

static uint64_t seed_of(const json_t *root, const char *key)
{
    const char *words = json_string_value(json_object_get(root, key));
    return words ? strtoull(words, NULL, 10) : 0;
}

static kiln_status read_history(const json_t *list, kiln_history *history)
{
    size_t e;
    const json_t *epoch;
    json_array_foreach(list, e, epoch)
    {
        const json_t *names = json_object_get(epoch, "names"),
                     *values = json_object_get(epoch, "values");
        kiln_logs logs = {0};
        kiln_status status = KILN_OK;
        for (size_t i = 0; i < json_array_size(names) && status == KILN_OK; i++) {
            const char *name = json_string_value(json_array_get(names, i));
            status = name ? logs_set(&logs, name, number_of(json_array_get(values, i)))
                          : kiln_fail(KILN_ERROR_FORMAT, "a figure of its history has no name");
        }
        if (status == KILN_OK)
            status =
                history_add(history, json_integer_value(json_object_get(epoch, "epoch")), &logs);
        logs_free(&logs);
        KILN_TRY(status);
    }
    return KILN_OK;
}

static kiln_status read_json(const char *path, const char *words, resume_state *s)
{
    json_t *root = json_parse(path, words, strlen(words));
    if (root == NULL)
        return kiln_last_status();
    s->epoch = json_integer_value(json_object_get(root, "epoch"));
    s->pass_start = json_integer_value(json_object_get(root, "pass_start"));
    s->batch = json_integer_value(json_object_get(root, "batch_size"));
    s->samples = json_integer_value(json_object_get(root, "samples"));
    s->steps = json_integer_value(json_object_get(root, "steps"));
    s->rate = number_of(json_object_get(root, "learning_rate"));
    s->seed = seed_of(root, "seed");
    s->model_seed = seed_of(root, "model_seed");
    kiln_status status = read_history(json_object_get(root, "history"), &s->history);
    if (status == KILN_OK && (s->epoch < 0 || s->pass_start < 0 || s->batch < 1 || s->seed == 0))
        status = kiln_fail(KILN_ERROR_FORMAT, "it is no checkpoint of a training");
    json_decref(root);
    return status;
}

kiln_status resume_seeds(const char *path, uint64_t *model_seed, uint64_t *seed)
{
    archive_training training;
    resume_state s = {0};
    KILN_TRY(archive_read_training(path, &training));
    kiln_status status = read_json(path, training.json, &s);
    archive_training_free(&training);
    *model_seed = s.model_seed;
    *seed = s.seed;
    resume_free(&s);
    return status == KILN_OK ? KILN_OK : kiln_fail_in("%s", path);
}

/* Gives stateful layers what they kept; checkpoints of earlier versions have none of it, and leave
 * the states at zero. */
static kiln_status take_states(kiln_model *model, const archive_arrays *kept)
{
    for (size_t i = 0; i < model_weight_count(model); i++) {
        layer_weight *w = model_weight(model, i, NULL);
        if (!w->state)
            continue;
        char *name = state_name(w);
        if (name == NULL)
            return KILN_ERROR_MEMORY;
        const archive_array *array = archive_find(kept, name);
        free(name);
        if (array == NULL)
            continue;
        if (!ir_shape_equal(array->shape, w->weight.shape))
            return kiln_fail(KILN_ERROR_SHAPE, "the state %s has the shape %s, and the model's %s",
                             w->weight.path, ir_shape_text(array->shape),
                             ir_shape_text(w->weight.shape));
        KILN_TRY(store_upload(&w->weight, array->values));
    }
    return KILN_OK;
}

static kiln_status read_all(model_training *t, const char *path, resume_state *s)
{
    archive_training training;
    archive_arrays variables = {0};
    KILN_TRY(archive_read_training(path, &training));
    kiln_status status = read_json(path, training.json, s);
    s->kept = training.kept;
    training.kept = (archive_arrays){0};
    archive_training_free(&training);
    if (status == KILN_OK)
        status = weights_read(t->model, path, &variables);
    if (status == KILN_OK)
        status = state_take(t, &variables);
    if (status == KILN_OK)
        status = take_states(t->model, &s->kept);
    archive_arrays_free(&variables);
    return status;
}

kiln_status resume_read(model_training *t, const char *path, resume_state *s)
{
    *s = (resume_state){0};
    double rate = t->optimizer.rate;
    if (read_all(t, path, s) != KILN_OK) {
        resume_free(s);
        kiln_fail_in("the checkpoint of this training");
        return kiln_advise(
            "resume with the model and the arguments that it was made with, or remove "
            "it to begin anew");
    }
    /* Until the callbacks have been told of the epochs, which may change it again. */
    t->optimizer.rate = rate;
    t->model->seed = s->model_seed;
    return KILN_OK;
}

void resume_free(resume_state *s)
{
    history_free(&s->history);
    archive_arrays_free(&s->kept);
}

/* ---- callbacks ---- */

static kiln_status give_back(const fit_run *run, size_t number, const resume_state *s)
{
    const kiln_model *model = run->training->model;
    const kiln_callback *callback = run->callbacks[number];
    size_t count = 0;
    float ***weights = callback->kept ? callback->kept(callback->user, &count) : NULL;
    for (size_t i = 0; weights && *weights && i < count; i++) {
        char *name = kept_name(number, kiln_model_weight_path(model, i));
        const archive_array *array = name ? archive_find(&s->kept, name) : NULL;
        free(name);
        if (array == NULL || !ir_shape_equal(array->shape, kiln_model_weight_shape(model, i)))
            return kiln_fail(KILN_ERROR_FORMAT,
                             "the checkpoint has no best weights of %s; give the callbacks that it "
                             "was made with",
                             kiln_model_weight_path(model, i));
        memcpy((*weights)[i], array->values, (size_t)kiln_shape_size(array->shape) * sizeof(float));
    }
    return KILN_OK;
}

kiln_status resume_callbacks(fit_run *run, const resume_state *s)
{
    for (size_t e = 0; e < s->history.count; e++) {
        kiln_logs logs = {0}; /* callbacks may add to them */
        kiln_status status = logs_merge(&logs, &s->history.items[e].logs, "");
        if (status == KILN_OK)
            status = callbacks_replay(run, s->history.items[e].epoch, &logs);
        logs_free(&logs);
        KILN_TRY(status);
    }
    for (size_t c = 0; c < run->callback_count; c++)
        KILN_TRY(give_back(run, c, s));
    run->training->optimizer.rate = s->rate;
    return KILN_OK;
}
