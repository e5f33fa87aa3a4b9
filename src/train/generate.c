/* kiln_generate: text that a model writes, token by token. */
#include "base/philox.h"
#include "data/vocabulary.h"
#include "train/feed.h"
#include "train/sample.h"
#include "train/twin.h"

#include <kiln/text.h>
#include <math.h>
#include <string.h>

/* Streams of draws: which token, and which one to begin with. */
#define TOKENS_STREAM 0x746f6b656e73u /* "tokens" */
#define FIRST_STREAM 0x6669727374u    /* "first" */

/* A text being written. */
typedef struct writing {
    const kiln_generate_args *args;
    const model_text *rules; /* of the model */
    vocabulary words;
    sample_rules how;
    kiln_model *twin;
    model_training *t; /* the twin's */
    program *program;
    cl_mem tokens, order; /* all tokens in their order: the model is shown one of them by its place */
    plan_step steps[TRAINING_MAX_STEPS];
    size_t loaded, used; /* records of steps */
    float *scores;
    sample_place *room;
    size_t count; /* tokens that the model tells */
    text out;     /* what was written */
} writing;

/* ---- what may be asked for ---- */

static kiln_status check_args(const kiln_generate_args *a)
{
    if (a->model == NULL)
        return kiln_fail_null("the model that is to write");
    if (a->length < 0 || a->top_k < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_generate: length is %lld and top_k %lld; neither is negative",
                         (long long)a->length, (long long)a->top_k);
    if (!(a->temperature >= 0) || isinf(a->temperature))
        return kiln_fail(
            KILN_ERROR_ARGUMENT,
            "kiln_generate: the temperature is %g; it is a number above 0, or 0 for the "
            "likeliest token each time",
            a->temperature);
    if (!(a->top_p >= 0 && a->top_p <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_generate: top_p is %g; it lies between 0 and 1",
                         a->top_p);
    return KILN_OK;
}

static kiln_status check_model(const kiln_model *model)
{
    const model_text *rules = &model->facts->text;
    if (rules->tokens == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "model %s has no vocabulary: it was not trained on text; train one with "
                         "kiln fit lstm FILE.txt",
                         model->name);
    if (strcmp(rules->task, "generate") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "model %s: it tells classes of texts and writes none; kiln predict says the "
                         "classes",
                         model->name);
    if (model->input_count != 1 || model->output_count != 1)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "model %s has %zu inputs and %zu outputs; one that writes text has one of "
                         "each",
                         model->name, model->input_count, model->output_count);
    return KILN_OK;
}

/* Does the model end in softmax? */
static bool ends_in_softmax(const kiln_model *model)
{
    const kiln_layer *last = model->calls[model->outputs[0]].layer;
    const layer_field *field = layer_find_field(last->cls, "activation");
    if (strcmp(last->cls->class_name, "Softmax") == 0)
        return true;
    if (field == NULL)
        return false;
    const char *activation = *(char **)layer_field_at(last, field);
    return activation && strncmp(activation, "softmax", 7) == 0;
}

/* ---- the model ---- */

static kiln_status start_program(writing *w)
{
    const uint32_t zero = 0;
    data_types types = {.input_count = 1, .dtypes = {KILN_INT32}, .scale = 1};
    kiln_model *twin = w->twin;
    types.shapes[0] = kiln_model_input_shape(twin, 0);
    w->count = (size_t)kiln_shape_size(kiln_model_output_shape(twin, 0));
    if (w->count != w->rules->token_count || kiln_shape_size(types.shapes[0]) != 1)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "model %s makes %zu scores of a token, and its vocabulary has %zu tokens; "
                         "train it again",
                         twin->name, w->count, w->rules->token_count);
    KILN_TRY(training_get(twin, &w->t));
    KILN_TRY(training_ready(w->t));
    KILN_TRY(program_get(w->t, TRAINING_PREDICT, 1, &types, &w->program));
    KILN_TRY(device_alloc(w->t->device, w->count * sizeof(int32_t), "the tokens", &w->tokens));
    KILN_TRY(device_alloc(w->t->device, sizeof zero, "the order of samples", &w->order));
    KILN_TRY(device_write(w->t->device, w->order, 0, &zero, sizeof zero));
    KILN_TRY(plan_bind(w->program->plan, TRAINING_SLOT_ORDER, w->order, 0, 1));
    w->scores = mem_new(w->count, sizeof *w->scores);
    w->room = mem_new(w->count, sizeof *w->room);
    int32_t *tokens = mem_new(w->count, sizeof *tokens);
    for (size_t i = 0; i < w->count && tokens; i++)
        tokens[i] = (int32_t)i;
    kiln_status status = w->scores && w->room && tokens
                             ? device_write(w->t->device, w->tokens, 0, tokens, w->count * sizeof *tokens)
                             : kiln_last_status();
    free(tokens);
    return status;
}

static kiln_status start(writing *w)
{
    model_training *t = NULL;
    KILN_TRY(check_args(w->args));
    KILN_TRY(check_model(w->args->model));
    w->rules = &w->args->model->facts->text;
    w->how = (sample_rules){
        .temperature = w->args->temperature,
        .top_k = w->args->top_k,
        .top_p = w->args->top_p,
        .probabilities = ends_in_softmax(w->args->model),
        .skip = model_text_reserves(w->rules) ? 2 : 0,
    };
    if (w->how.temperature == 0 && !signbit(w->how.temperature))
        w->how.temperature = 1;
    KILN_TRY(vocabulary_open(&w->words, w->rules));
    KILN_TRY(training_get(w->args->model, &t));
    KILN_TRY(training_ready(t));
    KILN_TRY(twin_make(w->args->model, &w->twin));
    KILN_TRY(kiln_compile(w->twin, .device = t->device));
    for (size_t i = 0; i < TRAINING_MAX_STEPS; i++)
        w->steps[i] = (plan_step){.rows = 1};
    return start_program(w);
}

/* Gives the model one token more; its scores of the next one are read if they are wanted. */
static kiln_status feed_token(writing *w, int32_t token, bool read)
{
    plan *p = w->program->plan;
    if (w->used == w->loaded) {
        KILN_TRY(plan_load_steps(p, w->steps, TRAINING_MAX_STEPS));
        w->loaded = TRAINING_MAX_STEPS;
        w->used = 0;
    }
    KILN_TRY(plan_bind(p, TRAINING_SLOT_COLUMN(0), w->tokens, (size_t)token, 1));
    KILN_TRY(plan_enqueue(p, 1));
    w->used++;
    return read ? plan_read_output_soon(p, 0, w->scores) : device_finish(w->t->device);
}

/* ---- the text ---- */

/* The prompt's tokens but the last one go through the model; *last is that one. */
static kiln_status read_prompt(writing *w, char *prompt, size_t size, int32_t *last)
{
    char shown[VOCABULARY_SHOWN];
    intern_text token;
    *last = -1;
    size = text_standardize(w->rules, prompt, size);
    for (const char *at = prompt; text_next(w->rules, &at, prompt + size, &token);) {
        int32_t number = vocabulary_number(&w->words, token);
        if (number < 0)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "the prompt: %s of model %s; leave it out, or train on text with it",
                             vocabulary_stranger(&w->words, token, shown), w->args->model->name);
        if (*last >= 0)
            KILN_TRY(feed_token(w, *last, false));
        *last = number;
    }
    return KILN_OK;
}

/* What to begin with where there is no prompt: the end of a line, else any token. */
static int32_t first_token(const writing *w, uint64_t seed)
{
    philox_sequence draws = philox_start(seed, FIRST_STREAM);
    int32_t line = vocabulary_number(&w->words, (intern_text){"\n", 1});
    if (line >= (int32_t)w->how.skip)
        return line;
    return (int32_t)(w->how.skip + philox_below(&draws, w->count - w->how.skip));
}

/* Adds a token to the text; *go_on is false when the one who asked has enough. */
static kiln_status put(writing *w, int32_t token, bool first, bool *go_on)
{
    size_t before = w->out.length;
    const char *word = w->rules->tokens[token];
    if (w->rules->split[0] != 'c' && !first)
        text_bytes(&w->out, " ", 1);
    text_bytes(&w->out, word, strlen(word));
    if (w->out.failed)
        return kiln_fail_memory(w->out.length);
    if (w->args->on_text)
        *go_on = w->args->on_text(w->args->user, w->out.data + before, w->out.length - before) == 0;
    return KILN_OK;
}

static kiln_status write_text(writing *w, int generation)
{
    const kiln_generate_args *a = w->args;
    uint64_t seed = a->seed ? a->seed : model_draw_seed();
    int64_t length = a->length ? a->length : 500;
    char *prompt = str_copy(a->prompt ? a->prompt : "");
    size_t skip;
    int32_t token;
    if (prompt == NULL)
        return kiln_last_status();
    kiln_status status = text_check("the prompt", prompt, strlen(prompt), &skip);
    if (status == KILN_OK)
        status = read_prompt(w, prompt, strlen(prompt), &token);
    free(prompt);
    KILN_TRY(status);
    bool go_on = true, first = token < 0;
    if (first)
        token = first_token(w, seed);
    philox_sequence draws = philox_start(seed, TOKENS_STREAM);
    for (int64_t i = 0; i < length && go_on; i++) {
        if (training_stopping(w->t, generation))
            return kiln_fail(KILN_INTERRUPTED, "writing was interrupted after %lld tokens",
                             (long long)i);
        KILN_TRY(feed_token(w, token, true));
        KILN_TRY(sample_token(w->scores, w->count, &w->how, (double)philox_unit(&draws), w->room,
                              &token));
        KILN_TRY(put(w, token, first && i == 0, &go_on));
    }
    return KILN_OK;
}

static void end(writing *w)
{
    if (w->program) {
        plan_unbind(w->program->plan, TRAINING_SLOT_ORDER, w->order);
        plan_unbind(w->program->plan, TRAINING_SLOT_COLUMN(0), w->tokens);
    }
    if (w->tokens)
        device_free(w->t->device, w->tokens);
    if (w->order)
        device_free(w->t->device, w->order);
    kiln_model_free(w->twin);
    vocabulary_close(&w->words);
    free(w->scores);
    free(w->room);
    text_free(&w->out);
    free(w);
}

char *kiln_generate_with(const kiln_generate_args *args)
{
    int generation = training_stop_generation();
    writing *w = mem_new(1, sizeof *w); /* its records of steps are too many for a stack */
    if (w == NULL)
        return NULL;
    w->args = args;
    kiln_status status = start(w);
    if (status == KILN_OK)
        status = write_text(w, generation);
    char *out = NULL;
    if (status == KILN_OK || status == KILN_INTERRUPTED) {
        kiln_error_record record;
        kiln_error_save(&record);
        out = str_copy(w->out.data ? w->out.data : "");
        if (out)
            kiln_error_restore(&record);
    }
    end(w);
    return out;
}
