#include "runner.h"

#include "graph/plan.h"

#include <math.h>

void runner_start(runner *r, kiln_device *device)
{
    *r = (runner){.device = device};
}

ir_id runner_input(runner *r, kiln_shape shape, const float *values)
{
    size_t bytes = (size_t)kiln_shape_size(shape) * sizeof *values;
    int slot = r->slots++;
    ck_assert_int_lt(slot, RUNNER_MAX);
    harness_ok(device_alloc(r->device, bytes, "a test's input", &r->memory[slot]));
    harness_ok(device_write(r->device, r->memory[slot], 0, values, bytes));
    r->rows[slot] = shape.dims[0];
    ir_id node = op_input(&r->graph, slot, KILN_FLOAT32, shape);
    ck_assert_msg(node != IR_NONE, "%s", kiln_last_error());
    return node;
}

void runner_run(runner *r, uint32_t rows, int count, const ir_id *outputs, float *const *values)
{
    runner_run_with(r, (runner_draws){.seed = 1}, rows, count, outputs, values);
}

void runner_run_with(runner *r, runner_draws draws, uint32_t rows, int count, const ir_id *outputs,
                     float *const *values)
{
    plan *p;
    plan_request request = {.name = "test",
                            .graph = &r->graph,
                            .output_count = count,
                            .outputs = outputs,
                            .loss = IR_NONE,
                            .engine = BLAS_TILE,
                            .seed = draws.seed};
    plan_step step = {.rows = rows, .step = draws.step, .sample = draws.sample};
    harness_ok(plan_create(r->device, &request, &p));
    for (int i = 0; i < r->slots; i++)
        harness_ok(plan_bind(p, i, r->memory[i], 0, r->rows[i]));
    harness_ok(plan_load_steps(p, &step, 1));
    harness_ok(plan_enqueue(p, 1));
    harness_ok(device_finish(r->device));
    for (int i = 0; i < count; i++)
        harness_ok(plan_read_output(p, i, values[i]));
    plan_free(p);
}

void runner_end(runner *r)
{
    for (int i = 0; i < r->slots; i++)
        device_free(r->device, r->memory[i]);
    ir_free(&r->graph);
}

void runner_compare(const char *what, const float *got, const float *expected, size_t count,
                    double tolerance)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs((double)got[i] - expected[i]) <= tolerance * fmax(1, fabs(expected[i])),
                      "%s: element %zu is %.9g, not %.9g", what, i, got[i], expected[i]);
}
