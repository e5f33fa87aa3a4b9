/* Pretrained vectors of words, from the text files of word2vec and GloVe: a word a line, and its
 * numbers behind it. */
#include "format/word_vectors.h"

#include "base/hash.h"
#include "model/model.h"

#include <errno.h>
#include <math.h>
#include <string.h>

extern const layer_class embedding_class;

/* Words by their hash: numbers of words plus one, 0: free. */
typedef struct lookup {
    const char *const *words;
    size_t size; /* a power of two */
    uint32_t *slots;
} lookup;

static size_t slot_of(const lookup *l, const char *word, size_t bytes)
{
    size_t at = (size_t)hash_bytes(0, word, bytes) & (l->size - 1);
    for (; l->slots[at]; at = (at + 1) & (l->size - 1)) {
        const char *other = l->words[l->slots[at] - 1];
        if (strncmp(other, word, bytes) == 0 && other[bytes] == '\0')
            break;
    }
    return at;
}

static kiln_status lookup_make(lookup *l, size_t count, const char *const *words)
{
    *l = (lookup){.words = words, .size = 64};
    while (l->size < 2 * count)
        l->size *= 2;
    l->slots = mem_new(l->size, sizeof *l->slots);
    if (l->slots == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (words[i] == NULL)
            return kiln_fail(KILN_ERROR_ARGUMENT, "word %zu is NULL", i);
        size_t at = slot_of(l, words[i], strlen(words[i]));
        if (l->slots[at])
            return kiln_fail(KILN_ERROR_ARGUMENT, "the word \"%.100s\" is there twice, as number %u "
                                                  "and %zu",
                             words[i], l->slots[at] - 1, i);
        l->slots[at] = (uint32_t)i + 1;
    }
    return KILN_OK;
}

/* The table while it is filled. */
typedef struct filling {
    lookup words;
    float *values;
    bool *found;
    int64_t width;
} filling;

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* How many parts without spaces a line has, and where its last `last` of them begin. */
static int64_t count_parts(const char *line, size_t bytes, int64_t last, const char **numbers)
{
    int64_t parts = 0;
    *numbers = NULL;
    for (const char *at = line + bytes; at > line;) {
        while (at > line && is_space(at[-1]))
            at--;
        if (at == line)
            break;
        while (at > line && !is_space(at[-1]))
            at--;
        if (++parts == last)
            *numbers = at;
    }
    return parts;
}

static bool is_whole(const char *word, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (word[i] < '0' || word[i] > '9')
            return false;
    return bytes > 0;
}

/* word2vec begins with how many words there are and how many numbers each has. */
static bool is_header(const char *line, size_t bytes, int64_t *width)
{
    size_t first = 0, second;
    while (first < bytes && !is_space(line[first]))
        first++;
    for (second = first; second < bytes && is_space(line[second]); second++)
        continue;
    size_t end = second;
    while (end < bytes && !is_space(line[end]))
        end++;
    bool header = is_whole(line, first) && is_whole(line + second, end - second);
    for (size_t i = end; i < bytes; i++)
        header &= is_space(line[i]);
    if (header)
        *width = strtoll(line + second, NULL, 10);
    return header;
}

/* How many numbers the vectors have, by the first line. A first word with spaces in it is none of these files. */
static int64_t width_of(const char *line, size_t bytes, bool *header)
{
    const char *numbers;
    int64_t width;
    *header = is_header(line, bytes, &width);
    return *header ? width : count_parts(line, bytes, 1, &numbers) - 1;
}

static size_t without_end(char *line, ssize_t length)
{
    size_t bytes = (size_t)length;
    while (bytes > 0 && (line[bytes - 1] == '\n' || line[bytes - 1] == '\r'))
        line[--bytes] = '\0';
    return bytes;
}

static kiln_status read_line(filling *f, const char *line, size_t bytes)
{
    const char *numbers;
    int64_t parts = count_parts(line, bytes, f->width, &numbers);
    if (parts < f->width + 1)
        return kiln_fail(KILN_ERROR_FORMAT, "%lld numbers behind a word, not %lld",
                         (long long)(parts > 0 ? parts - 1 : 0), (long long)f->width);
    size_t word = (size_t)(numbers - line);
    while (word > 0 && is_space(line[word - 1]))
        word--;
    size_t at = slot_of(&f->words, line, word);
    uint32_t number = f->words.slots[at];
    if (number == 0 || f->found[number - 1])
        return KILN_OK;
    float *row = f->values + (size_t)(number - 1) * (size_t)f->width;
    for (int64_t i = 0; i < f->width; i++) {
        double value;
        const char *next = spec_read_number(numbers, &value);
        if (next == NULL || (*next && !is_space(*next)) || !isfinite((float)value))
            return kiln_fail(KILN_ERROR_FORMAT, "\"%.*s\" is no number that float32 holds",
                             (int)strcspn(numbers, " \t"), numbers);
        row[i] = (float)value;
        for (numbers = next; is_space(*numbers); numbers++)
            continue;
    }
    f->found[number - 1] = true;
    return KILN_OK;
}

static kiln_status read_lines(filling *f, FILE *file)
{
    char *line = NULL;
    size_t room = 0, number = 0, words = 0;
    ssize_t length;
    kiln_status status = KILN_OK;
    while (status == KILN_OK && (length = getline(&line, &room, file)) >= 0) {
        size_t bytes = without_end(line, length);
        bool header = false;
        if (number++ == 0) {
            int64_t width = width_of(line, bytes, &header);
            if (width >= 0 && width != f->width) {
                status = kiln_fail(KILN_ERROR_SHAPE,
                                   "its vectors have %lld numbers, and the layer's output_dim is %lld",
                                   (long long)width, (long long)f->width);
                break;
            }
        }
        if (header || bytes == 0)
            continue;
        status = memchr(line, '\0', bytes) ? kiln_fail(KILN_ERROR_FORMAT, "a zero byte")
                                           : read_line(f, line, bytes);
        if (status != KILN_OK)
            kiln_fail_in("line %zu", number);
        words++;
    }
    if (status == KILN_OK && ferror(file))
        status = kiln_fail(KILN_ERROR_FILE, "reading stopped at line %zu: %s", number + 1,
                           strerror(errno));
    if (status == KILN_OK && words == 0)
        status = kiln_fail(KILN_ERROR_FORMAT, "there is no word in it");
    free(line);
    return status;
}

/* The layer by name, or the only Embedding. */
static kiln_status find_layer(const kiln_model *model, const char *name, kiln_layer **layer)
{
    *layer = NULL;
    if (name) {
        *layer = kiln_model_find_layer(model, name);
        if (*layer == NULL)
            return kiln_last_status();
        if ((*layer)->cls != &embedding_class)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s is of class %s, and no Embedding",
                             layer_label(*layer), (*layer)->cls->class_name);
        return KILN_OK;
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        if (model->layers[i]->cls != &embedding_class)
            continue;
        if (*layer)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "model %s has several Embedding layers; say which by its name",
                             model->name);
        *layer = model->layers[i];
    }
    return *layer ? KILN_OK
                  : kiln_fail(KILN_ERROR_ARGUMENT, "model %s has no Embedding layer", model->name);
}

static kiln_status fill(const kiln_word_vectors_args *args, ir_weight *table, size_t *missing)
{
    filling f = {.width = table->shape.dims[1]};
    FILE *file = NULL;
    kiln_status status = lookup_make(&f.words, args->count, args->words);
    f.values = mem_new((size_t)kiln_shape_size(table->shape), sizeof *f.values);
    f.found = mem_new(args->count, sizeof *f.found);
    if (status == KILN_OK && (f.values == NULL || f.found == NULL))
        status = KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = store_download(table, f.values);
    if (status == KILN_OK && (file = fopen(args->path, "rb")) == NULL)
        status = kiln_fail(KILN_ERROR_FILE, "%s: %s", args->path, strerror(errno));
    if (file) {
        status = read_lines(&f, file);
        if (status != KILN_OK)
            kiln_fail_in("%s", args->path);
        fclose(file);
    }
    if (status == KILN_OK)
        status = store_upload(table, f.values);
    for (size_t i = 0; status == KILN_OK && i < args->count; i++)
        *missing += !f.found[i] && args->words[i][0];
    free(f.words.slots);
    free(f.values);
    free(f.found);
    return status;
}

enum { WIDEST = 65536 };

kiln_status word_vectors_width(const char *path, int64_t *width)
{
    FILE *file = fopen(path, "rb");
    char *line = NULL;
    size_t room = 0;
    bool header;
    if (file == NULL)
        return kiln_fail(KILN_ERROR_FILE, "%s: %s", path, strerror(errno));
    ssize_t length = getline(&line, &room, file);
    *width = length > 0 ? width_of(line, without_end(line, length), &header) : 0;
    free(line);
    fclose(file);
    if (*width < 1 || *width > WIDEST)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: its first line is no word with its numbers; it takes a text file of word2vec or GloVe", path);
    return KILN_OK;
}

kiln_status kiln_load_word_vectors_with(const kiln_word_vectors_args *args, size_t *missing)
{
    kiln_layer *layer = NULL;
    size_t count = 0;
    if (args->model == NULL || args->path == NULL || (args->words == NULL && args->count > 0))
        return kiln_fail_null("kiln_load_word_vectors: model, path or words");
    KILN_TRY(find_layer(args->model, args->layer, &layer));
    ir_weight *table = &layer->weights[0]->weight;
    if (args->count == 0 || (uint64_t)args->count > (uint64_t)table->shape.dims[0])
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s has a table of %lld words, and %zu words are given",
                         layer_label(layer), (long long)table->shape.dims[0], args->count);
    KILN_TRY(model_seed_weights(args->model));
    if (fill(args, table, &count) != KILN_OK)
        return kiln_fail_in("the vectors of %s", layer_label(layer));
    if (args->freeze)
        KILN_TRY(kiln_layer_set_trainable(layer, 0));
    if (missing)
        *missing = count;
    return KILN_OK;
}
