/* Checkpoints of a training that is to go on as if it had never stopped.
 *
 * A checkpoint is a .keras archive, so that weights, the optimizer and the seed are kept as in any
 * saved model; beside them are the epochs' figures, where the pass over the data stands, and the
 * weights that callbacks keep. Shuffles and random draws follow from seed and step, and callbacks
 * are told the epochs' figures again, so that nothing else is needed for the same bits. */
#ifndef TRAIN_RESUME_H
#define TRAIN_RESUME_H

#include "format/archive.h"
#include "train/run.h"

typedef struct resume_state {
    int64_t epoch; /* the next one */
    uint64_t seed; /* of the training */
    uint64_t model_seed;
    int64_t pass_start; /* steps of the optimizer when the pass over the data began */
    double rate;        /* of learning, in force */
    int64_t batch, samples,
        steps; /* what the data were cut into; samples -1: a function made them */
    kiln_history history;
    archive_arrays kept;
} resume_state;

/* Writes the training as it stands after an epoch. s->history and s->kept are the caller's and not
 * looked at: the model's history and the callbacks' weights are taken. */
kiln_status resume_write(const fit_run *run, const resume_state *s, const char *path);

/* Reads a checkpoint: weights and optimizer into the compiled model, the rest into *s (free it with
 * resume_free). */
kiln_status resume_read(model_training *t, const char *path, resume_state *s);
void resume_free(resume_state *s);

/* Tells the callbacks of the epochs that were, and gives them back the weights they kept. */
kiln_status resume_callbacks(fit_run *run, const resume_state *s);

/* The seed of the model in a checkpoint, and the training's. */
kiln_status resume_seeds(const char *path, uint64_t *model_seed, uint64_t *seed);

#endif
