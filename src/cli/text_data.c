#include "cli/text_data.h"

#include "base/file.h"
#include "cli/cli.h"
#include "cli/networks.h"
#include "cli/session.h"
#include "data/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const network *expected;

void text_expect(const char *model_name)
{
    expected = session_is_builtin(model_name) ? network_find(model_name) : NULL;
}

const char *text_task(const kiln_model *model)
{
    if (model && model->facts->text.tokens)
        return model->facts->text.task;
    if (model == NULL && (expected == NULL || expected->task == NULL))
        return NULL;
    return texts.task ? texts.task : model == NULL ? expected->task : NULL;
}

/* What the options say, where the model says nothing. */
static void take_options(kiln_text_dataset_args *a, const text_wish *wish)
{
    bool own = a->vocabulary_count == 0; /* nothing was read before */
    if (own) {
        a->task = wish->task ? wish->task : text_task(wish->model);
        a->standardize = texts.standardize;
        a->split = texts.split;
        a->max_tokens = texts.max_tokens;
        a->sequence_length = texts.sequence_length;
    }
    if (own && wish->model && a->sequence_length == 0 && kiln_model_input_count(wish->model) == 1 &&
        kiln_model_input_shape(wish->model, 0).rank == 1)
        a->sequence_length = kiln_model_input_shape(wish->model, 0).dims[0];
    if (wish->once) /* of lines this says nothing */
        a->sequence_stride = a->sequence_length ? a->sequence_length : TEXT_WINDOW;
    a->text_column = texts.text_column;
    a->label_column = texts.label_column ? texts.label_column : wish->label;
    a->labels = wish->labels;
    a->batch_size = texts.contiguous ? (common.batch_size ? common.batch_size : 32) : 0;
    a->validation_split = wish->split;
    a->subset = wish->split == 0 ? NULL : wish->validation ? "validation" : "training";
    a->seed = wish->seed;
}

static void take_like(kiln_text_dataset_args *a, const kiln_dataset *like)
{
    a->task = like->text.task;
    a->standardize = like->text.standardize;
    a->split = like->text.split;
    a->max_tokens = like->text.max_tokens;
    a->sequence_length = like->text.length;
    a->vocabulary_count = like->text.token_count;
    a->vocabulary = (const char *const *)like->text.tokens;
    a->kept_text_column = like->text.text_column;
    a->kept_label_column = like->text.label_column;
    a->class_count = like->class_count;
    a->class_names = (const char *const *)like->class_names;
}

/* Fails where an option asks for another reading than the model's. */
static kiln_status check_options(const kiln_model *model)
{
    const model_text *rules = &model->facts->text;
    const struct {
        const char *option, *given, *kept;
    } words[] = {{"task", texts.task, rules->task},
                 {"split", texts.split, rules->split},
                 {"standardize", texts.standardize, rules->standardize}};
    int64_t limit = rules->max_tokens ? rules->max_tokens : (int64_t)rules->token_count;
    const struct {
        const char *option;
        int64_t given, kept;
    } numbers[] = {{"sequence-length", texts.sequence_length, rules->length},
                   {"max-tokens", texts.max_tokens, limit}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (words[i].given && strcmp(words[i].given, words[i].kept) != 0)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--%s %s: model %s was trained on text with --%s %s; leave the option "
                             "out, or train a new model",
                             words[i].option, words[i].given, model->name, words[i].option,
                             words[i].kept);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].given && numbers[i].given != numbers[i].kept)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "--%s %" PRId64 ": model %s was trained on text with --%s %" PRId64
                             "; leave the option out, or train a new model",
                             numbers[i].option, numbers[i].given, model->name, numbers[i].option,
                             numbers[i].kept);
    return KILN_OK;
}

static kiln_dataset *open_input(const kiln_text_dataset_args *args)
{
    text all = {0};
    char piece[1 << 14];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
        text_bytes(&all, piece, n);
    text_bytes(&all, "", 1); /* the zero that readers want behind the last byte */
    kiln_dataset *dataset = NULL;
    if (ferror(stdin))
        kiln_fail(KILN_ERROR_FILE, "standard input: cannot be read: %s; check the pipe",
                  strerror(errno));
    else if (all.failed)
        kiln_fail_memory(all.length);
    else
        dataset = text_dataset_parse("standard input", all.data, all.length - 1, args);
    text_free(&all);
    return dataset;
}

/* "FILE:test" where there is such a FILE, and no file of the whole name: *path is the caller's. */
static bool is_part(const char *source, const char *part, char **path)
{
    size_t n = strlen(source), m = strlen(part);
    if (file_exists(source) || n <= m || strcmp(source + n - m, part) != 0)
        return false;
    *path = str_format("%.*s", (int)(n - m), source);
    if (*path && file_exists(*path))
        return true;
    free(*path);
    return false;
}

kiln_dataset *text_open(const char *source, const text_wish *wish)
{
    kiln_text_dataset_args args = {0};
    char *path = NULL;
    if (wish->like) {
        take_like(&args, wish->like);
    } else if (wish->model && wish->model->facts->text.tokens) {
        if (check_options(wish->model) != KILN_OK)
            return NULL;
        args = kiln_text_dataset_like(wish->model);
    }
    take_options(&args, wish);
    bool stream = args.task == NULL || strcmp(args.task, "generate") == 0;
    if (texts.contiguous && !stream) {
        kiln_fail(KILN_ERROR_ARGUMENT,
                  "--contiguous: the lines of %s are texts of their own, none of which goes on in "
                  "the next; leave the option out",
                  source);
        return NULL;
    }
    if (strcmp(source, "-") == 0)
        return open_input(&args);
    bool test = stream && is_part(source, ":test", &path);
    if (test || (stream && is_part(source, ":train", &path))) {
        args.validation_split = TEXT_HELD_BACK;
        args.subset = test ? "validation" : "training";
    }
    kiln_dataset *dataset = kiln_text_dataset_from_file_with(path ? path : source, &args);
    free(path);
    return dataset;
}

/* Those of the built-in ones that have a task. */
#define TEXT_NETWORKS "simple_rnn, lstm, gru and bilstm_classifier"

kiln_status text_check_task(const kiln_model *model)
{
    if (texts.task == NULL || text_task(model))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_ARGUMENT,
                     "--task %s: network %s takes no text; leave the option out, or take one of "
                     "those that do: " TEXT_NETWORKS,
                     texts.task, expected ? expected->name : "that is asked for");
}

void text_advise(const char *source, const kiln_model *model)
{
    size_t length = strlen(source);
    kiln_error_record failure;
    kiln_error_save(&failure);
    if (failure.code != KILN_ERROR_FORMAT || !cli_ends_with(source, ".txt"))
        return;
    /* "FILE: why; what to do" */
    const char *why = failure.message;
    if (strncmp(why, source, length) == 0 && strncmp(why + length, ": ", 2) == 0)
        why += length + 2;
    int whole = (int)strcspn(why, ";");
    if (model == NULL)
        kiln_fail(failure.code,
                  "%s: is no table of numbers (%.*s); if it is text, take a network that reads "
                  "it: " TEXT_NETWORKS,
                  source, whole, why);
    else
        kiln_fail(failure.code,
                  "%s: is no table of numbers (%.*s); if it is text, --task generate learns what "
                  "follows each character of it, and --task classify the classes of labelled lines",
                  source, whole, why);
}

void text_say_contiguous(const kiln_model *model)
{
    if (texts.contiguous && common.verbose > 0 && model_state_batch(model) == 0)
        fprintf(stderr,
                "--contiguous: model %s is not stateful, so that each window begins without what "
                "came before it; \"stateful\": true of its recurrent layers, and a batch in its "
                "batch_shape, carry their states on\n",
                model->name);
}

int64_t text_epoch_steps(const kiln_dataset *data, int64_t batch)
{
    if (data->text.tokens == NULL || strcmp(data->text.task, "generate") != 0)
        return 0;
    const data_column *x = &data->inputs[0];
    int64_t stride = data_column_stride(x), length = data->text.length;
    if (stride >= length)
        return 0; /* all windows are an epoch */
    return (data->samples * stride + length * batch - 1) / (length * batch);
}
