/* Training steps without the frills of kiln_fit, for kiln bench and kiln profile: the same plan,
 * the same data on the device, shuffled anew each epoch. */
#ifndef CLI_STEPS_H
#define CLI_STEPS_H

#include "cli/session.h"
#include "train/feed.h"

typedef struct steps {
    model_training *training;
    feed feed;
    program *program;
    plan_step records[TRAINING_MAX_STEPS];
    uint64_t passes;
    bool started;
} steps;

/* For a compiled model. Close it also after a failure. */
kiln_status steps_open(steps *s, kiln_model *model, const kiln_dataset *data, int64_t batch);
/* Runs count steps and waits for them. */
kiln_status steps_run(steps *s, int64_t count);
/* Fails where a loss so far was not finite: such steps are not what was to be timed. */
kiln_status steps_verify(const steps *s);
/* --check-numerics: trains that many steps (0: an epoch) with the launches watched. Before
 * steps_open. */
kiln_status steps_check(kiln_model *model, kiln_dataset *data, int64_t batch, int64_t count);

/* How steps are timed: windows of consecutive ones, after half a window to warm up. */
typedef struct steps_windows {
    int64_t window, chunk; /* steps: in a window at least, and then at a time, until: */
    double least_seconds;  /* of a window */
    int64_t windows;       /* how many, or: */
    int64_t steps;         /* as many windows as have these steps; 0: not given */
    double most_seconds;   /* no further window after these, once there are three; 0: none */
} steps_windows;
typedef struct steps_times {
    int64_t steps, window;
    double best, median; /* seconds of a step */
} steps_times;
kiln_status steps_time(steps *s, const steps_windows *wanted, steps_times *times);

/* Starts the profile of these steps' device, after one step; *outside: its events tell no times,
 * and the host's clock is used. */
kiln_status steps_profile(steps *s, bool *outside);
void steps_close(steps *s);

#endif
