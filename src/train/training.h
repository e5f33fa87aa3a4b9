/* What kiln_compile makes of a model: optimizer, loss, metrics, and a program for each way of
 * running it. */
#ifndef TRAIN_TRAINING_H
#define TRAIN_TRAINING_H

#include "data/dataset.h"
#include "format/open_axis.h"
#include "model/model.h"
#include "train/goal.h"
#include "train/logs.h"
#include "train/metric.h"
#include "train/optimizer.h"
#include "train/progress.h"

#include <pthread.h>
#include <stdatomic.h>

#define TRAINING_MAX_COLUMNS 32
#define TRAINING_MAX_STEPS 4096 /* in one table of records */

typedef enum training_mode {
    TRAINING_FIT,
    TRAINING_EVALUATE,
    TRAINING_PREDICT,
    TRAINING_GENERATE, /* predicts, and draws the next token; see plan_sample */
    TRAINING_GRADIENTS /* what a step of training would give the optimizer; changes nothing */
} training_mode;

/* What a graph has to know of its data. Columns: the model's inputs, then the targets (none to
 * predict). */
typedef struct data_types {
    size_t input_count, target_count;
    kiln_dtype dtypes[TRAINING_MAX_COLUMNS];
    kiln_shape shapes[TRAINING_MAX_COLUMNS]; /* of one sample */
    int64_t strides[TRAINING_MAX_COLUMNS],   /* of windows; 0: packed samples */
        steps[TRAINING_MAX_COLUMNS];
    double scale;  /* of the inputs */
    bool weighted; /* there is a column of sample weights */
} data_types;

/* Slots of a plan: the order, the columns, the sample weights; to draw tokens: rules, chances, what was drawn. */
#define TRAINING_SLOT_ORDER 0
#define TRAINING_SLOT_COLUMN(i) (1 + (int)(i))
#define TRAINING_SLOT_WEIGHTS (1 + TRAINING_MAX_COLUMNS)
#define TRAINING_SLOT_RULES (2 + TRAINING_MAX_COLUMNS)
#define TRAINING_SLOT_CHANCES (3 + TRAINING_MAX_COLUMNS)
#define TRAINING_SLOT_TOKENS (4 + TRAINING_MAX_COLUMNS)

/* A graph made into a plan: for a mode, a batch size and types of data. */
typedef struct program {
    training_mode mode;
    int64_t batch;
    uint64_t seed; /* of a fit's random draws */
    data_types types;
    plan *plan;
    double step_seconds; /* measured; 0: not yet */
} program;

/* Buffers on the device that batches given one by one go through. */
typedef struct staging_buffer {
    cl_mem memory;
    size_t bytes;
} staging_buffer;

struct fit_run;

typedef struct model_training {
    kiln_model *model;
    kiln_device *device; /* NULL until it is needed (a model from a file) */
    blas_engine engine;
    bool compiled; /* kiln_compile was called, or the file had a compile configuration */
    char *problem; /* why a file's compile configuration could not be used; NULL: none */
    output_goals goals;
    size_t targets[GOAL_MAX]; /* the outputs that have one, in order */
    size_t target_count;
    optimizer optimizer;
    bool *trainable; /* by weight, as it was when the model was compiled */
    uint64_t seed;   /* of random draws: kiln_fit's, else the model's */

    /* Once a graph with targets was built: */
    metric *metrics; /* of output 0, then of output 1, ... */
    size_t metric_count;
    size_t sums; /* elements that a pass accumulates: loss, samples, losses of several outputs,
                    metrics */

    program **programs;
    size_t program_count, program_capacity;
    plan *constraints; /* runs after each step of a training; NULL: no weight has a constraint */
    bool constraints_made;

    kiln_history history;
    kiln_logs evaluate_logs, batch_logs;
    double *batch_sums; /* of kiln_train_on_batch and kiln_test_on_batch */
    staging_buffer staging[TRAINING_MAX_COLUMNS + 2]; /* by slot */
    int64_t staging_rows; /* of the order in staging[0], which is 0, 1, 2, ... */

    atomic_int stop;        /* kiln_stop_training */
    bool stop_by_callback;  /* a callback asked for it: not an interruption */
    atomic_int in_callback; /* a callback runs, on this thread: */
    pthread_t callback_thread;
    bool rate_changed;
    struct fit_run *fit; /* running */
} model_training;

static inline model_training *training_of(const kiln_model *model)
{
    return model->training;
}

/* The model's training; made with nothing but a model in it where there is none. */
kiln_status training_get(kiln_model *model, model_training **t);
/* Opens the device if need be and places the weights. */
kiln_status training_ready(model_training *t);
/* Notes which outputs have a target; after every change of the goals. */
void training_note_targets(model_training *t);
/* Fails unless there is a loss ("kiln_fit: ..."). */
kiln_status training_needs_loss(const model_training *t, const char *what);

/* The program for a mode, batch size and types; made when there is none. */
kiln_status program_get(model_training *t, training_mode mode, int64_t batch,
                        const data_types *types, program **p);
/* One that is there already and takes a batch of so many rows; NULL when there is none. */
program *program_find(const model_training *t, training_mode mode, int64_t rows,
                      const data_types *types);
void programs_free(model_training *t);

/* plan_enqueue, with the weights' constraints after each step of a training (constraints.c). */
kiln_status training_enqueue(model_training *t, program *p, size_t count);
void constraints_free(model_training *t);

/* Adds the plan's running sums to totals (t->sums of them) and starts them again. */
kiln_status training_collect(model_training *t, program *p, double *totals);
/* Loss and metrics from the sums, by name. */
kiln_status training_logs(const model_training *t, const double *totals, kiln_logs *logs);

/* Stopping. */
bool training_stopping(const model_training *t, int generation);
int training_stop_generation(void);

/* Compile configuration as Keras's JSON. */
kiln_status config_write(const model_training *t, text *out);
typedef struct compile_config {
    kiln_optimizer optimizer;
    output_goals goals;
} compile_config;
kiln_status config_read(const kiln_model *model, const char *json, compile_config *config);
void config_free(compile_config *config);

/* kiln_load, where open axes get this length; afterwards *open says which there are, whether the
 * model could be read or not. */
kiln_model *save_load(const char *path, open_axis *open);

/* Fails for a name whose end says a format that cannot hold a whole model (save.c). */
kiln_status save_check_path(const char *path);

/* What is Kiln's own and kept with the model: scale and names of the data. */
kiln_status facts_take(kiln_model *model, const kiln_dataset *data);

/* What messages call check_numerics: the program's option is spelled in another way (run.c). */
extern const char *training_check_option;

/* Fails where an Embedding has fewer rows than the data's vocabulary has tokens. */
kiln_status adapt_check_vocabulary(const kiln_model *model, const kiln_dataset *data);

/* Adapts Normalization layers that have not been adapted. */
kiln_status adapt_layers(kiln_model *model, const kiln_dataset *data);

#endif
