/* Text cut into tokens, and the vocabulary that numbers them, as Keras's TextVectorization does
 * it. */
#ifndef DATA_VOCABULARY_H
#define DATA_VOCABULARY_H

#include "base/intern.h"
#include "model/model_text.h"

/* Sets the words of rules, checked; NULL: the default. what is for messages. */
kiln_status rules_set(model_text *rules, const char *what, const char *task,
                      const char *standardize, const char *split);

/* Fails where a byte is no UTF-8, or zero. Skips the mark at the start: *skip bytes. */
kiln_status text_check(const char *what, const char *bytes, size_t size, size_t *skip);

/* Lower case and no punctuation, as the rules say; in place. Returns the bytes that are left. */
size_t text_standardize(const model_text *rules, char *bytes, size_t size);

/* The next token of a standardized text, from *at on; false at its end. */
bool text_next(const model_text *rules, const char **at, const char *end, intern_text *token);

/* "character", or "word" */
const char *text_unit(const model_text *rules);

/* ---- finding a vocabulary ---- */

/* Tokens and how often they occur; points into the texts counted. Zero-initialize. */
typedef struct token_counts {
    intern tokens;
    struct {
        int64_t *items;
        size_t count, capacity;
    } times;
} token_counts;
kiln_status token_counts_add(token_counts *counts, const model_text *rules, const char *bytes,
                             size_t size);
/* Makes it the vocabulary of the rules: with the reserved tokens, by falling frequency, at most
 * max_tokens (0: all); or without them, in the order of the tokens' bytes. */
kiln_status token_counts_finish(token_counts *counts, bool reserve, int64_t max_tokens,
                                model_text *rules);
void token_counts_free(token_counts *counts);

/* ---- using one ---- */

/* A vocabulary to look into; the rules must stay. */
typedef struct vocabulary {
    const model_text *rules;
    bool reserves;
    intern tokens;
} vocabulary;
kiln_status vocabulary_open(vocabulary *v, const model_text *rules);
void vocabulary_close(vocabulary *v);
/* The number of a token: 1 for one that is not there, or -1 without reserved tokens. */
int32_t vocabulary_number(const vocabulary *v, intern_text token);

/* Names what has no number: "the character 'x' (U+0078) is not in the vocabulary"; returns
 * buffer. */
#define VOCABULARY_SHOWN 160
const char *vocabulary_stranger(const vocabulary *v, intern_text token,
                                char buffer[VOCABULARY_SHOWN]);

#endif
