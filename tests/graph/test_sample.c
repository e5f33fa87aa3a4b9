/* Tokens drawn on the device: temperature, top-k and top-p, beside a reference in double precision. */
#include "graph/plan.h"
#include "harness/harness.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>

enum { RULES, CHANCES, TOKENS, ORDER, SCORES, SLOTS, MOST_STEPS = 1000 };

typedef struct drawing {
    kiln_device *device;
    plan *plan;
    cl_mem memory[SLOTS];
    size_t steps;
} drawing;

static void open_drawing(drawing *d, kiln_device *device, int count, size_t steps)
{
    const size_t bytes[SLOTS] = {sizeof(sample_rules), steps * sizeof(sample_chance), steps * sizeof(int32_t), sizeof(int32_t),
                                 (size_t)count * sizeof(float)};
    ir_graph g = {0};
    ir_id scores = op_affine(&g, op_input(&g, SCORES, KILN_FLOAT32, (kiln_shape){2, {1, count}}), 1, 0);
    const plan_sample sample = {
        .rules_slot = RULES, .chances_slot = CHANCES, .tokens_slot = TOKENS, .order_slot = ORDER};
    const plan_request r = {.name = "draws",
                            .graph = &g,
                            .loss = IR_NONE,
                            .output_count = 1,
                            .outputs = &scores,
                            .sample = &sample,
                            .waited_for = true};
    *d = (drawing){.device = device, .steps = steps};
    harness_ok(plan_create(device, &r, &d->plan));
    for (int i = 0; i < SLOTS; i++) {
        harness_ok(device_alloc(device, bytes[i], "a slot", &d->memory[i]));
        harness_ok(plan_bind(d->plan, i, d->memory[i], 0, 1));
    }
    ir_free(&g);
}

static void close_drawing(drawing *d)
{
    plan_free(d->plan);
    for (int i = 0; i < SLOTS; i++)
        device_free(d->device, d->memory[i]);
}

/* Draws once for each chance. */
static void draw(drawing *d, const float *scores, int count, const sample_rules *rules, const sample_chance *chances,
                 int32_t *tokens)
{
    static plan_step steps[MOST_STEPS];
    int32_t last;
    for (size_t i = 0; i < d->steps; i++)
        steps[i] = (plan_step){.rows = 1};
    harness_ok(device_write(d->device, d->memory[SCORES], 0, scores, (size_t)count * sizeof *scores));
    harness_ok(device_write(d->device, d->memory[RULES], 0, rules, sizeof *rules));
    harness_ok(device_write(d->device, d->memory[CHANCES], 0, chances, d->steps * sizeof *chances));
    harness_ok(plan_load_steps(d->plan, steps, d->steps));
    harness_ok(plan_enqueue(d->plan, d->steps));
    harness_ok(device_read(d->device, d->memory[TOKENS], 0, tokens, d->steps * sizeof *tokens));
    harness_ok(device_read(d->device, d->memory[ORDER], 0, &last, sizeof last));
    ck_assert_int_eq(last, tokens[d->steps - 1] > 0 ? tokens[d->steps - 1] : 0);
}

/* Evenly spread numbers draw each token as often as its share says. */
START_TEST(shares)
{
    enum { COUNT = 4 };
    /* softmax: 0.1, 0.4, 0.3, 0.2 */
    const float parts[COUNT] = {0.1f, 0.4f, 0.3f, 0.2f};
    float scores[COUNT];
    static const struct {
        sample_rules rules;
        double shares[COUNT];
    } cases[] = {
        {{.coldness = 1, .top_p = 1}, {0.1, 0.4, 0.3, 0.2}},
        {{.coldness = 1, .top_p = 1, .probabilities = 1}, {0.1, 0.4, 0.3, 0.2}},
        {{.coldness = 0, .top_p = 1}, {0, 1, 0, 0}},
        {{.coldness = 0, .top_p = 1, .probabilities = 1}, {0, 1, 0, 0}},
        {{.coldness = 1000, .top_p = 1}, {0, 1, 0, 0}},
        {{.coldness = 1e30f, .top_p = 1}, {0, 1, 0, 0}},
        {{.coldness = 2, .top_p = 1}, {1 / 30., 16 / 30., 9 / 30., 4 / 30.}},
        {{.coldness = 2, .top_p = 1, .probabilities = 1}, {1 / 30., 16 / 30., 9 / 30., 4 / 30.}},
        {{.coldness = 1, .top_p = 1, .top_k = 1}, {0, 1, 0, 0}},
        {{.coldness = 1, .top_p = 1, .top_k = 2}, {0, 4 / 7., 3 / 7., 0}},
        {{.coldness = 1, .top_p = 1, .top_k = 9}, {0.1, 0.4, 0.3, 0.2}},
        {{.coldness = 1, .top_p = 0.39f}, {0, 1, 0, 0}},
        {{.coldness = 1, .top_p = 0.6f}, {0, 4 / 7., 3 / 7., 0}},
        {{.coldness = 1, .top_p = 0.8f}, {0, 4 / 9., 3 / 9., 2 / 9.}},
        {{.coldness = 1, .top_p = 0.8f, .top_k = 2}, {0, 4 / 7., 3 / 7., 0}},
        {{.coldness = 1, .top_p = 1, .skip = 2}, {0, 0, 0.6, 0.4}},
        {{.coldness = 1, .top_p = 1, .top_k = 1, .skip = 2}, {0, 0, 1, 0}},
        {{.coldness = 0, .top_p = 1, .skip = 2}, {0, 0, 1, 0}},
    };
    for (int i = 0; i < COUNT; i++)
        scores[i] = logf(parts[i]) + 3;
    HARNESS_EACH_DEVICE(device)
    {
        static sample_chance chances[MOST_STEPS];
        static int32_t tokens[MOST_STEPS];
        drawing d;
        open_drawing(&d, device, COUNT, harness_is_slow(device) ? 40 : MOST_STEPS);
        for (size_t i = 0; i < d.steps; i++)
            chances[i] = (sample_chance){((float)i + 0.5f) / (float)d.steps, -1};
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            double times[COUNT] = {0};
            draw(&d, cases[c].rules.probabilities ? parts : scores, COUNT, &cases[c].rules, chances, tokens);
            for (size_t i = 0; i < d.steps; i++) {
                ck_assert_int_ge(tokens[i], 0);
                ck_assert_int_lt(tokens[i], COUNT);
                times[tokens[i]]++;
            }
            for (int i = 0; i < COUNT; i++)
                ck_assert_msg(fabs(times[i] - cases[c].shares[i] * (double)d.steps) <= 2,
                              "%s, case %zu: token %d %g times, not %g", device->info.name, c, i, times[i],
                              cases[c].shares[i] * (double)d.steps);
        }
        close_drawing(&d);
    }
}
END_TEST

typedef struct place {
    double weight;
    int token;
} place;

static int by_weight(const void *a, const void *b)
{
    const place *x = a, *y = b;
    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->token - y->token;
}

/* The weights of all tokens, 0 of those that are not drawn; their sum. */
static double weigh(const float *scores, int count, const sample_rules *rules, double *weights)
{
    place *places = malloc((size_t)count * sizeof *places);
    double most = -INFINITY, sum = 0, share = 0;
    size_t n = 0, kept = 0;
    for (int i = (int)rules->skip; i < count; i++)
        most = fmax(most, (double)scores[i]);
    for (int i = (int)rules->skip; i < count; i++)
        places[n++] = (place){exp(((double)scores[i] - most) * (double)rules->coldness), i};
    qsort(places, n, sizeof *places, by_weight);
    if (rules->top_k > 0 && rules->top_k < n)
        n = rules->top_k;
    for (size_t i = 0; i < n; i++)
        sum += places[i].weight;
    while (kept < n && share < (double)rules->top_p * sum)
        share += places[kept++].weight;
    for (int i = 0; i < count; i++)
        weights[i] = 0;
    for (size_t i = 0; i < kept; i++)
        weights[places[i].token] = places[i].weight;
    free(places);
    return share;
}

/* Vocabularies of odd sizes, many equal scores among them: each token that comes out is the one in whose share the number
 * lies. */
START_TEST(beside_a_reference)
{
    enum { STEPS = 20, LARGEST = 3001 };
    static const int counts[] = {1, 3, 31, 65, 129, LARGEST};
    static const sample_rules rules[] = {
        {.coldness = 1, .top_p = 1},
        {.coldness = 1.25f, .top_p = 0.9f},
        {.coldness = 0.5f, .top_p = 0.5f, .skip = 1},
        {.coldness = 0.8f, .top_p = 1, .top_k = 10},
        {.coldness = 1, .top_p = 0.7f, .top_k = 50, .skip = 2},
    };
    HARNESS_EACH_DEVICE(device)
    {
        static float scores[LARGEST];
        static double weights[LARGEST];
        philox_sequence draws = philox_start(5, 1);
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            const int count = counts[c];
            sample_chance chances[STEPS];
            int32_t tokens[STEPS];
            drawing d;
            if (count > 200 && harness_is_slow(device))
                continue;
            open_drawing(&d, device, count, STEPS);
            for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
                if (rules[r].skip >= (uint32_t)count)
                    continue;
                for (int i = 0; i < count; i++)
                    scores[i] = r % 2 ? (float)philox_below(&draws, 16) / 4 : 8 * philox_unit(&draws) - 20;
                for (int i = 0; i < STEPS; i++)
                    chances[i] = (sample_chance){philox_unit(&draws), -1};
                chances[0].unit = 0;
                chances[1].unit = 0x1.fffffep-1f;
                chances[STEPS / 2].token = 0; /* forced */
                draw(&d, scores, count, &rules[r], chances, tokens);
                const double sum = weigh(scores, count, &rules[r], weights);
                ck_assert_int_eq(tokens[STEPS / 2], 0);
                for (int i = 0; i < STEPS; i++) {
                    double before = 0, unit = (double)chances[i].unit;
                    if (i == STEPS / 2)
                        continue;
                    ck_assert_msg(tokens[i] >= 0 && tokens[i] < count && weights[tokens[i]] > 0,
                                  "%s: of %d, by rules %zu: token %d", device->info.name, count, r, tokens[i]);
                    for (int k = 0; k < tokens[i]; k++)
                        before += weights[k];
                    ck_assert_msg(before / sum <= unit + 2e-6 && (before + weights[tokens[i]]) / sum >= unit - 2e-6,
                                  "%s: of %d, by rules %zu: token %d for %g", device->info.name, count, r, tokens[i], unit);
                }
            }
            close_drawing(&d);
        }
    }
}
END_TEST

START_TEST(says_what_is_wrong)
{
    enum { COUNT = 70 };
    const sample_rules logarithms = {.coldness = 1, .top_p = 0.9f, .top_k = 3}, parts = {.coldness = 1, .top_p = 1, .probabilities = 1};
    HARNESS_EACH_DEVICE(device)
    {
        float scores[COUNT] = {0};
        sample_chance chances[2] = {{0.5f, -1}, {0.5f, 3}};
        int32_t tokens[2];
        drawing d;
        open_drawing(&d, device, COUNT, 2);
        scores[66] = NAN;
        scores[69] = INFINITY;
        draw(&d, scores, COUNT, &logarithms, chances, tokens);
        ck_assert_int_eq(tokens[0], -1 - 66);
        ck_assert_int_eq(tokens[1], 3);
        scores[66] = 0;
        draw(&d, scores, COUNT, &logarithms, chances, tokens);
        ck_assert_int_eq(tokens[0], -1 - 69);
        for (int i = 0; i < COUNT; i++)
            scores[i] = -INFINITY;
        draw(&d, scores, COUNT, &logarithms, chances, tokens);
        ck_assert_int_eq(tokens[0], INT32_MIN);
        scores[68] = -3; /* all there is */
        draw(&d, scores, COUNT, &logarithms, chances, tokens);
        ck_assert_int_eq(tokens[0], 68);
        for (int i = 0; i < COUNT; i++)
            scores[i] = 0;
        draw(&d, scores, COUNT, &parts, chances, tokens);
        ck_assert_int_eq(tokens[0], INT32_MIN);
        scores[1] = 0.75f;
        draw(&d, scores, COUNT, &parts, chances, tokens);
        ck_assert_int_eq(tokens[0], 1);
        scores[0] = -0.25f;
        draw(&d, scores, COUNT, &parts, chances, tokens);
        ck_assert_int_eq(tokens[0], -1);
        close_drawing(&d);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sample");
    TCase *all = tcase_create("all");
    tcase_add_test(all, shares);
    tcase_add_test(all, beside_a_reference);
    tcase_add_test(all, says_what_is_wrong);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
