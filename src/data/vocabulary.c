#include "data/vocabulary.h"

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* ---- rules ---- */

static const char *const standardizations[] = {"lower_and_strip_punctuation", "lower",
                                               "strip_punctuation", "none", NULL};
static const char *const splits[] = {"whitespace", "character", "none", NULL};
static const char *const tasks[] = {"generate", "classify", NULL};

static kiln_status set_word(char **to, const char *what, const char *key, const char *given,
                            const char *const *words)
{
    text list = {0};
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(given, words[i]) == 0) {
            free(*to);
            *to = str_copy(given);
            text_free(&list);
            return *to ? KILN_OK : kiln_last_status();
        }
        text_add(&list, "%s%s", i ? ", " : "", words[i]);
    }
    kiln_fail(KILN_ERROR_ARGUMENT, "%s: the %s \"%.80s\" is unknown; there are %s", what, key,
              given, list.data ? list.data : "");
    text_free(&list);
    return KILN_ERROR_ARGUMENT;
}

kiln_status rules_set(model_text *rules, const char *what, const char *task,
                      const char *standardize, const char *split)
{
    KILN_TRY(set_word(&rules->task, what, "task", task ? task : tasks[0], tasks));
    bool stream = strcmp(rules->task, "generate") == 0;
    if (standardize == NULL)
        standardize = stream ? "none" : standardizations[0];
    if (split == NULL)
        split = stream ? "character" : "whitespace";
    KILN_TRY(set_word(&rules->standardize, what, "standardization", standardize, standardizations));
    return set_word(&rules->split, what, "split", split, splits);
}

const char *text_unit(const model_text *rules)
{
    return strcmp(rules->split, "character") == 0 ? "character" : "word";
}

/* ---- cutting ---- */

kiln_status text_check(const char *what, const char *bytes, size_t size, size_t *skip)
{
    const unsigned char *b = (const unsigned char *)bytes;
    int64_t line = 1;
    *skip = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (size >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is UTF-16 text; save it as UTF-8", what);
    for (size_t at = 0; at < size;) {
        if (b[at] == 0)
            return kiln_fail(KILN_ERROR_FORMAT, "%s: is no text: byte %zu is zero", what, at);
        /* what follows the last byte is a zero, which ends a character that is cut off */
        size_t n = utf8_next(bytes + at);
        if (n == 0 || n > size - at)
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: line %lld: byte %zu (0x%02x) is no UTF-8; save the file as UTF-8",
                             what, (long long)line, at, b[at]);
        line += b[at] == '\n';
        at += n;
    }
    return KILN_OK;
}

static bool is_punctuation(unsigned char c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

size_t text_standardize(const model_text *rules, char *bytes, size_t size)
{
    bool strips = strstr(rules->standardize, "strip") != NULL,
         lowers = strncmp(rules->standardize, "lower", 5) == 0;
    size_t kept = 0;
    if (!strips && !lowers)
        return size;
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (strips && is_punctuation((unsigned char)c))
            continue;
        bytes[kept++] = lowers && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    return kept;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool text_next(const model_text *rules, const char **at, const char *end, intern_text *token)
{
    const char *p = *at;
    if (rules->split[0] == 'w') {
        while (p < end && is_space(*p))
            p++;
        token->text = p;
        while (p < end && !is_space(*p))
            p++;
    } else {
        token->text = p;
        if (p < end && rules->split[0] == 'c') {
            size_t n = utf8_next(p);
            p += n == 0 || n > (size_t)(end - p) ? 1 : n;
        } else {
            p = end;
        }
    }
    token->length = (size_t)(p - token->text);
    *at = p;
    return token->length > 0;
}

/* ---- finding a vocabulary ---- */

kiln_status token_counts_add(token_counts *counts, const model_text *rules, const char *bytes,
                             size_t size)
{
    intern_text token;
    for (const char *at = bytes; text_next(rules, &at, bytes + size, &token);) {
        uint32_t number;
        KILN_TRY(intern_add(&counts->tokens, token.text, token.length, &number));
        if (number == counts->times.count) {
            KILN_TRY(MEM_PUSH_ROOM(&counts->times));
            counts->times.items[counts->times.count++] = 0;
        }
        counts->times.items[number]++;
    }
    return KILN_OK;
}

void token_counts_free(token_counts *counts)
{
    intern_free(&counts->tokens);
    free(counts->times.items);
    *counts = (token_counts){0};
}

typedef struct counted {
    intern_text token;
    int64_t times;
} counted;

static int by_bytes(const void *a, const void *b)
{
    const intern_text *x = &((const counted *)a)->token, *y = &((const counted *)b)->token;
    int order = memcmp(x->text, y->text, x->length < y->length ? x->length : y->length);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Keras sorts by count, then by the token, and turns all of it around. */
static int by_frequency(const void *a, const void *b)
{
    int64_t x = ((const counted *)a)->times, y = ((const counted *)b)->times;
    return x != y ? (x < y) - (x > y) : by_bytes(b, a);
}

static bool is_reserved(intern_text token)
{
    return token.length == 0 || (token.length == 5 && memcmp(token.text, "[UNK]", 5) == 0);
}

kiln_status token_counts_finish(token_counts *counts, bool reserve, int64_t max_tokens,
                                model_text *rules)
{
    size_t count = counts->tokens.count, kept = 0, first = reserve ? 2 : 0;
    counted *all = mem_new(count + 1, sizeof *all);
    model_text made = {.tokens = mem_new(count + 2, sizeof *made.tokens)};
    kiln_status status = all && made.tokens ? KILN_OK : kiln_last_status();
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        if (!reserve || !is_reserved(counts->tokens.items[i]))
            all[kept++] = (counted){counts->tokens.items[i], counts->times.items[i]};
    if (status == KILN_OK)
        qsort(all, kept, sizeof *all, reserve ? by_frequency : by_bytes);
    if (max_tokens > 0 && kept + first > (size_t)max_tokens)
        kept = (size_t)max_tokens > first ? (size_t)max_tokens - first : 0;
    for (size_t i = 0; i < first + kept && status == KILN_OK; i++) {
        made.tokens[i] = i < first ? str_copy(i ? "[UNK]" : "")
                                   : str_format("%.*s", (int)all[i - first].token.length,
                                                all[i - first].token.text);
        if (made.tokens[i])
            made.token_count++;
        else
            status = kiln_last_status();
    }
    if (status == KILN_OK)
        status = model_text_set_tokens(rules, made.token_count, (const char *const *)made.tokens);
    model_text_free(&made);
    free(all);
    return status;
}

/* ---- using one ---- */

kiln_status vocabulary_open(vocabulary *v, const model_text *rules)
{
    *v = (vocabulary){.rules = rules, .reserves = model_text_reserves(rules)};
    for (size_t i = 0; i < rules->token_count; i++) {
        uint32_t number;
        kiln_status status =
            intern_add(&v->tokens, rules->tokens[i], strlen(rules->tokens[i]), &number);
        if (status == KILN_OK && number != i)
            status = kiln_fail(KILN_ERROR_ARGUMENT,
                               "the vocabulary has the token '%.40s' twice, as %u and as %zu",
                               rules->tokens[i], number, i);
        if (status != KILN_OK) {
            vocabulary_close(v);
            return status;
        }
    }
    return KILN_OK;
}

void vocabulary_close(vocabulary *v)
{
    intern_free(&v->tokens);
}

int32_t vocabulary_number(const vocabulary *v, intern_text token)
{
    uint32_t number;
    if (intern_find(&v->tokens, token.text, token.length, &number))
        return (int32_t)number;
    return v->reserves ? 1 : -1;
}

/* The code point of a character, which is valid. */
static uint32_t code_point(const char *bytes, size_t length)
{
    const unsigned char *c = (const unsigned char *)bytes;
    static const unsigned char masks[] = {0x7f, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = c[0] & masks[length < 5 ? length : 1];
    for (size_t i = 1; i < length && i < 4; i++)
        point = point << 6 | (c[i] & 0x3f);
    return point;
}

const char *vocabulary_stranger(const vocabulary *v, intern_text token,
                                char buffer[VOCABULARY_SHOWN])
{
    bool shown = token.length > 1 || (unsigned char)token.text[0] > 32;
    size_t length = token.length > 40 ? 40 : token.length;
    while (length < token.length && ((unsigned char)token.text[length] & 0xC0) == 0x80)
        length--;
    if (v->rules->split[0] == 'c')
        snprintf(buffer, VOCABULARY_SHOWN,
                 "the character %s%.*s%s(U+%04X) is not in the vocabulary", shown ? "'" : "",
                 shown ? (int)length : 0, token.text, shown ? "' " : "",
                 code_point(token.text, token.length));
    else
        snprintf(buffer, VOCABULARY_SHOWN, "the word '%.*s' is not in the vocabulary", (int)length,
                 token.text);
    return buffer;
}
