/* A pass over data: batches go to the device in slices, reports come back now and then. */
#ifndef TRAIN_RUN_H
#define TRAIN_RUN_H

#include "train/feed.h"

/* A training under way. */
typedef struct fit_run {
    model_training *training;
    int verbose;
    int64_t epoch, epochs;
    bool validates; /* some epochs have figures named val_... */
    bool check_numerics;
    bool replaying; /* callbacks hear of epochs of before the training was resumed */
    kiln_callback *const *callbacks;
    size_t callback_count;
    struct snapshot *snapshot; /* for check_numerics */
    program *program;          /* of the training's steps, bound to the data of: */
    plan_step last;            /* its last one of a whole batch, or of the largest there was */
} fit_run;

typedef struct pass {
    model_training *training;
    program *program;
    feed *feed;
    int64_t steps;   /* at most; -1: until the data end */
    double *totals;  /* training->sums of them */
    progress *bar;   /* NULL: none */
    fit_run *fit;    /* of a training; else NULL */
    int generation;  /* training_stop_generation() when the call began */
    int64_t done;    /* steps run */
    bool stopped;    /* by kiln_stop_training or a callback */
    bool not_finite; /* the loss; a callback takes it as the end */
    /* predict: what to do with the outputs of a step that was just run; NULL: nothing. One step at
     * a time then. */
    kiln_status (*output)(struct pass *pass, int64_t rows);
    kiln_status (*before)(struct pass *pass); /* before each step, where there is output; or NULL */
    void *output_user;
    /* Not NULL: the launches of each step run one by one, and the first whose result is not finite
     * is written here ("": none). Goes with output. */
    char *where;
    size_t where_room;
} pass;

kiln_status pass_run(pass *p);

/* State of weights and optimizer on the host, to run steps again. */
typedef struct snapshot snapshot;
kiln_status snapshot_take(model_training *t, snapshot **s);
kiln_status snapshot_restore(const snapshot *s);
int64_t snapshot_iteration(const snapshot *s);
void snapshot_free(snapshot *s); /* NULL is allowed */

#endif
