/* Drawing a token from what a model says of each. */
#ifndef TRAIN_SAMPLE_H
#define TRAIN_SAMPLE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct sample_rules {
    double temperature; /* 0: always the likeliest */
    int64_t top_k;      /* 0: all */
    double top_p;       /* 0 or 1: all */
    bool probabilities; /* the scores are such; else logarithms of them, up to a constant */
    size_t skip;        /* tokens at the start that are never drawn */
} sample_rules;

/* One entry of the room that a draw needs. */
typedef struct sample_place {
    double score;
    int32_t token;
} sample_place;

/* The token for a number in [0, 1): with room for count places. Of equal scores the first token
 * comes first. Fails where a score is not finite. */
kiln_status sample_token(const float *scores, size_t count, const sample_rules *rules, double unit,
                         sample_place *room, int32_t *token);

#endif
