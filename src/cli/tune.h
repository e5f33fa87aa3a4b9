/* kiln tune's search for faster choices: candidate by candidate, each in a process of its own. */
#ifndef CLI_TUNE_H
#define CLI_TUNE_H

#include "blas/tune.h"

enum { TUNE_MOST_PRODUCTS = 64, TUNE_MOST_TRIED = 400, TUNE_NAME = 80 };

/* The products and convolutions to tune. */
typedef struct tune_list {
    workload items[TUNE_MOST_PRODUCTS];
    int count;
} tune_list;

typedef struct tune_limits {
    double seconds; /* that a candidate may take to compile, to be checked and timed; 0: 30, of CLBlast 120 */
    int64_t tries;  /* candidates for each product; below 0: all */
    bool clblast;   /* CLBlast takes part on CPUs too, where it compiles for seconds and is rarely faster */
} tune_limits;

typedef struct tune_search {
    kiln_device *device;
    const tune_list *list;
    tune_limits limits;
    char selector[24];
    bool again; /* what was tried before is tried again */
    int number; /* of the product */
    char began[RECORD_TEXT]; /* the choice it began with */
    candidate best;
    double first, gain; /* seconds the first choice took, and how much faster the best is: from runs side by side,
                           for the machine may do other things in between */
    double begun, end;  /* the clock's times: of the start, and to stop */
    int tried, failed, wrong;
    char *names[TUNE_MOST_TRIED];
    kiln_status status;
} tune_search;

/* Looks for a faster choice for the product of that number and keeps it. */
kiln_status tune_product(tune_search *s);

/* Looks for CLBlast's parameters, one set for a device, with the list's product that takes longest; name: what that
 * is called. Speeds in GFLOP/s. */
kiln_status tune_clblast(tune_search *s, char name[TUNE_NAME], double *before, double *after);

/* The process of one candidate. words: "--child" DEVICE PRODUCT CANDIDATE INCUMBENT, or PARAMETERS of CLBlast and "".
 * Returns an exit code. */
int tune_child(char **words);

/* Is there a progress bar on the terminal? */
bool tune_shows(void);

#endif
