/* kiln_text_dataset_from_file: arguments, and which kind of text it is. */
#include "base/file.h"
#include "data/text.h"
#include "data/vocabulary.h"
#include "model/model.h"

#include <inttypes.h>
#include <string.h>

#define MOST_TOKENS (1 << 24) /* numbers pass through float32 on their way to an Embedding */

static kiln_status check_args(text_request *r)
{
    const kiln_text_dataset_args *a = r->args;
    bool split = a->validation_split != 0;
    KILN_TRY(rules_set(&r->rules, r->name, a->task, a->standardize, a->split));
    if (a->max_tokens < 0 || a->sequence_length < 0 || a->sequence_stride < 0 || a->batch_size < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: max_tokens, sequence_length, sequence_stride or batch_size is "
                         "negative; leave out what has no limit",
                         r->name);
    if (a->max_tokens > 0 && a->max_tokens < 3)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: max_tokens is %" PRId64
                         ", and two tokens are reserved; take 3 or more",
                         r->name, a->max_tokens);
    if (split && !(a->validation_split > 0 && a->validation_split < 1))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: a validation_split of %g; it lies between 0 and 1", r->name,
                         a->validation_split);
    if (split != (a->subset != NULL))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: validation_split and subset belong together; give both or neither",
                         r->name);
    r->validation = split && strcmp(a->subset, "validation") == 0;
    if (split && !r->validation && strcmp(a->subset, "training") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the subset '%s' is unknown; there are training and validation",
                         r->name, a->subset);
    r->rules.length = a->sequence_length;
    r->rules.max_tokens = a->max_tokens;
    return KILN_OK;
}

kiln_status text_take_vocabulary(text_request *r)
{
    if (r->args->vocabulary_count > MOST_TOKENS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: a vocabulary of %zu tokens; %d are the most",
                         r->name, r->args->vocabulary_count, MOST_TOKENS);
    return r->args->vocabulary_count
               ? model_text_set_tokens(&r->rules, r->args->vocabulary_count, r->args->vocabulary)
               : KILN_OK;
}

static kiln_status fill(text_request *r, char *content, size_t size, kiln_dataset *dataset)
{
    size_t skip;
    KILN_TRY(check_args(r));
    KILN_TRY(text_check(r->name, content, size, &skip));
    content += skip;
    size -= skip;
    if (size == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is empty; give a file with text in it", r->name);
    KILN_TRY(text_take_vocabulary(r));
    KILN_TRY(strcmp(r->rules.task, "generate") == 0 ? text_stream_fill(r, content, size, dataset)
                                                    : text_lines_fill(r, content, size, dataset));
    if (r->rules.token_count > MOST_TOKENS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: holds %zu different tokens, and %d are the most; limit max_tokens",
                         r->name, r->rules.token_count, MOST_TOKENS);
    return model_text_copy(&r->rules, &dataset->text);
}

kiln_dataset *text_dataset_parse(const char *name, char *content, size_t size,
                                 const kiln_text_dataset_args *args)
{
    static const kiln_text_dataset_args none;
    text_request r = {.name = name, .args = args ? args : &none};
    kiln_dataset *dataset = dataset_new(name);
    if (dataset == NULL)
        return NULL;
    kiln_status status = fill(&r, content, size, dataset);
    model_text_free(&r.rules);
    if (status == KILN_OK)
        return dataset;
    kiln_advise(status == KILN_ERROR_ARGUMENT ? "correct the arguments"
                                              : "correct the file, or give another one");
    kiln_dataset_free(dataset);
    return NULL;
}

kiln_dataset *kiln_text_dataset_from_file_with(const char *path, const kiln_text_dataset_args *args)
{
    void *content;
    size_t size;
    if (path == NULL) {
        kiln_fail_null("the path of the text");
        return NULL;
    }
    if (file_read(path, SIZE_MAX / 4, &content, &size) != KILN_OK) {
        kiln_advise("check the path");
        return NULL;
    }
    kiln_dataset *dataset = text_dataset_parse(path, content, size, args);
    free(content);
    return dataset;
}

kiln_text_dataset_args kiln_text_dataset_like(const kiln_model *model)
{
    const model_text *rules = model && model->facts ? &model->facts->text : NULL;
    if (rules == NULL || rules->tokens == NULL)
        return (kiln_text_dataset_args){0};
    const model_facts *facts = model->facts;
    return (kiln_text_dataset_args){.task = rules->task,
                                    .standardize = rules->standardize,
                                    .split = rules->split,
                                    .max_tokens = rules->max_tokens,
                                    .sequence_length = rules->length,
                                    .vocabulary_count = rules->token_count,
                                    .vocabulary = (const char *const *)rules->tokens,
                                    .kept_text_column = rules->text_column,
                                    .kept_label_column = rules->label_column,
                                    .class_count = facts->class_count,
                                    .class_names = (const char *const *)facts->class_names};
}

/* ---- tokens of many texts ---- */

int32_t *text_encode(const model_text *rules, const char *what, size_t count,
                     const intern_text *texts)
{
    vocabulary v;
    size_t length = (size_t)rules->length;
    if (vocabulary_open(&v, rules) != KILN_OK) {
        kiln_fail_in("%s", what);
        return NULL;
    }
    int32_t *out = mem_new(count * length + 1, sizeof *out);
    for (size_t i = 0; out && i < count; i++) {
        const char *at = texts[i].text, *end = at + texts[i].length;
        intern_text token;
        for (size_t k = 0; k < length && text_next(rules, &at, end, &token); k++)
            out[i * length + k] = vocabulary_number(&v, token);
    }
    vocabulary_close(&v);
    return out;
}

static int compare_lengths(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

kiln_status text_longest(const model_text *rules, size_t count, const intern_text *texts,
                         bool nearly, int64_t *length)
{
    int64_t *lengths = mem_new(count + 1, sizeof *lengths);
    if (lengths == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < count; i++) {
        const char *at = texts[i].text, *end = at + texts[i].length;
        intern_text token;
        while (text_next(rules, &at, end, &token))
            lengths[i]++;
    }
    qsort(lengths, count, sizeof *lengths, compare_lengths);
    size_t at = nearly ? (count * 99 + 99) / 100 : count;
    *length = count ? lengths[at - 1] : 0;
    if (*length < 1)
        *length = 1;
    free(lengths);
    return KILN_OK;
}
