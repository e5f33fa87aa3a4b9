/* What fit, evaluate and predict print: Keras's progress bar, or a line an epoch. The library's
 * only output. */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include "base/memory.h"

#include <kiln/train.h>

/* One pass over data. */
typedef struct progress {
    FILE *stream;
    int verbose;       /* 0: silence, 1: bar, 2: one line */
    bool terminal;     /* the bar is redrawn in place; else it is printed once, when done */
    int64_t target;    /* steps; -1: not known */
    double start;      /* seconds, as all times here */
    double first_step; /* when the first step was done; 0: not measured */
    double drawn;      /* when the bar was drawn last */
    size_t width;      /* columns it took */
} progress;

/* The caller's verbose (0: the default) as 0, 1 or 2. */
int progress_verbosity(int verbose);

void progress_begin(progress *p, int verbose, int64_t target, double now);

/* Does the bar want to be drawn (at most ten times a second)? */
bool progress_wants(const progress *p, double now);

/* Draws the bar after `current` steps; logs may be NULL. */
void progress_draw(progress *p, int64_t current, const kiln_logs *logs, double now);

/* Prints the last line. */
void progress_finish(progress *p, int64_t current, const kiln_logs *logs, double now);

/* Ends a bar that was left in the middle. */
void progress_abort(progress *p);

/* "Epoch 1/5", when there is more than one. */
void progress_epoch(int verbose, int64_t epoch, int64_t epochs);

/* The text of a bar or line, for the above and for tests. */
void progress_text(const progress *p, int64_t current, const kiln_logs *logs, bool last, double now,
                   text *out, size_t *columns);

/* A line of a callback's own. */
void progress_message(const char *format, ...) KILN_PRINTF(1, 2);

#endif
