/* Text on the command line: when data are text, and how they are read. */
#ifndef CLI_TEXT_DATA_H
#define CLI_TEXT_DATA_H

#include "data/dataset.h"

#include <kiln/kiln.h>

/* What a text stream holds back for validation where nobody says how much. */
#define TEXT_HELD_BACK 0.1

/* Notes that data are for this built-in network, or for none of them. */
void text_expect(const char *model_name);

/* "generate" or "classify": as --task says, as is kept with the model (may be NULL), or as the
 * network takes it; NULL: the data are no text. */
const char *text_task(const kiln_model *model);

/* How to open. */
typedef struct text_wish {
    const kiln_model *model;  /* read as its text was; NULL: by the options */
    const kiln_dataset *like; /* read as this one was; NULL: see model */
    const char *task;         /* where neither says what it is; NULL: see text_task */
    const char *label;        /* --label */
    bool once;                /* windows of a stream lie side by side: each token is predicted once */
    kiln_choice labels;       /* of lines */
    double split;             /* 0: none */
    bool validation;          /* the second part of it */
    uint64_t seed;            /* of the split of lines */
} text_wish;

/* Opens a file; "-" is the standard input; ":train" or ":test" behind a stream's name is its first
 * or last part. NULL on failure. */
kiln_dataset *text_open(const char *source, const text_wish *wish);

/* Fails where --task is given for a built-in network that takes no text. */
kiln_status text_check_task(const kiln_model *model);

/* After a file could not be read as a table: where it may be text, the failure says how that is read. */
void text_advise(const char *source, const kiln_model *model);

/* Says, on standard error, when --contiguous is given for a model that carries no state from one
 * window to the next. */
void text_say_contiguous(const kiln_model *model);

/* Steps of an epoch in which the windows of a stream cover it once; 0: no such data. */
int64_t text_epoch_steps(const kiln_dataset *data, int64_t batch);

#endif
