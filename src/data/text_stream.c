/* A long text as windows of tokens: a model learns what follows each of them. */
#include "data/text.h"
#include "data/vocabulary.h"

#include <inttypes.h>
#include <string.h>

/* The numbers of a text's tokens. */
typedef struct tokens {
    int32_t *items;
    size_t count, capacity;
} tokens;

/* Where the second part of the split begins, in tokens or bytes. */
static size_t split_at(const text_request *r, size_t count)
{
    double split = r->args->validation_split;
    return split == 0 ? count : (size_t)((double)count * (1 - split));
}

/* Each character counts, and there is no token for others. */
static bool wants_reserve(const text_request *r)
{
    return r->rules.split[0] != 'c' || r->args->max_tokens > 0;
}

/* The end of the part of the text that the vocabulary is of. */
static size_t learned_end(const text_request *r, const char *content, size_t size)
{
    if (!wants_reserve(r))
        return size;
    size_t end = split_at(r, size);
    while (end < size && ((unsigned char)content[end] & 0xC0) == 0x80)
        end++;
    return end;
}

static kiln_status learn(text_request *r, const char *content, size_t size)
{
    token_counts counts = {0};
    if (r->rules.tokens)
        return KILN_OK;
    kiln_status status =
        token_counts_add(&counts, &r->rules, content, learned_end(r, content, size));
    if (status == KILN_OK && counts.tokens.count == 1)
        status = kiln_fail(
            KILN_ERROR_FORMAT,
            "%s: is one %s over and over, from which there is nothing to learn; give a text with "
            "at least two distinct %ss",
            r->name, text_unit(&r->rules), text_unit(&r->rules));
    if (status == KILN_OK)
        status = token_counts_finish(&counts, wants_reserve(r), r->args->max_tokens, &r->rules);
    token_counts_free(&counts);
    return status;
}

static int64_t line_of(const char *content, const char *place)
{
    int64_t line = 1;
    for (const char *p = content; p < place; p++)
        line += *p == '\n';
    return line;
}

static kiln_status encode(const text_request *r, const char *content, size_t size, tokens *out)
{
    vocabulary v;
    intern_text token;
    char shown[VOCABULARY_SHOWN];
    KILN_TRY(vocabulary_open(&v, &r->rules));
    kiln_status status = KILN_OK;
    for (const char *at = content;
         status == KILN_OK && text_next(&r->rules, &at, content + size, &token);) {
        status = MEM_PUSH_ROOM(out);
        if (status != KILN_OK)
            break;
        int32_t number = vocabulary_number(&v, token);
        if (number < 0)
            status = kiln_fail(KILN_ERROR_FORMAT,
                               "%s: line %" PRId64
                               ": %s of the model (%zu tokens); remove it, or train on this text",
                               r->name, line_of(content, token.text),
                               vocabulary_stranger(&v, token, shown), r->rules.token_count);
        out->items[out->count++] = number;
    }
    vocabulary_close(&v);
    return status;
}

/* Windows one after the other, so that row r of each batch goes on where row r of the one before
 * ended. They do not overlap: a copy is no larger than the text. */
static kiln_status fill_contiguous(text_request *r, const tokens *all, size_t first, size_t last,
                                   kiln_dataset *dataset)
{
    int64_t length = r->rules.length, batch = r->args->batch_size,
            steps = (int64_t)(last - first - 1) / length / batch;
    if (steps < 1)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: has %zu tokens, which is less than the %" PRId64
                         " of one batch of %" PRId64
                         " windows; give a longer text, a smaller batch or shorter windows",
                         r->name, last - first, batch * length + 1, batch);
    dataset->samples = steps * batch;
    size_t bytes = (size_t)(dataset->samples * length) * sizeof(int32_t);
    int32_t *sides[2] = {malloc(bytes), malloc(bytes)};
    if (sides[0] == NULL || sides[1] == NULL) {
        free(sides[0]);
        free(sides[1]);
        return kiln_fail_memory(bytes);
    }
    for (int64_t i = 0; i < dataset->samples; i++) {
        size_t from = first + (size_t)((i % batch * steps + i / batch) * length);
        for (size_t side = 0; side < 2; side++)
            memcpy(sides[side] + i * length, all->items + from + side,
                   (size_t)length * sizeof(int32_t));
    }
    kiln_shape shape = {1, {length}};
    kiln_status status = dataset_take_input(dataset, NULL, KILN_INT32, shape, sides[0], bytes);
    if (status != KILN_OK) {
        free(sides[1]);
        return status;
    }
    return dataset_take_target(dataset, NULL, KILN_INT32, shape, sides[1], bytes);
}

/* Windows as places in the array of tokens. */
static kiln_status fill_windows(text_request *r, tokens *all, size_t first, size_t last,
                                kiln_dataset *dataset)
{
    int64_t length = r->rules.length, stride = r->args->sequence_stride;
    if (stride == 0)
        stride = r->validation ? length : 1;
    dataset->samples = ((int64_t)(last - first) - 1 - length) / stride + 1;
    if (dataset->samples > INT32_MAX)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: has %" PRId64
                         " windows; %d are the most: take a larger sequence_stride",
                         r->name, dataset->samples, INT32_MAX);
    kiln_shape shape = {1, {length}};
    const int32_t *start = all->items + first;
    data_block *block =
        data_block_new(all->items, all->count * sizeof *all->items, false); /* owns them */
    all->items = NULL;
    if (block == NULL)
        return kiln_last_status();
    kiln_status status = dataset_share_input(dataset, NULL, KILN_INT32, shape, block, start);
    if (status == KILN_OK)
        status = dataset_share_target(dataset, NULL, KILN_INT32, shape, block, start + 1);
    data_block_release(block);
    if (status == KILN_OK)
        dataset->inputs[0].stride = dataset->targets[0].stride = stride;
    return status;
}

kiln_status text_stream_fill(text_request *r, char *content, size_t size, kiln_dataset *dataset)
{
    tokens all = {0};
    size = text_standardize(&r->rules, content, size);
    KILN_TRY(learn(r, content, size));
    if (r->rules.length == 0)
        r->rules.length = TEXT_WINDOW;
    kiln_status status = encode(r, content, size, &all);
    if (status == KILN_OK) {
        size_t cut = split_at(r, all.count), first = r->validation ? cut : 0,
               last = r->validation ? all.count : cut;
        const char *part = r->args->validation_split == 0 ? ""
                           : r->validation                ? " in the part for validation"
                                                          : " in the part for training";
        if ((int64_t)(last - first) < r->rules.length + 1)
            status = kiln_fail(KILN_ERROR_FORMAT,
                               "%s: has %zu %ss%s, fewer than one window of %" PRId64
                               " and the %s behind it; give a longer text, or a smaller "
                               "sequence_length",
                               r->name, last - first, text_unit(&r->rules), part, r->rules.length,
                               text_unit(&r->rules));
        else if (r->args->batch_size > 0)
            status = fill_contiguous(r, &all, first, last, dataset);
        else
            status = fill_windows(r, &all, first, last, dataset);
    }
    free(all.items);
    return status;
}
