/* The parts of kiln fit: what it was asked for, opening model and data, and what is left at the
 * end. */
#ifndef CLI_FIT_H
#define CLI_FIT_H

#include "cli/networks.h"
#include "cli/objective.h"

typedef struct fit_options {
    const char *output, *history, *csv_log, *label, *class_weight, *validation_data, *checkpoint,
        *tensorboard, *log_json, *report, *initial_weights, *vectors;
    bool resume, freeze_vectors;
    int64_t epochs, steps_per_epoch, early_stopping;
    double validation_split;
    objective_options objective;
    network_weights initial;
} fit_options;

/* What one run holds. */
typedef struct fitting {
    fit_options *given; /* changed where it follows from the data */
    const char *model_name, *data_name;
    kiln_device *device;
    kiln_dataset *data, *validation;
    kiln_model *model;
    double *class_weight;
    size_t class_count;
    const kiln_history *history;
    bool interrupted;
    double begun, ended;                /* of the training itself */
    double second_epoch;                /* when it began */
    int64_t earlier_steps, first_steps; /* before this training, and of its first epoch */
} fitting;

/* ---- fit_data.c ---- */

/* Opens the model, the data and the device. */
kiln_status fit_open(fitting *f);
/* Puts the part that --validation-split holds back into f->validation. */
kiln_status fit_split(fitting *f);
/* --class-weight balanced. */
kiln_status fit_balance(fitting *f);
/* Says what text was found; steps: of an epoch, or 0. */
void fit_say_text(const fitting *f, int64_t steps);

/* ---- fit_results.c ---- */

/* Saves the model and writes what was asked for of it. */
kiln_status fit_keep(const fitting *f);
void fit_say_end(const fitting *f);

#endif
