/* The next token of a text, drawn from what a model says of each. One work-group draws, on a CPU of a single work-item.
 * KILN_MEET, where its work-items wait for each other, is then nothing, and KILN_WHERE(x) leaves out what x says is not
 * needed; a larger work-group does it all the same, since some compilers get waiting in a branch wrong. A lane has a run
 * of tokens of its own; `part` has a word for each lane.
 */

#ifndef KILN_MEET
#define KILN_MEET (void)0
#define KILN_WHERE(x) if (x)
#endif

/* sample_rules in src/graph/plan.h. */
typedef struct kiln_sample_rules {
    float coldness; /* 1 / temperature; 0: always the likeliest */
    float top_p;    /* below 1: only of the fewest tokens that have this share */
    uint top_k;     /* only of so many likeliest; 0: all */
    uint skip;      /* tokens at the start that are never drawn */
    uint probabilities;
} kiln_sample_rules;

/* sample_chance: of a step. */
typedef struct kiln_sample_chance {
    float unit; /* in [0, 1) */
    int token;  /* that comes next whatever the scores are; -1: it is drawn */
} kiln_sample_chance;

typedef struct kiln_sample_lane {
    uint lane, lanes, from, until; /* its tokens */
    volatile __global float *part;
} kiln_sample_lane;

/* The sum of what all lanes have, and of those before this one. */
static inline float kiln_sample_sum(const kiln_sample_lane *l, float own, float *before)
{
    float sum = 0.0f;
    l->part[l->lane] = own;
    KILN_MEET;
    for (uint i = 0; i < l->lanes; i++) {
        if (i == l->lane)
            *before = sum;
        sum += l->part[i];
    }
    KILN_MEET;
    return sum;
}

static inline float kiln_sample_most(const kiln_sample_lane *l, float own)
{
    float most = own;
    l->part[l->lane] = own;
    KILN_MEET;
    for (uint i = 0; i < l->lanes; i++)
        most = fmax(most, l->part[i]);
    KILN_MEET;
    return most;
}

/* How much more than 0 there is at tokens that weigh at least as much as `least`: their number, or their weights. */
static inline float kiln_sample_above(const kiln_sample_lane *l, __global const float *weights, float least, bool number)
{
    float own = 0.0f, before;
    for (uint i = l->from; i < l->until; i++)
        own += weights[i] < least ? 0.0f : number ? 1.0f : weights[i];
    return kiln_sample_sum(l, own, &before);
}

/* The least float above a weight. */
static inline float kiln_sample_next(float weight)
{
    return as_float(as_uint(weight) + 1);
}

/* The largest weight w such that tokens of at least w are so many, or weigh so much, together. Weights are not negative:
 * their bits are in their order. */
static inline float kiln_sample_bound(const kiln_sample_lane *l, __global const float *weights, float wanted, bool number)
{
    uint bound = 0;
    for (uint bit = 1u << 29; bit > 0; bit >>= 1) /* 1.0f is the largest */
        if (kiln_sample_above(l, weights, as_float(bound | bit), number) >= wanted)
            bound |= bit;
    return as_float(bound);
}

/* Leaves the weights of so many tokens of at least `bound`, of those that weigh as much the first ones, and sets the
 * others' to 0. */
static inline void kiln_sample_keep(const kiln_sample_lane *l, __global float *weights, float bound, float count)
{
    float own = 0.0f, before;
    const float left = count - kiln_sample_above(l, weights, kiln_sample_next(bound), true);
    for (uint i = l->from; i < l->until; i++)
        own += weights[i] == bound ? 1.0f : 0.0f;
    kiln_sample_sum(l, own, &before);
    for (uint i = l->from; i < l->until; i++) {
        if (weights[i] == bound)
            before += 1.0f;
        if (weights[i] < bound || (weights[i] == bound && before > left))
            weights[i] = 0.0f;
    }
    KILN_MEET;
}

/* The token, or what is wrong: -1 - i: the score of token i is none; INT_MIN: no token has a chance. The answer is this
 * lane's where it is the one that *mine says. weights: room for `count`. */
static inline int kiln_sample(__global const float *scores, __global float *weights, volatile __global float *part,
                              uint count, uint lane, uint lanes, const __global kiln_sample_rules *rules, float unit,
                              bool *mine)
{
    const uint share = (count + lanes - 1) / lanes;
    const kiln_sample_lane l = {lane, lanes, min(lane * share, count), min(lane * share + share, count), part};
    const bool logarithms = rules->probabilities == 0;
    const float none = logarithms ? -INFINITY : 0.0f;
    float most = none, bad = 0.0f, own = 0.0f, before;
    for (uint i = l.from; i < l.until; i++) {
        const float score = scores[i];
        if (!(score < INFINITY) || (!logarithms && score < 0.0f))
            bad = fmax(bad, (float)(count - i)); /* the first one */
        else if (i >= rules->skip)
            most = fmax(most, score);
    }
    bad = kiln_sample_most(&l, bad);
    most = kiln_sample_most(&l, most);
    for (uint i = l.from; i < l.until; i++) {
        const float score = scores[i], far = logarithms ? score - most : log(score / most);
        weights[i] = i < rules->skip ? 0.0f : score == most ? 1.0f : rules->coldness > 0.0f ? exp(far * rules->coldness) : 0.0f;
    }
    KILN_MEET;
    KILN_WHERE(rules->top_k > 0)
    {
        const float wanted = (float)(rules->top_k > 0 ? min(rules->top_k, count) : count);
        kiln_sample_keep(&l, weights, kiln_sample_bound(&l, weights, wanted, true), wanted);
    }
    KILN_WHERE(rules->top_p < 1.0f)
    {
        const float wanted = rules->top_p * kiln_sample_above(&l, weights, 0.0f, false),
                    bound = kiln_sample_bound(&l, weights, wanted, false), next = kiln_sample_next(bound);
        const float missing = wanted - kiln_sample_above(&l, weights, next, false);
        kiln_sample_keep(&l, weights, bound,
                         kiln_sample_above(&l, weights, next, true) + fmax(ceil(missing / bound), 1.0f));
    }
    for (uint i = l.from; i < l.until; i++)
        own += weights[i];
    const float left = (rules->coldness > 0.0f ? unit : 0.0f) * kiln_sample_sum(&l, own, &before);
    /* The last lane that begins at or before it; should rounding leave something, its last token is drawn. */
    const float drawn = kiln_sample_most(&l, own > 0.0f && before <= left ? (float)lane : -1.0f);
    int token = INT_MIN;
    *mine = bad > 0.0f || drawn < 0.0f ? lane == 0 : drawn == (float)lane;
    for (uint i = l.from; i < l.until && *mine; i++) {
        if (!(weights[i] > 0.0f))
            continue;
        token = (int)i;
        before += weights[i];
        if (before > left)
            break;
    }
    return bad > 0.0f ? -1 - (int)(count - (uint)bad) : most == none ? INT_MIN : token;
}
