/* Data sets from text, inside: what kiln_text_dataset_from_file is made of. */
#ifndef DATA_TEXT_H
#define DATA_TEXT_H

#include "base/intern.h"
#include "data/dataset.h"

#include <kiln/text.h>

/* Tokens in a window where nobody says how many. */
#define TEXT_WINDOW 64

/* A text being read. */
typedef struct text_request {
    const char *name; /* for messages */
    const kiln_text_dataset_args *args;
    model_text rules;
    bool validation; /* the second part of the split is wanted */
} text_request;

/* The data set of a text in memory, which is changed; size bytes and a zero behind them. name is
 * for messages. NULL on failure. */
kiln_dataset *text_dataset_parse(const char *name, char *content, size_t size,
                                 const kiln_text_dataset_args *args);

/* The two kinds: fill a data set that has no columns yet. */
kiln_status text_stream_fill(text_request *r, char *content, size_t size, kiln_dataset *dataset);
kiln_status text_lines_fill(text_request *r, char *content, size_t size, kiln_dataset *dataset);

/* Takes the vocabulary of the arguments, if there is one. */
kiln_status text_take_vocabulary(text_request *r);

/* The tokens of texts (standardized), each padded with 0 or cut to rules->length; (count, length),
 * the caller's. NULL on failure; what is for messages. */
int32_t *text_encode(const model_text *rules, const char *what, size_t count,
                     const intern_text *texts);

/* The tokens of the longest text, or those that 99 of 100 texts have at most. */
kiln_status text_longest(const model_text *rules, size_t count, const intern_text *texts,
                         bool nearly, int64_t *length);

#endif
