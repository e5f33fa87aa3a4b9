#include "cli/text_data.h"

#include "base/file.h"
#include "cli/networks.h"
#include "cli/session.h"
#include "data/text.h"

#include <errno.h>
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
    a->sequence_length = like->text.length;
    a->vocabulary_count = like->text.token_count;
    a->vocabulary = (const char *const *)like->text.tokens;
    a->class_count = like->class_count;
    a->class_names = (const char *const *)like->class_names;
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
    if (wish->like)
        take_like(&args, wish->like);
    else if (wish->model)
        args = kiln_text_dataset_like(wish->model);
    take_options(&args, wish);
    if (strcmp(source, "-") == 0)
        return open_input(&args);
    bool stream = args.task == NULL || strcmp(args.task, "generate") == 0,
         test = stream && is_part(source, ":test", &path);
    if (test || (stream && is_part(source, ":train", &path))) {
        args.validation_split = TEXT_HELD_BACK;
        args.subset = test ? "validation" : "training";
    }
    kiln_dataset *dataset = kiln_text_dataset_from_file_with(path ? path : source, &args);
    free(path);
    return dataset;
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
