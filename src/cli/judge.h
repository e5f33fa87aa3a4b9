/* What a trained classifier makes of data: its predictions beside the labels, and its worst
 * mistakes. */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include "cli/session.h"
#include "data/dataset.h"

#include <kiln/train.h>

enum { JUDGE_MOST_SAMPLES = 50000, JUDGE_MOST_MISTAKES = 24 };

/* A classifier's predictions beside the labels. */
typedef struct judged {
    const kiln_dataset *data;
    int64_t samples;
    size_t classes;
    const char **names;
    char *number_names; /* where the data have none: 8 bytes each */
    int *labels;
    float *scores;  /* (samples, classes): probabilities */
    double *counts; /* (classes, classes): label, prediction */
} judged;

/* Is there something to judge? Data that are arrays with one target, for a model with one output
 * that tells classes. */
bool judge_is_meant(const kiln_model *model, const kiln_dataset *data);
/* Predicts. Free it also after a failure; the data must stay until then. */
kiln_status judge_data(judged *j, kiln_model *model, const kiln_dataset *data, int64_t batch);
void judge_free(judged *j);

/* The class with the highest score. */
int judge_best(const float *scores, size_t classes);

typedef struct mistake {
    int64_t sample;
    int label, taken_for;
    double right, taken; /* the probabilities of the right class, and of that one */
} mistake;
/* Those with the least probability of the right class first; *all is the caller's. */
kiln_status judge_mistakes(const judged *j, mistake **all, size_t *count);

/* ---- samples that are pictures ---- */
typedef struct sample_picture {
    uint8_t *pixels; /* height rows of width times channels bytes; the caller's */
    int height, width, channels;
} sample_picture;
/* Is a sample of this column a picture: packed, two axes or three, one or three channels? */
bool sample_is_picture(const data_column *c);
/* A sample as a picture of at most `longest` pixels a side, thinned out where it is larger; numbers
 * are spread from the least to the largest. */
kiln_status sample_take_picture(const data_column *c, int64_t sample, int longest,
                                sample_picture *picture);

#endif
