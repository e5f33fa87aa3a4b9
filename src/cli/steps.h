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
void steps_close(steps *s);

#endif
