/* Runs a graph once on a device, for tests of what layers build. */
#ifndef RUNNER_H
#define RUNNER_H

#include "harness/harness.h"

#include "model/model.h"

#define RUNNER_MAX 64

typedef struct runner {
    ir_graph graph;
    int slots;
    cl_mem memory[RUNNER_MAX];
    int64_t rows[RUNNER_MAX];
    kiln_device *device;
} runner;

void runner_start(runner *r, kiln_device *device);
/* An input of the graph with these values; shape includes the batch axis. */
ir_id runner_input(runner *r, kiln_shape shape, const float *values);
/* Runs one step of `rows` rows and copies the outputs (values[i] has room for the i-th). */
void runner_run(runner *r, uint32_t rows, int count, const ir_id *outputs, float *const *values);
/* The same with draws of another seed, step and first sample (runner_run: 1, 0 and 0). */
typedef struct runner_draws {
    uint64_t seed;
    uint32_t step, sample;
} runner_draws;
void runner_run_with(runner *r, runner_draws draws, uint32_t rows, int count, const ir_id *outputs,
                     float *const *values);
void runner_end(runner *r);

/* Numbers as the Python scripts beside make them: (i * step % base - base / 2) * 0.31 + 0.07. To be
 * freed. */
float *runner_pattern(size_t count, int step, int base);
/* A model's weights as make_recurrent.py sets them, times scale. */
void runner_set_weights(kiln_model *model, float scale);

/* All elements agree within a part `tolerance` of the larger of 1 and the expected value. */
void runner_compare(const char *what, const float *got, const float *expected, size_t count,
                    double tolerance);

#endif
