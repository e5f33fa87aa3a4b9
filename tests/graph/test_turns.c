/* Launches in one kernel: small steps that are waited for, in turn and with the same bits; independent ones, in an order
 * that shares them out well. */
#include "graph/plan_inside.h"
#include "harness/harness.h"
#include "op/op.h"

#include <math.h>
#include <string.h>

enum { STEPS = 3 };

typedef struct sums {
    kiln_device *device;
    ir_weight left, right, start;
    cl_mem slab;
} sums;

static void fill(sums *s, kiln_device *device, int64_t width)
{
    size_t size = (size_t)(width * width), total = 2 * size + (size_t)width;
    *s = (sums){.device = device,
                .left = {.path = "left", .shape = {2, {width, width}}},
                .right = {.path = "right", .shape = {2, {width, width}}, .offset = size},
                .start = {.path = "start", .shape = {2, {1, width}}, .offset = 2 * size}};
    float *values = malloc(total * sizeof *values);
    for (size_t i = 0; i < total; i++)
        values[i] = sinf((float)i) / 4;
    harness_ok(device_alloc(device, total * sizeof *values, "weights", &s->slab));
    harness_ok(device_write(device, s->slab, 0, values, total * sizeof *values));
    free(values);
    s->left.memory = s->right.memory = s->start.memory = s->slab;
}

/* y = tanh(start left), through `steps` of h' = tanh(h right + y), and the sum of h' in front. */
static plan *make(sums *s, int64_t steps, bool waited_for)
{
    ir_graph g = {0};
    ir_id y = op_unary(
        &g, F_TANH, op_matmul(&g, op_weight(&g, &s->start), op_weight(&g, &s->left), false, false));
    harness_ok(op_scan_begin(&g, steps, false));
    ir_id h = op_scan_state(&g, y);
    ir_id next =
        op_unary(&g, F_TANH,
                 op_binary(&g, F_ADD, op_matmul(&g, h, op_weight(&g, &s->right), false, false), y));
    harness_ok(op_scan_update(&g, h, next));
    harness_ok(op_scan_end(&g));
    ir_id last = op_scan_final(&g, h),
          outputs[2] = {last, op_reduce(&g, R_SUM, last, 1, -1, false)};
    ck_assert_int_ge(outputs[1], 0);
    plan_request r = {.name = waited_for ? "turns" : "apart",
                      .graph = &g,
                      .loss = IR_NONE,
                      .output_count = 2,
                      .outputs = outputs,
                      .waited_for = waited_for};
    plan *p;
    harness_ok(plan_create(s->device, &r, &p));
    ir_free(&g);
    return p;
}

static size_t launches(sums *s, int64_t steps, bool waited_for, int64_t width, float *values)
{
    const unsigned avoid = s->device->avoid;
    s->device->avoid |= DEVICE_AVOID_PHASES;
    plan *p = make(s, steps, waited_for);
    s->device->avoid = avoid;
    plan_step records[STEPS] = {{.rows = 1}, {.rows = 1}, {.rows = 1}};
    size_t count = p->b.groups.count;
    harness_ok(plan_load_steps(p, records, STEPS));
    for (int i = 0; i < STEPS; i++) {
        harness_ok(plan_enqueue(p, 1));
        harness_ok(plan_read_output(p, 0, values));
        harness_ok(plan_read_output(p, 1, values + width));
    }
    plan_free(p);
    return count;
}

START_TEST(in_turn)
{
    static const struct {
        int64_t width, steps;
        bool one; /* launch is enough */
    } cases[] = {{24, 1, true}, {40, 1, true}, {512, 1, false}, {24, STEPS, true}};
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            int64_t width = cases[c].width, steps = cases[c].steps;
            float apart[513], turns[513];
            sums s;
            fill(&s, device, width);
            size_t many = launches(&s, steps, false, width, apart),
                   few = launches(&s, steps, true, width, turns);
            ck_assert_uint_gt(many, 1);
            if (steps == 1) /* a longer loop joins where it is a chain */
                ck_assert_uint_eq(few, cases[c].one && device->serial_kernels ? 1 : many);
            ck_assert_msg(memcmp(apart, turns, (size_t)(width + 1) * sizeof *apart) == 0,
                          "width %d: in turn comes out as %.9g, apart as %.9g", (int)width,
                          turns[0], apart[0]);
            device_free(device, s.slab);
        }
    }
}
END_TEST

/* Launches that wait for each other are phases of one kernel on PoCL: the same bits in one launch, of one step or of
 * many, and one by one when they are asked for so. */
START_TEST(phases)
{
    enum { WIDTH = 256, MANY = 200, LOADED = 1500 };
    HARNESS_EACH_DEVICE(device)
    {
        const int steps = harness_is_slow(device) ? 3 : MANY;
        float apart[WIDTH + 1], together[WIDTH + 1];
        static plan_step records[LOADED];
        for (int i = 0; i < LOADED; i++)
            records[i] = (plan_step){.rows = 1};
        sums s;
        fill(&s, device, WIDTH);
        const size_t many = launches(&s, 1, false, WIDTH, apart);
        plan *p = make(&s, 1, false);
        const call_list *calls;
        const size_t most = (size_t)(harness_is_slow(device) ? 2 : 50);
        const bool waits = device->serial_kernels && strstr(device->info.platform, "Portable Computing Language");
        ck_assert_uint_eq(p->calls.count, waits ? 1 : many);
        const size_t parts = plan_count_apart(p); /* short ones are one phase */
        ck_assert(waits ? parts > 1 && parts <= many : parts == many);
        ck_assert_uint_eq(p->b.groups.items[0].most_steps > 1, waits);
        harness_ok(plan_load_steps(p, records, LOADED));
        for (int i = 0; i < steps; i++) {
            memset(together, 0, sizeof together);
            if (i % 2 == 0) {
                harness_ok(plan_enqueue(p, i % 10 ? 1 : most));
            } else {
                harness_ok(plan_calls_apart(p, &calls));
                ck_assert_uint_eq(calls->count, parts);
                for (size_t k = 0; k < parts; k++)
                    harness_ok(plan_enqueue_call(p, &calls->items[k], 1));
            }
            harness_ok(plan_read_output(p, 0, together));
            harness_ok(plan_read_output(p, 1, together + WIDTH));
            ck_assert_msg(memcmp(apart, together, sizeof apart) == 0, "step %d: together comes out as %.9g, apart as %.9g",
                          i, together[0], apart[0]);
        }
        plan_free(p);
        device_free(device, s.slab);
    }
}
END_TEST

/* A kernel with a few heavy items and many light ones has the light ones first: threads take long runs at first. */
START_TEST(light_items_first)
{
    enum { WIDTH = 256 };
    HARNESS_EACH_DEVICE(device)
    {
        sums s;
        fill(&s, device, WIDTH);
        ir_graph g = {0};
        ir_id left = op_weight(&g, &s.left), right = op_weight(&g, &s.right);
        ir_id outputs[2] = {op_matmul(&g, left, right, true, false), op_reduce(&g, R_SUM, right, 1, -1, false)};
        ck_assert_int_ge(outputs[1], 0);
        plan_request r = {
            .name = "items", .graph = &g, .loss = IR_NONE, .output_count = 2, .outputs = outputs};
        plan *p;
        harness_ok(plan_create(device, &r, &p));
        if (device->serial_kernels) {
            const launch *last = &p->b.launches.items[p->b.launches.count - 1];
            ck_assert_uint_eq(p->b.groups.count, 1);
            ck_assert_msg(last->product.k == WIDTH, "%s: \"%s\" comes last", device->info.name,
                          last->name);
        }
        plan_free(p);
        ir_free(&g);
        device_free(device, s.slab);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *all = tcase_create("all");
    tcase_add_test(all, in_turn);
    tcase_add_test(all, phases);
    tcase_add_test(all, light_items_first);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
