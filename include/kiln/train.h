/* Training: compile, fit, evaluate, predict, with Keras's names, defaults and meaning. */
#ifndef KILN_TRAIN_H
#define KILN_TRAIN_H

#include "data.h"
#include "model.h"

KILN_BEGIN_DECLS

/* ---- Learning rate schedules ---- */
typedef enum kiln_schedule_kind {
    KILN_SCHEDULE_NONE = 0,
    KILN_SCHEDULE_EXPONENTIAL,
    KILN_SCHEDULE_COSINE,
    KILN_SCHEDULE_PIECEWISE,
    KILN_SCHEDULE_POLYNOMIAL
} kiln_schedule_kind;

#define KILN_SCHEDULE_PIECES 16

/* A schedule by value. Steps count optimizer steps from 0; formulas as in keras.optimizers.schedules. */
typedef struct kiln_schedule {
    kiln_schedule_kind kind;
    double initial_learning_rate;
    int64_t decay_steps;
    double decay_rate;          /* exponential */
    kiln_choice staircase;      /* exponential; default: no */
    double alpha;               /* cosine: share of the rate that remains; default 0 */
    double warmup_target;       /* cosine: rate after the warm-up; 0: no warm-up */
    int64_t warmup_steps;       /* cosine */
    double end_learning_rate;   /* polynomial; default 0.0001 */
    double power;               /* polynomial; default 1 */
    kiln_choice cycle;          /* polynomial; default: no */
    int piece_count;            /* piecewise: boundaries; values has one more */
    double boundaries[KILN_SCHEDULE_PIECES];
    double values[KILN_SCHEDULE_PIECES + 1];
} kiln_schedule;

/* The plain form: kind, first rate and steps; all else Keras's defaults. */
KILN_API kiln_schedule kiln_schedule_of(kiln_schedule_kind kind, double initial_learning_rate, int64_t decay_steps);

/* The rate at a step. */
KILN_API double kiln_schedule_rate(const kiln_schedule *schedule, int64_t step);

#ifndef __cplusplus
/* kiln_exponential_decay(0.1, 1000, 0.96, .staircase = KILN_YES) */
#define kiln_exponential_decay(rate, steps, ...)                                                   \
    ((kiln_schedule){.kind = KILN_SCHEDULE_EXPONENTIAL, .initial_learning_rate = rate, .decay_steps = steps, .decay_rate = __VA_ARGS__})
#define kiln_cosine_decay(rate, ...)                                                               \
    ((kiln_schedule){.kind = KILN_SCHEDULE_COSINE, .initial_learning_rate = rate, .decay_steps = __VA_ARGS__})
#define kiln_polynomial_decay(rate, ...)                                                           \
    ((kiln_schedule){.kind = KILN_SCHEDULE_POLYNOMIAL, .initial_learning_rate = rate, .decay_steps = __VA_ARGS__})
/* kiln_piecewise_constant_decay(2, .boundaries = {1000, 2000}, .values = {1, 0.5, 0.1}) */
#define kiln_piecewise_constant_decay(count, ...)                                                  \
    ((kiln_schedule){.kind = KILN_SCHEDULE_PIECEWISE, .piece_count = count, __VA_ARGS__})
#endif

/* ---- Optimizers ---- */
typedef enum kiln_optimizer_kind {
    KILN_OPTIMIZER_DEFAULT = 0, /* RMSprop, as in Keras */
    KILN_OPTIMIZER_SGD,
    KILN_OPTIMIZER_ADAM,
    KILN_OPTIMIZER_ADAMW,
    KILN_OPTIMIZER_RMSPROP,
    KILN_OPTIMIZER_ADAGRAD
} kiln_optimizer_kind;

/* An optimizer by value; a field left zero is Keras's default for that optimizer. */
typedef struct kiln_optimizer {
    kiln_optimizer_kind kind;
    double learning_rate;               /* SGD 0.01, others 0.001 */
    kiln_schedule schedule;             /* takes the place of learning_rate */
    double momentum;                    /* SGD, RMSprop: 0 */
    kiln_choice nesterov;               /* SGD: no */
    double beta_1, beta_2;              /* Adam, AdamW: 0.9, 0.999 */
    double rho;                         /* RMSprop: 0.9 */
    kiln_choice centered;               /* RMSprop: no */
    kiln_choice amsgrad;                /* Adam, AdamW: no */
    double epsilon;                     /* 1e-7 */
    double initial_accumulator_value;   /* Adagrad: 0.1 */
    double weight_decay;                /* AdamW 0.004, others none */
    double clipnorm, clipvalue, global_clipnorm; /* none; one of them at most */
    int64_t gradient_accumulation_steps; /* none */
    /* Keras's LossScaleOptimizer around this one: the loss is multiplied by a scale before its gradients are taken, and
     * these are divided by it again, so that none vanishes in half. A step with a gradient that is not finite is left out
     * and halves the scale (down to 2^-14; there training stops as at a loss that is not finite); so many good steps in a
     * row double it. */
    double initial_scale;                /* none; of a model with mixed_float16 layers 32768; KILN_ZERO: none */
    int64_t dynamic_growth_steps;        /* 2000 */
} kiln_optimizer;

#ifndef __cplusplus
#define kiln_sgd(...) ((kiln_optimizer){.kind = KILN_OPTIMIZER_SGD, __VA_ARGS__})
#define kiln_adam(...) ((kiln_optimizer){.kind = KILN_OPTIMIZER_ADAM, __VA_ARGS__})
#define kiln_adamw(...) ((kiln_optimizer){.kind = KILN_OPTIMIZER_ADAMW, __VA_ARGS__})
#define kiln_rmsprop(...) ((kiln_optimizer){.kind = KILN_OPTIMIZER_RMSPROP, __VA_ARGS__})
#define kiln_adagrad(...) ((kiln_optimizer){.kind = KILN_OPTIMIZER_ADAGRAD, __VA_ARGS__})
#endif

/* The plain form: kind with Keras's defaults filled in. */
KILN_API kiln_optimizer kiln_optimizer_of(kiln_optimizer_kind kind);

/* ---- Losses ---- */
typedef enum kiln_loss_kind {
    KILN_LOSS_NONE = 0,
    KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY,
    KILN_LOSS_CATEGORICAL_CROSSENTROPY,
    KILN_LOSS_BINARY_CROSSENTROPY,
    KILN_LOSS_MEAN_SQUARED_ERROR,
    KILN_LOSS_MEAN_ABSOLUTE_ERROR,
    KILN_LOSS_MEAN_SQUARED_LOGARITHMIC_ERROR,
    KILN_LOSS_HUBER,
    KILN_LOSS_HINGE,
    KILN_LOSS_CUSTOM
} kiln_loss_kind;

/* Graph operations for a loss of one's own: see ops.h. */
struct kiln_ops;
typedef int32_t kiln_node;

/* Builds the loss of one sample each, shape (batch), from the targets and the outputs. */
typedef kiln_node (*kiln_loss_function)(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user);

typedef struct kiln_loss {
    kiln_loss_kind kind;
    kiln_choice from_logits;   /* default: no */
    double label_smoothing;    /* categorical, binary: 0 */
    double delta;              /* Huber: 1 */
    kiln_loss_function function; /* custom */
    void *user;
} kiln_loss;

#ifndef __cplusplus
#define kiln_sparse_categorical_crossentropy(...) ((kiln_loss){.kind = KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, __VA_ARGS__})
#define kiln_categorical_crossentropy(...) ((kiln_loss){.kind = KILN_LOSS_CATEGORICAL_CROSSENTROPY, __VA_ARGS__})
#define kiln_binary_crossentropy(...) ((kiln_loss){.kind = KILN_LOSS_BINARY_CROSSENTROPY, __VA_ARGS__})
#define kiln_mean_squared_error(...) ((kiln_loss){.kind = KILN_LOSS_MEAN_SQUARED_ERROR, __VA_ARGS__})
#define kiln_mean_absolute_error(...) ((kiln_loss){.kind = KILN_LOSS_MEAN_ABSOLUTE_ERROR, __VA_ARGS__})
#define kiln_mean_squared_logarithmic_error(...) ((kiln_loss){.kind = KILN_LOSS_MEAN_SQUARED_LOGARITHMIC_ERROR, __VA_ARGS__})
#define kiln_huber(...) ((kiln_loss){.kind = KILN_LOSS_HUBER, __VA_ARGS__})
#define kiln_hinge(...) ((kiln_loss){.kind = KILN_LOSS_HINGE, __VA_ARGS__})
/* kiln_custom_loss(function, .user = data) */
#define kiln_custom_loss(...) ((kiln_loss){.kind = KILN_LOSS_CUSTOM, .function = __VA_ARGS__})
#endif
/* The plain form: kind with Keras's defaults filled in. */
KILN_API kiln_loss kiln_loss_of(kiln_loss_kind kind);

/* ---- Metrics: by Keras's names ----
 * "accuracy" (the form follows the loss), "sparse_categorical_accuracy", "categorical_accuracy",
 * "binary_accuracy", "top_k_categorical_accuracy(k=5)", "sparse_top_k_categorical_accuracy(k=5)", "precision",
 * "recall", "auc", "mae", "mse", "rmse", "r2_score", the long names of those, and the losses; with a name of its own
 * for the logs: "auc(name=area)". "none" alone: no metric, also where the model's file has some. */
#define KILN_MAX_METRICS 16
typedef struct kiln_metrics {
    const char *names[KILN_MAX_METRICS]; /* ends at the first NULL */
} kiln_metrics;
#ifndef __cplusplus
#define KILN_METRICS(...) ((kiln_metrics){.names = {__VA_ARGS__}})
#endif
/* The plain form of KILN_METRICS; the names must outlive kiln_compile. More than KILN_MAX_METRICS are a failure on
 * record, and the first ones are returned. */
KILN_API kiln_metrics kiln_metrics_of(size_t count, const char *const *names);

/* ---- compile ---- */
/* What one output of several is trained for: Keras's lists of losses, loss_weights and metrics. */
typedef struct kiln_output_goal {
    const char *name;     /* the output's layer; NULL: the outputs in order */
    kiln_loss loss;       /* none: this output is not trained, and takes a target only for metrics */
    double weight;        /* of the loss in the total; default: 1; KILN_ZERO for 0 */
    kiln_metrics metrics; /* in the logs as "output_metric" */
} kiln_output_goal;
typedef struct kiln_output_goals {
    size_t count;
    const kiln_output_goal *items;
} kiln_output_goals;
#ifndef __cplusplus
/* .outputs = KILN_OUTPUT_GOALS({.name = "digit", .loss = kiln_mean_squared_error()}, {.name = "aux", .loss = kiln_huber(), .weight = 0.3}) */
#define KILN_OUTPUT_GOALS(...)                                                                     \
    ((kiln_output_goals){sizeof((kiln_output_goal[]){__VA_ARGS__}) / sizeof(kiln_output_goal),     \
                         (kiln_output_goal[]){__VA_ARGS__}})
#endif

typedef struct kiln_compile_args {
    kiln_model *model;
    kiln_optimizer optimizer;
    kiln_loss loss;       /* of every output; or: */
    kiln_metrics metrics;
    kiln_output_goals outputs; /* a loss, its weight and metrics for each; the outputs left out have none */
    kiln_device *device;  /* NULL: kiln_device_open(NULL), kept open by the model */
    const char *gemm;     /* "auto" (default), "clblast", "tile"; $KILN_GEMM */
} kiln_compile_args;

/* Configures the model for training, and places its weights on the device. A model that kiln_load has just read
 * keeps its file's optimizer (with its state), loss and metrics where they are not given here. */
KILN_API kiln_status kiln_compile_with(const kiln_compile_args *args);
#ifndef __cplusplus
#define kiln_compile(...) kiln_compile_with(&(kiln_compile_args){.model = __VA_ARGS__})
#endif

/* ---- logs and history ---- */
/* Named figures: {"loss": 0.2, "accuracy": 0.94}. */
typedef struct kiln_logs kiln_logs;
KILN_API size_t kiln_logs_count(const kiln_logs *logs);
KILN_API const char *kiln_logs_name(const kiln_logs *logs, size_t index);
KILN_API double kiln_logs_value(const kiln_logs *logs, size_t index);
KILN_API double kiln_logs_get(const kiln_logs *logs, const char *name); /* NaN when there is none */

/* The figures of each epoch of one kiln_fit. */
typedef struct kiln_history kiln_history;
KILN_API size_t kiln_history_epochs(const kiln_history *history);
KILN_API int64_t kiln_history_epoch(const kiln_history *history, size_t index); /* its number, from 0 */
KILN_API const kiln_logs *kiln_history_logs(const kiln_history *history, size_t index);
KILN_API double kiln_history_get(const kiln_history *history, const char *name, size_t index);

/* ---- callbacks ---- */
/* What a callback sees. Functions left NULL are skipped; a status other than KILN_OK stops the training with it;
 * kiln_stop_training(model) ends it after the running steps. epoch counts from 0; logs may be NULL. */
typedef struct kiln_callback kiln_callback;
typedef struct kiln_callback_functions {
    kiln_status (*on_train_begin)(void *user, kiln_model *model);
    kiln_status (*on_train_end)(void *user, kiln_model *model);
    kiln_status (*on_epoch_begin)(void *user, kiln_model *model, int64_t epoch);
    kiln_status (*on_epoch_end)(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs);
    kiln_status (*on_refresh)(void *user, kiln_model *model, int64_t step, const kiln_logs *logs); /* about 10 a second */
    /* Before and after each batch, counted from 0 in the epoch. They cost a round trip to the device a batch: on_refresh
     * is the cheap way to watch. */
    kiln_status (*on_train_batch_begin)(void *user, kiln_model *model, int64_t batch);
    kiln_status (*on_train_batch_end)(void *user, kiln_model *model, int64_t batch, const kiln_logs *logs);
    void (*release)(void *user);
    /* Of kiln_evaluate and kiln_predict, and of the validation in kiln_fit; a round trip to the device a batch where one
     * of the last four is there. */
    kiln_status (*on_test_begin)(void *user, kiln_model *model);
    kiln_status (*on_test_end)(void *user, kiln_model *model, const kiln_logs *logs);
    kiln_status (*on_predict_begin)(void *user, kiln_model *model);
    kiln_status (*on_predict_end)(void *user, kiln_model *model);
    kiln_status (*on_test_batch_begin)(void *user, kiln_model *model, int64_t batch);
    kiln_status (*on_test_batch_end)(void *user, kiln_model *model, int64_t batch, const kiln_logs *logs);
    kiln_status (*on_predict_batch_begin)(void *user, kiln_model *model, int64_t batch);
    kiln_status (*on_predict_batch_end)(void *user, kiln_model *model, int64_t batch);
} kiln_callback_functions;
KILN_API kiln_callback *kiln_callback_new(const kiln_callback_functions *functions, void *user);

typedef struct kiln_early_stopping_args {
    const char *monitor;      /* default "val_loss" */
    double min_delta;         /* 0 */
    int64_t patience;         /* 0 */
    const char *mode;         /* "auto", "min", "max" */
    double baseline;          /* none when 0; KILN_ZERO for 0 */
    kiln_choice restore_best_weights; /* no */
    int64_t start_from_epoch; /* 0 */
    int verbose;
    char unset_; /* set by nobody: lets the macro be called without arguments */
} kiln_early_stopping_args;
KILN_API kiln_callback *kiln_early_stopping_with(const kiln_early_stopping_args *args);

typedef struct kiln_model_checkpoint_args {
    const char *filepath;     /* may hold {epoch} and {val_loss:.4f}, as in Keras */
    const char *monitor;      /* "val_loss" */
    kiln_choice save_best_only; /* no */
    kiln_choice save_weights_only; /* no; yes: filepath ends in .weights.h5, .safetensors or .npz */
    const char *mode;
    int verbose;
    int64_t save_freq;        /* batches between two savings; default: at the end of each epoch */
    double initial_value_threshold; /* what the first one to be saved must be better than; none when 0; KILN_ZERO for 0 */
} kiln_model_checkpoint_args;
KILN_API kiln_callback *kiln_model_checkpoint_with(const kiln_model_checkpoint_args *args);

typedef struct kiln_csv_logger_args {
    const char *filename;
    const char *separator; /* "," */
    kiln_choice append;    /* no */
} kiln_csv_logger_args;
KILN_API kiln_callback *kiln_csv_logger_with(const kiln_csv_logger_args *args);

typedef double (*kiln_rate_function)(int64_t epoch, double learning_rate, void *user);
typedef struct kiln_learning_rate_scheduler_args {
    kiln_rate_function function; /* the rate of an epoch, from the one in force */
    void *user;
    int verbose;
} kiln_learning_rate_scheduler_args;
KILN_API kiln_callback *kiln_learning_rate_scheduler_with(const kiln_learning_rate_scheduler_args *args);

typedef struct kiln_reduce_lr_on_plateau_args {
    const char *monitor;   /* "val_loss" */
    double factor;         /* 0.1 */
    int64_t patience;      /* 10; KILN_NO for 0 */
    double min_delta;      /* 0.0001 */
    int64_t cooldown;      /* 0 */
    double min_lr;         /* 0 */
    const char *mode;
    int verbose;
    char unset_; /* set by nobody: lets the macro be called without arguments */
} kiln_reduce_lr_on_plateau_args;
KILN_API kiln_callback *kiln_reduce_lr_on_plateau_with(const kiln_reduce_lr_on_plateau_args *args);
KILN_API kiln_callback *kiln_terminate_on_nan(void);

/* Event files for TensorBoard, below log_dir/train and log_dir/validation: epoch_loss and the other figures, the
 * learning rate, histograms of the weights ("dense/kernel/histogram") and of their gradients ("dense/kernel/gradient"),
 * and the weights as pictures ("dense/kernel/image/0"). */
typedef struct kiln_tensorboard_args {
    const char *log_dir;                /* "logs"; made when missing */
    int64_t histogram_freq;             /* epochs between two histograms of each weight; 0: none */
    int64_t update_freq;                /* batches between two entries of batch_loss ...; 0: none, once an epoch as ever */
    kiln_choice write_steps_per_second; /* no */
    kiln_choice write_grads;            /* no; yes: histograms of the gradients too, every histogram_freq epochs: of the
                                         * epoch's last whole batch at the weights the epoch ends with, before clipping. A
                                         * step of its own, compiled once; the training keeps its speed and its bits */
    kiln_choice write_images;           /* no; yes: the weights as grey pictures, every histogram_freq epochs */
    char unset_; /* set by nobody: lets the macro be called without arguments */
} kiln_tensorboard_args;
KILN_API kiln_callback *kiln_tensorboard_with(const kiln_tensorboard_args *args);
/* Frees a callback that no kiln_fit took. */
KILN_API void kiln_callback_free(kiln_callback *callback);
#ifndef __cplusplus
#define kiln_early_stopping(...) kiln_early_stopping_with(&(kiln_early_stopping_args){.unset_ = 0, __VA_ARGS__})
#define kiln_model_checkpoint(...) kiln_model_checkpoint_with(&(kiln_model_checkpoint_args){.filepath = __VA_ARGS__})
#define kiln_csv_logger(...) kiln_csv_logger_with(&(kiln_csv_logger_args){.filename = __VA_ARGS__})
#define kiln_learning_rate_scheduler(...) kiln_learning_rate_scheduler_with(&(kiln_learning_rate_scheduler_args){.function = __VA_ARGS__})
#define kiln_tensorboard(...) kiln_tensorboard_with(&(kiln_tensorboard_args){.unset_ = 0, __VA_ARGS__})
#define kiln_reduce_lr_on_plateau(...) kiln_reduce_lr_on_plateau_with(&(kiln_reduce_lr_on_plateau_args){.unset_ = 0, __VA_ARGS__})
#endif

/* The rate of the next step, and a new one from there on (which a model compiled with a schedule refuses). */
KILN_API double kiln_learning_rate(const kiln_model *model);
KILN_API kiln_status kiln_set_learning_rate(kiln_model *model, double rate);

/* ---- fit, evaluate, predict ---- */
#define KILN_MAX_CALLBACKS 16
typedef struct kiln_fit_args {
    kiln_model *model;
    kiln_dataset *data;           /* not taken over */
    int64_t batch_size;           /* 32; arrays with steps_per_epoch: as many as share the data among the steps */
    int64_t epochs;               /* 1 */
    int64_t initial_epoch;        /* 0 */
    int64_t steps_per_epoch;      /* the whole data */
    kiln_choice shuffle;          /* yes */
    kiln_dataset *validation_data; /* not taken over */
    double validation_split;      /* 0: none; else the last part of the data, unshuffled, as in Keras */
    int64_t validation_steps;     /* the whole validation data */
    int64_t validation_batch_size; /* batch_size */
    int64_t validation_freq;      /* 1 */
    size_t class_weight_count;    /* 0: none */
    const double *class_weight;   /* by class; classes past the count weigh 1 */
    uint64_t seed;                /* 0: the model's */
    int verbose;                  /* default 1: bar; 2: a line an epoch; KILN_NO: silence */
    int check_numerics;           /* after a loss that is not finite, run the step again and name the launch */
    const char *checkpoint;       /* NULL: none; else a file that gets the whole state of the training after each epoch, a
                                   * .keras archive that can be loaded like any other */
    kiln_choice resume;           /* no; yes: goes on from the checkpoint if that file is there: called with the same model,
                                   * data and arguments as the training that stopped, this one ends with the same bits */
    kiln_callback *callbacks[KILN_MAX_CALLBACKS]; /* taken over; ends at the first NULL */
} kiln_fit_args;

/* Trains. The history belongs to the model, valid until its next kiln_fit; NULL on failure (a run that was
 * interrupted returns its history and leaves KILN_INTERRUPTED on record). */
KILN_API const kiln_history *kiln_fit_with(const kiln_fit_args *args);

typedef struct kiln_evaluate_args {
    kiln_model *model;
    kiln_dataset *data;
    int64_t batch_size; /* 32 */
    int64_t steps;      /* the whole data */
    int verbose;        /* as for fit */
    int check_numerics; /* a loss that is not finite is a failure, which names the launch */
    kiln_callback *callbacks[KILN_MAX_CALLBACKS]; /* taken over; ends at the first NULL */
} kiln_evaluate_args;
/* Loss and metrics over a data set. The logs belong to the model until its next evaluate; NULL on failure. */
KILN_API const kiln_logs *kiln_evaluate_with(const kiln_evaluate_args *args);

typedef struct kiln_predict_args {
    kiln_model *model;
    kiln_dataset *data;
    int64_t batch_size; /* 32 */
    int verbose;        /* as for fit */
    size_t output;      /* which output; 0 */
    int check_numerics; /* an output that is not finite is a failure, which names the launch */
    int64_t steps;      /* the whole data */
    kiln_callback *callbacks[KILN_MAX_CALLBACKS]; /* taken over; ends at the first NULL */
} kiln_predict_args;
/* The outputs for every sample: samples x output shape floats, the caller's to free; *samples is set if not NULL.
 * NULL on failure. */
KILN_API float *kiln_predict_with(const kiln_predict_args *args, int64_t *samples);
#ifndef __cplusplus
#define kiln_fit(...) kiln_fit_with(&(kiln_fit_args){.model = __VA_ARGS__})
#define kiln_evaluate(...) kiln_evaluate_with(&(kiln_evaluate_args){.model = __VA_ARGS__})
/* kiln_predict(&samples, model, data, .batch_size = 100) */
#define kiln_predict(samples, ...) kiln_predict_with(&(kiln_predict_args){.model = __VA_ARGS__}, samples)
#endif

/* Asks the training of this model (NULL: every training of the process) to end after the running steps: an interruption.
 * Called with the model by a callback it is the callback's decision, and the training ends well, after the epoch. Safe in
 * a signal handler (which had better say NULL: it may run while a callback does). */
KILN_API void kiln_stop_training(kiln_model *model);

/* ---- a loop of one's own ---- */
/* One batch: arrays in the order of the model's inputs, and of its outputs that have a loss or metrics; samples rows
 * each (data typed as declared by dtype). The logs are those of this batch alone. sample_weights may be NULL. */
KILN_API const kiln_logs *kiln_train_on_batch(kiln_model *model, int64_t samples, const kiln_array *x, const kiln_array *y,
                                              const float *sample_weights);
KILN_API const kiln_logs *kiln_test_on_batch(kiln_model *model, int64_t samples, const kiln_array *x, const kiln_array *y,
                                             const float *sample_weights);
/* The same with all of Keras's arguments. */
typedef struct kiln_train_on_batch_args {
    kiln_model *model;
    int64_t samples;
    const kiln_array *x, *y;
    const float *sample_weight; /* NULL: none */
    size_t class_weight_count;  /* 0: none */
    const double *class_weight; /* by class; classes past the count weigh 1 */
} kiln_train_on_batch_args;
KILN_API const kiln_logs *kiln_train_on_batch_with(const kiln_train_on_batch_args *args);
/* y[i] gets samples x output shape floats. */
KILN_API kiln_status kiln_predict_on_batch(kiln_model *model, int64_t samples, const kiln_array *x, float *const *y);

/* ---- saved models ---- */
/* Writes the model (architecture, compile configuration, weights, optimizer state) to one file, a .keras archive as
 * Keras 3 writes it, whatever its name; a name that ends in .json gets the architecture alone. Through a temporary
 * file: the old one survives a failure. */
KILN_API kiln_status kiln_save(kiln_model *model, const char *path);
/* Reads a saved model: a .keras archive (of Keras or Kiln), a whole model that Keras 2 saved as .h5, or an architecture
 * .json (then without weights). The format is found by content. HDF5 is parsed by kiln-hdf5, a program installed beside
 * the library. NULL on failure. */
KILN_API kiln_model *kiln_load(const char *path);
/* The same with a length for open axes: kiln_load_with("m.keras", &(kiln_load_args){.sequence_length = 20}). */
KILN_API kiln_model *kiln_load_with(const char *path, const kiln_load_args *args);

/* The weights alone, in the format that the end of the name says: .weights.h5 (as Keras 3 writes it, with the state of a
 * compiled model's optimizer), .safetensors or .npz (by name, "dense/kernel"). */
KILN_API kiln_status kiln_save_weights(kiln_model *model, const char *path);
/* Reads weights into a model of the same architecture, from these formats, a .keras archive or a .h5 file of Keras 2, found
 * by content. Every weight must be there with its shape, and no other. The optimizer's state in the file is taken over
 * where the model is compiled with the same kind of optimizer, else left. After a failure the model may have some of the
 * weights. */
KILN_API kiln_status kiln_load_weights(kiln_model *model, const char *path);

KILN_END_DECLS

#endif
