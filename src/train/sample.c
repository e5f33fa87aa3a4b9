#include "train/sample.h"

#include <math.h>
#include <stdlib.h>

static int by_score(const void *a, const void *b)
{
    const sample_place *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->token > y->token) - (x->token < y->token);
}

/* Logarithms of probabilities, up to a constant. */
static kiln_status take_scores(const float *scores, size_t count, const sample_rules *rules,
                               sample_place *room)
{
    for (size_t i = 0; i < count; i++) {
        double score = (double)scores[i];
        if (rules->probabilities)
            score = log(score);
        if (isnan(score) || score == (double)INFINITY)
            return kiln_fail(KILN_ERROR_NUMERIC,
                             "the model's score of token %zu is %g; train it again, with a smaller "
                             "learning rate",
                             i, (double)scores[i]);
        room[i] = (sample_place){i < rules->skip ? -(double)INFINITY : score, (int32_t)i};
    }
    return KILN_OK;
}

kiln_status sample_token(const float *scores, size_t count, const sample_rules *rules, double unit,
                         sample_place *room, int32_t *token)
{
    KILN_TRY(take_scores(scores, count, rules, room));
    bool some = rules->top_k > 0 || (rules->top_p > 0 && rules->top_p < 1);
    double most = -(double)INFINITY, sum = 0;
    for (size_t i = 0; i < count; i++)
        if (room[i].score > most) {
            most = room[i].score;
            *token = room[i].token;
        }
    if (most == -(double)INFINITY)
        return kiln_fail(KILN_ERROR_NUMERIC, "the model gives no token a chance; train it again");
    if (rules->temperature == 0)
        return KILN_OK;
    if (some)
        qsort(room, count, sizeof *room, by_score);
    if (rules->top_k > 0 && (size_t)rules->top_k < count)
        count = (size_t)rules->top_k;
    for (size_t i = 0; i < count; i++) {
        room[i].score = exp((room[i].score - most) / rules->temperature);
        sum += room[i].score;
    }
    if (rules->top_p > 0 && rules->top_p < 1) { /* the fewest tokens that have this share */
        double share = 0, wanted = rules->top_p * sum;
        size_t kept = 0;
        while (kept < count && share < wanted)
            share += room[kept++].score;
        count = kept;
        sum = share;
    }
    double left = unit * sum;
    for (size_t i = 0; i < count; i++) {
        if (room[i].score <= 0)
            continue;
        *token = room[i].token; /* the last one, should rounding leave something */
        left -= room[i].score;
        if (left < 0)
            break;
    }
    return KILN_OK;
}
