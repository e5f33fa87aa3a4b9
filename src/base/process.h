/* Programs that are run and watched. */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/memory.h"

/* How a program ended, and what it said. */
typedef struct process_end {
    text out, err;  /* standard output and standard error, each cut after some megabytes */
    int code;       /* of its exit; -1: it did not get that far */
    int signal;     /* that ended it; 0: none */
    bool timed_out; /* it was killed, since it took too long */
} process_end;

/* Runs a program (path and arguments, ending with NULL) with nothing on standard input, for at most
 * `seconds`; then it is killed. Fails only where it cannot be started. Free the texts with
 * process_free, after a failure too. */
kiln_status process_run(const char *const *words, double seconds, process_end *end);
void process_free(process_end *end);

/* The system ends this process with the one that started it, where it can: to be called by what process_run runs. */
void process_ends_with_parent(void);

/* The path of this program; the caller's, NULL on failure. */
char *process_self(void);

#endif
