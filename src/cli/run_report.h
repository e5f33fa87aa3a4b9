/* The page of one training, and of several side by side. */
#ifndef CLI_RUN_REPORT_H
#define CLI_RUN_REPORT_H

#include "base/memory.h"
#include "cli/session.h"

#include <kiln/train.h>

/* One training, as far as curves go: figures by name and epoch. */
typedef struct run_figure {
    char *name;
    double *values; /* NaN: none in that epoch */
} run_figure;
typedef struct run_curves {
    char *name; /* of the run */
    size_t epochs;
    run_figure *figures;
    size_t count;
} run_curves;
kiln_status run_curves_from_history(const kiln_history *history, const char *name, run_curves *r);
/* A file of kiln fit --history, or of --log-json; its path is the run's name. */
kiln_status run_curves_read(const char *path, run_curves *r);
/* Names the runs after their files: without folders and .json, as far as that tells them apart. */
kiln_status run_curves_tell_apart(run_curves *runs, const char *const *paths, size_t count);
const double *run_curves_get(const run_curves *r, const char *figure); /* NULL: there is none */
void run_curves_free(run_curves *r);

/* Charts of the learning curves of runs: one for each figure, its validation beside it. */
kiln_status run_curves_page(text *page, const run_curves *runs, size_t count);

/* What the page of one training tells. */
typedef struct run_report {
    const char *title, *lead; /* lead: a sentence */
    kiln_model *model;
    const kiln_history *history;
    kiln_dataset *data;    /* that the predictions are for: held back, or the training's own */
    const char *data_name; /* "the validation data" */
    const char
        *series_file; /* of a model of a series: what it was trained on, instead; else NULL */
    int64_t batch;
} run_report;
kiln_status run_report_write(const run_report *r, const char *path);

/* Pictures for TensorBoard, in event files below log_dir/pictures: the first of the data shown to
 * the network, and the worst mistakes. Writes none where samples are no pictures. */
kiln_status run_pictures_write(const run_report *r, const kiln_dataset *shown, const char *log_dir);

#endif
