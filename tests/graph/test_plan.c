/* Plans as a whole: one weight used twice, frozen weights, several inputs and outputs, whole
 * numbers, two batch axes, two plans that share weights and train in turn, running sums, partial
 * batches, long tables of steps. */
#include "graph/autodiff.h"
#include "harness/harness.h"
#include "harness/trial.h"

#include <math.h>

static kiln_shape shape2(int64_t a, int64_t b)
{
    return (kiln_shape){2, {a, b}};
}

START_TEST(shared_weight)
{
    trial t;
    trial_start(&t, 11);
    ir_graph *g = &t.graph;
    ir_id x = trial_float(&t, shape2(6, 5), -1, 1), y = trial_float(&t, shape2(4, 5), -1, 1);
    ir_id w = trial_weight(&t, shape2(5, 5), -0.5, 0.5);
    ir_id once = op_unary(g, F_TANH, op_matmul(g, x, w, false, false));
    trial_output(&t,
                 op_matmul(g, once, w, false, true)); /* twice in a row, and in another branch */
    trial_output(&t, op_unary(g, F_SIGMOID, op_matmul(g, y, w, false, false)));
    trial_differentiate(&t);
    trial_run_everywhere(&t, "a weight used three times");
    trial_end(&t);
}
END_TEST

START_TEST(inputs_of_all_kinds)
{
    trial t;
    trial_start(&t, 12);
    ir_graph *g = &t.graph;
    ir_id words = trial_whole(&t, KILN_INT32, shape2(3, 4), 0, 6),
          bytes = trial_whole(&t, KILN_UINT8, shape2(3, 4), 0, 255);
    ir_id table = trial_weight(&t, shape2(7, 5), -1, 1);
    ir_id embedded = op_gather(g, table, words);
    ir_id scaled = op_affine(g, bytes, 1.0 / 255, 0);
    trial_output(&t, embedded);
    trial_output(&t,
                 op_binary(g, F_MUL, embedded, op_reshape(g, scaled, (kiln_shape){3, {3, 4, 1}})));
    trial_differentiate(&t);
    trial_run_everywhere(&t, "whole numbers and bytes");
    trial_end(&t);
}
END_TEST

START_TEST(two_batch_axes)
{
    trial t;
    trial_start(&t, 13);
    ir_graph *g = &t.graph;
    ir_id q = trial_float(&t, (kiln_shape){4, {2, 3, 5, 4}}, -1, 1),
          k = trial_float(&t, (kiln_shape){4, {2, 3, 6, 4}}, -1, 1);
    ir_id v = trial_float(&t, (kiln_shape){4, {2, 1, 6, 7}}, -1, 1); /* shared by the heads */
    ir_id attention = op_softmax(g, op_affine(g, op_matmul(g, q, k, false, true), 0.5, 0));
    trial_output(&t, op_matmul(g, attention, v, false, false));
    trial_differentiate(&t);
    trial_run_everywhere(&t, "attention");
    trial_end(&t);
}
END_TEST

/* ---- training by hand: weights in one buffer, SGD ---- */
typedef struct network {
    kiln_device *device;
    ir_weight a, b; /* (3, 4), (4, 2) */
    cl_mem slab, data, order;
} network;

static void network_open(network *n, kiln_device *device)
{
    float start[128], data[48];
    int order[16];
    *n = (network){.device = device,
                   .a = {.path = "a", .shape = shape2(3, 4)},
                   .b = {.path = "b", .shape = shape2(4, 2), .offset = 64}};
    for (int i = 0; i < 128; i++)
        start[i] = sinf((float)i) / 2;
    for (int i = 0; i < 48; i++)
        data[i] = cosf((float)(3 * i));
    for (int i = 0; i < 16; i++)
        order[i] = (i * 5) % 16;
    harness_ok(device_alloc(device, sizeof start, "weights", &n->slab));
    harness_ok(device_alloc(device, sizeof data, "data", &n->data));
    harness_ok(device_alloc(device, sizeof order, "order", &n->order));
    harness_ok(device_write(device, n->slab, 0, start, sizeof start));
    harness_ok(device_write(device, n->data, 0, data, sizeof data));
    harness_ok(device_write(device, n->order, 0, order, sizeof order));
    n->a.memory = n->b.memory = n->slab;
}

static void network_close(network *n)
{
    device_free(n->device, n->slab);
    device_free(n->device, n->data);
    device_free(n->device, n->order);
}

/* A plan over batches of 8 rows that trains the given weights; its loss is the mean over the
 * batch's rows of the squared outputs minus 1. */
static plan *network_plan(network *n, bool train_a, bool train_b, const plan_optimizer *rule,
                          double target)
{
    ir_graph g = {0};
    ir_id x = op_batch(&g, 0, 1, KILN_FLOAT32, shape2(8, 3), 1);
    ir_id wa = op_weight(&g, &n->a), wb = op_weight(&g, &n->b);
    ir_id y =
        op_matmul(&g, op_unary(&g, F_TANH, op_matmul(&g, x, wa, false, false)), wb, false, false);
    ir_id error =
        op_reduce(&g, R_SUM, op_unary(&g, F_SQUARE, op_affine(&g, y, 1, -target)), -1, -1, false);
    ir_id sum = op_reduce(&g, R_SUM, op_binary(&g, F_MUL, error, op_row_mask(&g, 8)), 0, 0, false);
    ir_id loss = op_binary(&g, F_DIV, sum, op_row_count(&g)), wrt[2] = {IR_NONE, IR_NONE},
          gradients[2];
    int count = 0;
    plan_update updates[2];
    if (train_a)
        wrt[count++] = wa;
    if (train_b)
        wrt[count++] = wb;
    harness_ok(graph_gradients(&g, loss, count, wrt, gradients));
    for (int i = 0; i < count; i++)
        updates[i] = (plan_update){wrt[i] == wa ? &n->a : &n->b, gradients[i]};
    ir_id sums[2] = {sum, op_row_count(&g)};
    plan_request r = {.name = "network",
                      .graph = &g,
                      .accumulator_count = 2,
                      .accumulators = sums,
                      .loss = loss,
                      .update_count = count,
                      .updates = updates,
                      .optimizer = rule,
                      .seed = 1};
    plan *p;
    harness_ok(plan_create(n->device, &r, &p));
    harness_ok(plan_bind(p, 0, n->data, 0, 16));
    harness_ok(plan_bind(p, 1, n->order, 0, 16));
    ir_free(&g);
    return p;
}

static void run(plan *p, int steps, uint32_t rows)
{
    plan_step *list = calloc((size_t)steps, sizeof *list);
    for (int i = 0; i < steps; i++)
        list[i] = (plan_step){
            .position = 8 * (uint32_t)(i % 2), .rows = rows, .step = (uint32_t)i, .rate = 0.05f};
    harness_ok(plan_load_steps(p, list, (size_t)steps));
    harness_ok(plan_enqueue(p, (size_t)steps));
    free(list);
}

static double mean_loss(plan *p)
{
    double sums[2];
    harness_ok(plan_read_accumulators(p, sums));
    harness_ok(plan_reset_accumulators(p));
    return sums[0] / sums[1];
}

static const plan_optimizer sgd = {.defines = "#define KILN_RULE_SGD 1\n"};

START_TEST(frozen_weights_stay)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        float before[128], after[128];
        network_open(&n, device);
        harness_ok(device_read(device, n.slab, 0, before, sizeof before));
        plan *both = network_plan(&n, true, true, &sgd, 1),
             *one = network_plan(&n, false, true, &sgd, 1);
        plan_facts f, g;
        plan_describe(both, &f);
        plan_describe(one, &g);
        ck_assert(g.flops < f.flops); /* what only the frozen weight needs is not computed */
        run(one, 20, 8);
        harness_ok(device_read(device, n.slab, 0, after, sizeof after));
        ck_assert_mem_eq(before, after, 12 * sizeof *before);
        ck_assert(memcmp(before + 64, after + 64, 8 * sizeof *before) != 0);
        plan_free(both);
        plan_free(one);
        network_close(&n);
    }
}
END_TEST

/* Two plans over the same weights, each with a rule of its own, take turns. */
START_TEST(two_in_turn)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        network_open(&n, device);
        plan_optimizer momentum = {.defines = "#define KILN_RULE_SGD 1\n#define KILN_USE_MOMENTUM "
                                              "1\n#define KILN_MOMENTUM 0.5f\n",
                                   .slot_count = 1};
        harness_ok(device_alloc(device, 512, "momentum", &momentum.slots[0]));
        harness_ok(device_fill_zero(device, momentum.slots[0], 0, 512));
        plan *up = network_plan(&n, true, false, &momentum, 1),
             *down = network_plan(&n, false, true, &sgd, -1);
        run(up, 2, 8);
        double first = mean_loss(up);
        for (int i = 0; i < (harness_is_slow(device) ? 4 : 20); i++)
            run(up, 2, 8);
        mean_loss(up);
        run(up, 2, 8);
        double second = mean_loss(up);
        ck_assert_msg(second < first, "%g after %g", second, first);
        run(down, 2, 8);
        double third = mean_loss(down);
        for (int i = 0; i < (harness_is_slow(device) ? 4 : 20); i++)
            run(down, 2, 8);
        mean_loss(down);
        run(down, 2, 8);
        ck_assert(mean_loss(down) < third);
        run(up, 2, 8); /* the other's steps are seen here */
        ck_assert(fabs(mean_loss(up) - second) > 1e-4);
        plan_free(up);
        plan_free(down);
        device_free(device, momentum.slots[0]);
        network_close(&n);
    }
}
END_TEST

/* Rows beyond the batch count for nothing; all rules of clipping and accumulation move weights as
 * their definitions say. */
START_TEST(sums_and_steps)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        network_open(&n, device);
        plan *p = network_plan(&n, true, true, &sgd, 1);
        int64_t bad;
        double sums[2];
        ck_assert_uint_eq(plan_accumulator_size(p), 2);
        run(p, 3, 5);
        harness_ok(plan_read_accumulators(p, sums));
        ck_assert_double_eq(sums[1], 15);
        harness_ok(plan_reset_accumulators(p));
        if (!harness_is_slow(device)) { /* more steps than the table has room for at first */
            run(p, 5000, 8);
            harness_ok(plan_read_accumulators(p, sums));
            ck_assert_double_eq(sums[1], 40000);
        }
        harness_ok(plan_read_bad_step(p, &bad));
        ck_assert_int_eq(bad, -1);
        float nan = NAN;
        harness_ok(device_write(device, n.slab, 0, &nan, 4));
        run(p, 2, 8);
        harness_ok(plan_read_bad_step(p, &bad));
        ck_assert_int_eq(bad, 0);
        char where[128];
        harness_ok(plan_load_steps(p, &(plan_step){.rows = 8, .rate = 0.05f}, 1));
        harness_ok(plan_check_numerics(p, where, sizeof where));
        ck_assert_msg(strstr(where, "matmul"), "%s", where);
        harness_fails(plan_enqueue(p, 1), KILN_ERROR_ARGUMENT, "has 0 steps left");
        plan_free(p);
        network_close(&n);
    }
}
END_TEST

/* The change of both weights in one step. */
static void change(kiln_device *device, const plan_optimizer *rule, int steps, double *out /* 20 */)
{
    network n;
    float before[128], after[128];
    network_open(&n, device);
    harness_ok(device_read(device, n.slab, 0, before, sizeof before));
    plan *p = network_plan(&n, true, true, rule, 1);
    run(p, steps, 8);
    harness_ok(device_finish(device));
    harness_ok(device_read(device, n.slab, 0, after, sizeof after));
    for (int i = 0; i < 20; i++)
        out[i] = (double)after[i < 12 ? i : 64 + i - 12] - (double)before[i < 12 ? i : 64 + i - 12];
    plan_free(p);
    network_close(&n);
}

START_TEST(clipping)
{
    HARNESS_EACH_DEVICE(device)
    {
        double plain[20], got[20], squares[2] = {0};
        change(device, &sgd, 1, plain);
        for (int i = 0; i < 20; i++)
            squares[i >= 12] += plain[i] * plain[i];
        const double norm = 0.01; /* of the gradient; the rate is 0.05 */
        plan_optimizer rule = sgd;
        rule.clipnorm = (float)norm;
        change(device, &rule, 1, got);
        for (int i = 0; i < 20; i++)
            ck_assert_double_eq_tol(got[i], plain[i] * 0.05 * norm / sqrt(squares[i >= 12]), 2e-7);
        rule = sgd;
        rule.global_clipnorm = (float)norm;
        change(device, &rule, 1, got);
        for (int i = 0; i < 20; i++)
            ck_assert_double_eq_tol(got[i], plain[i] * 0.05 * norm / sqrt(squares[0] + squares[1]),
                                    2e-7);
        rule = sgd;
        rule.clipvalue = 0.02f;
        change(device, &rule, 1, got);
        for (int i = 0; i < 20; i++)
            ck_assert_double_eq_tol(got[i], fmax(-0.001, fmin(0.001, plain[i])), 2e-7);
        /* Two accumulated steps over the two halves of the data: their mean. */
        rule = sgd;
        rule.accumulate = 2;
        rule.slot_count = 1;
        harness_ok(device_alloc(device, 512, "accumulator", &rule.slots[0]));
        harness_ok(device_fill_zero(device, rule.slots[0], 0, 512));
        change(device, &rule, 1, got);
        for (int i = 0; i < 20; i++)
            ck_assert_double_eq(got[i], 0);
        harness_ok(device_fill_zero(device, rule.slots[0], 0, 512));
        change(device, &rule, 2, got);
        double different = 0;
        for (int i = 0; i < 20; i++)
            different += fabs(got[i]);
        ck_assert(different > 0);
        device_free(device, rule.slots[0]);
    }
}
END_TEST

/* The drawing: each node once, and each arrow between nodes that are there. */
START_TEST(drawing)
{
    HARNESS_EACH_DEVICE(device)
    {
        network n;
        network_open(&n, device);
        n.a.path = "a \"quoted\" \\ name";
        plan *p = network_plan(&n, true, true, &sgd, 1);
        text t = {0};
        harness_ok(plan_dot(p, &t));
        ck_assert_ptr_nonnull(strstr(t.data, "a \\\"quoted\\\" \\\\ name"));
        int arrows = 0, open = 0;
        for (const char *s = t.data; *s; s++)
            open += (*s == '{') - (*s == '}');
        ck_assert_int_eq(open, 0);
        for (const char *s = t.data; (s = strstr(s, " -> n")) != NULL; s++, arrows++) {
            char ends[2][24];
            const char *start = s;
            while (start[-1] != ' ')
                start--;
            snprintf(ends[0], sizeof ends[0], " %.*s [label", (int)(s - start), start);
            snprintf(ends[1], sizeof ends[1], " n%d [label", atoi(s + 5));
            for (int i = 0; i < 2; i++) {
                const char *found = strstr(t.data, ends[i]);
                ck_assert_msg(found && !strstr(found + 1, ends[i]), "node%s", ends[i]);
            }
        }
        ck_assert_int_gt(arrows, 20);
        text_free(&t);
        plan_free(p);
        network_close(&n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *all = tcase_create("all");
    tcase_add_test(all, shared_weight);
    tcase_add_test(all, inputs_of_all_kinds);
    tcase_add_test(all, two_batch_axes);
    tcase_add_test(all, frozen_weights_stay);
    tcase_add_test(all, two_in_turn);
    tcase_add_test(all, sums_and_steps);
    tcase_add_test(all, clipping);
    tcase_add_test(all, drawing);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
