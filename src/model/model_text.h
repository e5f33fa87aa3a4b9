/* How text becomes a model's numbers: plain data, kept with data sets and models. */
#ifndef MODEL_MODEL_TEXT_H
#define MODEL_MODEL_TEXT_H

#include "base/memory.h"

typedef struct model_text {
    char *task;         /* "generate": what follows each token; "classify": the class of a line */
    char *standardize;  /* as Keras's TextVectorization says: "lower", "none", ... */
    char *split;        /* "whitespace", "character", "none" */
    int64_t length;     /* tokens in a sample */
    int64_t max_tokens; /* the limit that the vocabulary was found under; 0: none, or unknown */
    char *text_column,
        *label_column; /* of labelled lines, by name or index; NULL: what looks like it */
    char **tokens;     /* the vocabulary, by number; NULL: there is no text */
    size_t token_count;
} model_text;

/* Are the first two tokens Keras's reserved ones, for padding and for what is not in the
 * vocabulary? */
bool model_text_reserves(const model_text *rules);

/* Replaces *to by a copy. */
kiln_status model_text_copy(const model_text *from, model_text *to);

/* Replaces the vocabulary by a copy. */
kiln_status model_text_set_tokens(model_text *rules, size_t count, const char *const *tokens);

void model_text_free(model_text *rules);

#endif
