/* Keras's TextVectorization, as functions. */
#include "data/text.h"
#include "data/vocabulary.h"

#include <string.h>

#define WHAT "TextVectorization"

struct kiln_text_vectorization {
    model_text rules; /* length 0: the longest of a call */
    int64_t max_tokens;
};

/* The vocabulary given, with the reserved tokens in front where they are missing. */
static kiln_status take_vocabulary(kiln_text_vectorization *layer, size_t count,
                                   const char *const *given)
{
    bool reserved = count >= 2 && given[0][0] == '\0' && strcmp(given[1], "[UNK]") == 0;
    size_t more = reserved ? 0 : 2;
    const char **all = mem_new(count + more, sizeof *all);
    vocabulary v;
    if (all == NULL)
        return kiln_last_status();
    if (more) {
        all[0] = "";
        all[1] = "[UNK]";
    }
    memcpy(all + more, given, count * sizeof *all);
    kiln_status status = model_text_set_tokens(&layer->rules, count + more, all);
    free(all);
    KILN_TRY(status);
    KILN_TRY(vocabulary_open(&v, &layer->rules)); /* which finds tokens that are there twice */
    vocabulary_close(&v);
    if (layer->max_tokens > 0 && count + more > (size_t)layer->max_tokens)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         WHAT ": a vocabulary of %zu tokens, and max_tokens is %lld; leave out one "
                              "of them",
                         count + more, (long long)layer->max_tokens);
    return KILN_OK;
}

static kiln_status set_up(kiln_text_vectorization *layer, const kiln_text_vectorization_args *a)
{
    KILN_TRY(rules_set(&layer->rules, WHAT, "classify", a->standardize, a->split));
    if (a->output_sequence_length < 0 || a->max_tokens < 0 ||
        (a->max_tokens > 0 && a->max_tokens < 3))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         WHAT
                         ": max_tokens is %lld and output_sequence_length %lld; max_tokens is 3 "
                         "or more, for two are reserved, and neither is negative",
                         (long long)a->max_tokens, (long long)a->output_sequence_length);
    layer->rules.length = a->output_sequence_length;
    layer->max_tokens = a->max_tokens;
    if (a->vocabulary_count > 0 && a->vocabulary == NULL)
        return kiln_fail_null("the vocabulary");
    return a->vocabulary_count ? take_vocabulary(layer, a->vocabulary_count, a->vocabulary)
                               : KILN_OK;
}

kiln_text_vectorization *kiln_text_vectorization_with(const kiln_text_vectorization_args *args)
{
    static const kiln_text_vectorization_args none;
    kiln_text_vectorization *layer = mem_new(1, sizeof *layer);
    if (layer == NULL)
        return NULL;
    if (set_up(layer, args ? args : &none) == KILN_OK)
        return layer;
    kiln_text_vectorization_free(layer);
    return NULL;
}

void kiln_text_vectorization_free(kiln_text_vectorization *layer)
{
    if (layer)
        model_text_free(&layer->rules);
    free(layer);
}

/* Standardized copies of texts, in one piece of memory that the first points to. */
static intern_text *copy_texts(const model_text *rules, size_t count, const char *const *texts)
{
    size_t bytes = 1, skip;
    for (size_t i = 0; i < count; i++) {
        char what[64];
        snprintf(what, sizeof what, WHAT ": text %zu", i);
        if (texts[i] == NULL) {
            kiln_fail_null(what);
            return NULL;
        }
        if (text_check(what, texts[i], strlen(texts[i]), &skip) != KILN_OK)
            return NULL;
        bytes += strlen(texts[i]);
    }
    intern_text *out = mem_new(count + 1, sizeof *out);
    char *at = mem_new(bytes, 1);
    if (out == NULL || at == NULL) {
        free(out);
        free(at);
        return NULL;
    }
    out[0].text = at;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]);
        memcpy(at, texts[i], length);
        out[i] = (intern_text){at, text_standardize(rules, at, length)};
        at += length;
    }
    return out;
}

static void free_texts(intern_text *texts)
{
    free((char *)texts[0].text);
    free(texts);
}

static kiln_status check_call(const kiln_text_vectorization *layer, const char *const *texts)
{
    if (layer == NULL)
        return kiln_fail_null("the TextVectorization");
    return texts ? KILN_OK : kiln_fail_null("the texts");
}

kiln_status kiln_text_vectorization_adapt(kiln_text_vectorization *layer, size_t count,
                                          const char *const *texts)
{
    token_counts counts = {0};
    KILN_TRY(check_call(layer, texts));
    intern_text *copies = copy_texts(&layer->rules, count, texts);
    if (copies == NULL)
        return kiln_last_status();
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = token_counts_add(&counts, &layer->rules, copies[i].text, copies[i].length);
    if (status == KILN_OK)
        status = token_counts_finish(&counts, true, layer->max_tokens, &layer->rules);
    token_counts_free(&counts);
    free_texts(copies);
    return status;
}

int32_t *kiln_text_vectorization_call(const kiln_text_vectorization *layer, size_t count,
                                      const char *const *texts, int64_t *length)
{
    if (check_call(layer, texts) != KILN_OK)
        return NULL;
    if (layer->rules.tokens == NULL) {
        kiln_fail(KILN_ERROR_ARGUMENT, WHAT ": there is no vocabulary yet; call "
                                            "kiln_text_vectorization_adapt first, or give one");
        return NULL;
    }
    intern_text *copies = copy_texts(&layer->rules, count, texts);
    if (copies == NULL)
        return NULL;
    model_text rules = layer->rules; /* shares the vocabulary */
    kiln_status status = KILN_OK;
    if (rules.length == 0)
        status = text_longest(&rules, count, copies, false, &rules.length);
    int32_t *out = status == KILN_OK ? text_encode(&rules, WHAT, count, copies) : NULL;
    if (length)
        *length = rules.length;
    free_texts(copies);
    return out;
}

const char *const *kiln_text_vectorization_vocabulary(const kiln_text_vectorization *layer,
                                                      size_t *count)
{
    if (count)
        *count = layer ? layer->rules.token_count : 0;
    return layer ? (const char *const *)layer->rules.tokens : NULL;
}
