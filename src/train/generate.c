/* kiln_generate: text that a model writes, token by token. */
#include "base/clock.h"
#include "base/philox.h"
#include "base/utf8.h"
#include "data/vocabulary.h"
#include "train/feed.h"
#include "train/twin.h"

#include <kiln/text.h>
#include <math.h>
#include <string.h>

/* Streams of draws: which token, and which one to begin with. */
#define TOKENS_STREAM 0x746f6b656e73u /* "tokens" */
#define FIRST_STREAM 0x6669727374u    /* "first" */

/* Steps are asked for in runs: about as much as is shown at once. */
#define RUN_SECONDS 5e-3

/* A text being written. */
typedef struct writing {
    const kiln_generate_args *args;
    const model_text *rules; /* of the model */
    vocabulary words;
    size_t skip; /* tokens at the start that are never drawn */
    kiln_model *twin;
    model_training *t; /* the twin's */
    program *program;
    /* All tokens in their order, of which the model is shown one by its place: that is the order. */
    cl_mem tokens, order, rule, chances, drawn;
    plan_step steps[TRAINING_MAX_STEPS];
    sample_chance chance[TRAINING_MAX_STEPS];
    int32_t run[TRAINING_MAX_STEPS]; /* what was drawn */
    size_t count;                    /* tokens that the model tells */
    int32_t *prompt;                 /* its tokens; without one, the one to begin with */
    size_t prompt_count, prompt_capacity;
    text out; /* what was written */
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

/* ---- the prompt ---- */

static kiln_status check_bytes(const char *prompt)
{
    for (const char *at = prompt; *at; at += utf8_next(at))
        if (utf8_next(at) == 0)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "the prompt: byte %zu (0x%02x) is no UTF-8; write it in UTF-8, as a terminal of a UTF-8 "
                             "locale does",
                             (size_t)(at - prompt), (unsigned)*(const unsigned char *)at);
    return KILN_OK;
}

static kiln_status read_prompt(writing *w)
{
    char shown[VOCABULARY_SHOWN];
    intern_text token;
    char *prompt = str_copy(w->args->prompt ? w->args->prompt : "");
    kiln_status status = prompt ? check_bytes(prompt) : kiln_last_status();
    size_t size = status == KILN_OK ? text_standardize(w->rules, prompt, strlen(prompt)) : 0;
    for (const char *at = prompt; status == KILN_OK && text_next(w->rules, &at, prompt + size, &token);) {
        int32_t number = vocabulary_number(&w->words, token);
        if (number < 0)
            status = kiln_fail(KILN_ERROR_ARGUMENT,
                               "the prompt: %s of model %s; leave it out, or train on text with it",
                               vocabulary_stranger(&w->words, token, shown), w->args->model->name);
        if (status == KILN_OK)
            status = mem_grow(&w->prompt, &w->prompt_capacity, w->prompt_count + 1, sizeof *w->prompt);
        if (status == KILN_OK)
            w->prompt[w->prompt_count++] = number;
    }
    free(prompt);
    return status;
}

/* ---- the model ---- */

static kiln_status bind(writing *w, int slot, cl_mem *memory, const void *data, size_t bytes, const char *what)
{
    KILN_TRY(device_alloc(w->t->device, bytes, what, memory));
    if (data)
        KILN_TRY(device_write(w->t->device, *memory, 0, data, bytes));
    return plan_bind(w->program->plan, slot, *memory, 0, 1);
}

static kiln_status bind_all(writing *w)
{
    const kiln_generate_args *a = w->args;
    const double temperature = a->temperature == 0 && !signbit(a->temperature) ? 1 : a->temperature;
    const sample_rules rules = {
        .coldness = temperature > 0 ? (float)fmin(1 / temperature, 1e30) : 0,
        .top_p = a->top_p > 0 ? (float)a->top_p : 1,
        .top_k = a->top_k < (int64_t)w->count ? (uint32_t)a->top_k : 0,
        .skip = (uint32_t)w->skip,
        .probabilities = ends_in_softmax(a->model),
    };
    int32_t *tokens = mem_new(w->count, sizeof *tokens);
    if (tokens == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < w->count; i++)
        tokens[i] = (int32_t)i;
    kiln_status status =
        bind(w, TRAINING_SLOT_COLUMN(0), &w->tokens, tokens, w->count * sizeof *tokens, "the tokens");
    free(tokens);
    KILN_TRY(status);
    KILN_TRY(bind(w, TRAINING_SLOT_ORDER, &w->order, NULL, sizeof(int32_t), "the token that comes next"));
    KILN_TRY(bind(w, TRAINING_SLOT_RULES, &w->rule, &rules, sizeof rules, "how tokens are drawn"));
    KILN_TRY(bind(w, TRAINING_SLOT_CHANCES, &w->chances, NULL, sizeof w->chance, "random numbers"));
    return bind(w, TRAINING_SLOT_TOKENS, &w->drawn, NULL, sizeof w->run, "the tokens drawn");
}

static kiln_status start_program(writing *w)
{
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
    KILN_TRY(program_get(w->t, TRAINING_GENERATE, 1, &types, &w->program));
    return bind_all(w);
}

static kiln_status start(writing *w)
{
    model_training *t = NULL;
    KILN_TRY(check_args(w->args));
    KILN_TRY(check_model(w->args->model));
    w->rules = &w->args->model->facts->text;
    w->skip = model_text_reserves(w->rules) ? 2 : 0;
    KILN_TRY(vocabulary_open(&w->words, w->rules));
    KILN_TRY(read_prompt(w)); /* before anything is compiled */
    KILN_TRY(training_get(w->args->model, &t));
    KILN_TRY(training_ready(t));
    KILN_TRY(twin_make(w->args->model, &w->twin));
    KILN_TRY(kiln_compile(w->twin, .device = t->device));
    return start_program(w);
}

/* ---- the text ---- */

/* What to begin with where there is no prompt: the end of a line, else any token. */
static int32_t first_token(const writing *w, uint64_t seed)
{
    philox_sequence draws = philox_start(seed, FIRST_STREAM);
    int32_t line = vocabulary_number(&w->words, (intern_text){"\n", 1});
    if (line >= (int32_t)w->skip)
        return line;
    return (int32_t)(w->skip + philox_below(&draws, w->count - w->skip));
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

/* Fails where no token could be drawn. */
static kiln_status check_token(const writing *w, int32_t token)
{
    if (token == INT32_MIN)
        return kiln_fail(KILN_ERROR_NUMERIC, "model %s gives no token a chance; train it again", w->args->model->name);
    if (token < 0)
        return kiln_fail(KILN_ERROR_NUMERIC,
                         "model %s: its score of token %d is not finite; train it again, with a smaller learning rate",
                         w->args->model->name, -1 - token);
    return KILN_OK;
}

/* Loads so many steps from number `done` on. The first ones are for the rest of the prompt. */
static kiln_status load_steps(writing *w, philox_sequence *draws, size_t done, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t next = done + i + 1;
        w->steps[i] = (plan_step){.rows = 1};
        w->chance[i] = next < w->prompt_count ? (sample_chance){.token = w->prompt[next]}
                                              : (sample_chance){.unit = philox_unit(draws), .token = -1};
    }
    KILN_TRY(device_write_later(w->t->device, w->chances, 0, w->chance, count * sizeof *w->chance));
    return plan_load_steps(w->program->plan, w->steps, count);
}

/* So many loaded steps, of which the first is number `from`. */
static kiln_status run_steps(writing *w, size_t from, size_t count)
{
    KILN_TRY(plan_enqueue(w->program->plan, count));
    return device_read(w->t->device, w->drawn, from * sizeof *w->run, w->run + from, count * sizeof *w->run);
}

static kiln_status write_text(writing *w, int generation)
{
    const kiln_generate_args *a = w->args;
    uint64_t seed = a->seed ? a->seed : model_draw_seed();
    const bool first = w->prompt_count == 0;
    const int32_t begin = first ? first_token(w, seed) : w->prompt[0];
    const size_t forced = first ? 0 : w->prompt_count - 1;
    const size_t length = (size_t)(a->length ? a->length : 500) + forced;
    philox_sequence draws = philox_start(seed, TOKENS_STREAM);
    KILN_TRY(device_write(w->t->device, w->order, 0, &begin, sizeof begin));
    size_t run = 1;
    bool go_on = true;
    for (size_t done = 0; done < length && go_on;) {
        if (training_stopping(w->t, generation))
            return kiln_fail(KILN_INTERRUPTED, "writing was interrupted after %zu tokens",
                             done > forced ? done - forced : 0);
        const size_t used = done % TRAINING_MAX_STEPS, table = TRAINING_MAX_STEPS - used,
                     left = length - done < table ? length - done : table, count = run < left ? run : left;
        if (used == 0)
            KILN_TRY(load_steps(w, &draws, done, left));
        const double start = clock_seconds();
        KILN_TRY(run_steps(w, used, count));
        if (run < TRAINING_MAX_STEPS && clock_seconds() - start < RUN_SECONDS / 2)
            run *= 2;
        for (size_t i = used; i < used + count && go_on; i++, done++) {
            KILN_TRY(check_token(w, w->run[i]));
            if (done >= forced)
                KILN_TRY(put(w, w->run[i], first && done == 0, &go_on));
        }
    }
    return KILN_OK;
}

static void end(writing *w)
{
    cl_mem memory[] = {w->tokens, w->order, w->rule, w->chances, w->drawn};
    if (w->program)
        plan_unbind_all(w->program->plan);
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i])
            device_free(w->t->device, memory[i]);
    kiln_model_free(w->twin);
    vocabulary_close(&w->words);
    free(w->prompt);
    text_free(&w->out);
    free(w);
}

char *kiln_generate_with(const kiln_generate_args *args)
{
    int generation = training_stop_generation();
    writing *w = mem_new(1, sizeof *w); /* too large for a stack */
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
