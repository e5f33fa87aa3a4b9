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

float *runner_pattern(size_t count, int step, int base)
{
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++)
        values[i] =
            (float)((double)((int)(i * (size_t)step % (size_t)base) - base / 2) * 0.31 + 0.07);
    return values;
}

void runner_set_weights(kiln_model *model, float scale)
{
    for (size_t i = 0; i < kiln_model_weight_count(model); i++) {
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        float *values = malloc(count * sizeof *values);
        ck_assert_ptr_nonnull(values);
        for (size_t k = 0; k < count; k++)
            values[k] = (float)((int)((k * 7 + i * 3) % 13) - 6) * 0.125f * scale;
        if (strstr(kiln_model_weight_path(model, i), "variance"))
            for (size_t k = 0; k < count; k++)
                values[k] = fabsf(values[k]) + 0.5f;
        harness_ok(kiln_set_weights(model, i, values, count));
        free(values);
    }
}
