/* Tokens drawn from scores: only of some, by a temperature; each number lies in the middle of a token's share. */
#include "check/cases.h"

#include <math.h>

enum { TOKENS = 77, SKIP = 2, TOP_K = 20, STEPS = 4, FORCED = 5 };
static const double coldness = 1.5, top_p = 0.8;

/* Weights of tokens, 0 of those that cannot be drawn; the sum. */
static double weigh(const float *scores, double *weights)
{
    double all[TOKENS], best = 0, kept = 0;
    for (int i = 0; i < TOKENS; i++) {
        int above = 0;
        for (int k = SKIP; k < TOKENS; k++)
            above += scores[k] > scores[i];
        all[i] = i >= SKIP && above < TOP_K ? exp(coldness * (double)scores[i]) : 0;
        best += all[i];
    }
    for (int i = 0; i < TOKENS; i++) {
        double above = 0;
        for (int k = 0; k < TOKENS; k++)
            above += all[k] > all[i] ? all[k] : 0;
        weights[i] = above < top_p * best ? all[i] : 0;
        kept += weights[i];
    }
    return kept;
}

void check_samples(check_work *w)
{
    ir_graph *g = &w->graph;
    double weights[TOKENS];
    ir_id in;
    const float *x = check_floats(w, (kiln_shape){2, {1, TOKENS}}, -2, 2, &in);
    double *y = check_expect(w, "scores", op_affine(g, in, 1, 0.25), 1e-6);
    sample_rules *rules =
        check_slot(w, KILN_INT32, sizeof *rules / sizeof(int32_t), 1, &w->sample.rules_slot);
    sample_chance *chances =
        check_slot(w, KILN_FLOAT32, STEPS * sizeof *chances / sizeof(float), STEPS, &w->sample.chances_slot);
    check_slot(w, KILN_INT32, STEPS, STEPS, &w->sample.tokens_slot);
    check_slot(w, KILN_INT32, 1, 1, &w->sample.order_slot);
    int32_t *tokens = check_memory(w, STEPS, sizeof *tokens);
    if (w->failed)
        return;
    for (int i = 0; i < TOKENS; i++)
        y[i] = (double)x[i] + 0.25;
    const double sum = weigh(x, weights);
    double before = 0;
    *rules = (sample_rules){.coldness = (float)coldness, .top_p = (float)top_p, .top_k = TOP_K, .skip = SKIP};
    w->step_count = STEPS;
    for (int i = 0, step = 0; i < TOKENS; i++) { /* the first two and the last that can be drawn */
        if (weights[i] <= 0)
            continue;
        w->steps[step] = (plan_step){.rows = 1};
        chances[step] = (sample_chance){(float)((before + weights[i] / 2) / sum), -1};
        tokens[step] = i;
        before += weights[i];
        step = step < STEPS - 2 ? step + 1 : STEPS - 2;
    }
    w->steps[STEPS - 1] = (plan_step){.rows = 1};
    chances[STEPS - 1] = (sample_chance){.token = FORCED};
    tokens[STEPS - 1] = FORCED;
    w->samples = true;
    w->sources[w->sample.tokens_slot].after = tokens;
    w->sources[w->sample.order_slot].after = &tokens[STEPS - 1];
}
