/* A trial: a small graph over random sources, run by a plan and compared with the reference.
 *
 * Sources lie in device buffers of their own, at odd offsets and between guard bands: not-a-number
 * for floats, far out of range for integers. A band or a source that a plan changes fails the
 * test. */
#ifndef HARNESS_TRIAL_H
#define HARNESS_TRIAL_H

#include "base/philox.h"
#include "harness/reference.h"

#define TRIAL_SOURCES 80
#define TRIAL_OUTPUTS 80

typedef struct trial_source {
    ir_id node;
    int slot; /* -1: a weight */
    kiln_dtype dtype;
    kiln_shape shape; /* of the buffer */
    size_t count, offset;
    double *values; /* each exact in dtype */
    bool fixed;     /* no gradient wanted */
    bool changes;   /* a plan may write it */
    ir_weight weight;
    cl_mem memory;
} trial_source;

typedef struct trial {
    ir_graph graph;
    reference reference;
    philox_sequence random;
    trial_source sources[TRIAL_SOURCES];
    int source_count;
    ir_id outputs[TRIAL_OUTPUTS];
    double tolerances[TRIAL_OUTPUTS];
    int output_count;
    /* gradients, after trial_differentiate */
    ir_id loss, gradients[TRIAL_SOURCES];
    bool differentiated;
    double *slopes; /* finite differences, made once: probes of each source in turn */
    plan_step step;
    uint64_t seed;
    blas_engine engine;
    bool half; /* values between launches are kept as half */
    size_t arena_bytes; /* of the plan that ran last */
    const char *only_usual_on; /* part of a device's name: there with the kernels it prefers alone */
    double tolerance;          /* of values: |difference| <= tolerance * (1 + |value|) */
    double gradient_tolerance; /* of gradients, likewise, with the largest gradient for the value */
} trial;

/* Graph empty, tolerances 1e-5 and 1e-4, a step of 1000 rows. */
void trial_start(trial *t, uint64_t seed);
void trial_end(trial *t);

/* Sources with random values: floats in low..high, kept clear of multiples of 1/2 where functions
 * may have a kink; whole numbers in low..high inclusive. */
ir_id trial_float(trial *t, kiln_shape shape, double low, double high);
ir_id trial_whole(trial *t, kiln_dtype dtype, kiln_shape shape, int low, int high);
ir_id trial_weight(trial *t, kiln_shape shape, double low, double high);
/* A float source with these values. */
ir_id trial_values(trial *t, kiln_shape shape, const double *values);
/* A buffer that no node stands for: data for op_batch. Returns its slot. */
int trial_buffer(trial *t, kiln_dtype dtype, kiln_shape shape, double low, double high);
trial_source *trial_source_of(trial *t, ir_id node);
double trial_random(trial *t, double low, double high);

/* Asks for a value (IR_NONE fails the test). */
void trial_output(trial *t, ir_id node);
/* Adds a loss, the outputs times random numbers, and asks for its gradients by all float sources
 * that are not fixed. */
void trial_differentiate(trial *t);

/* Makes a plan, runs it, compares all that was asked for, runs it again for the same bits. */
void trial_run(trial *t, kiln_device *device, const char *label);
/* The same on each device, with serial kernels and without. */
void trial_run_everywhere(trial *t, const char *label);

/* The parts: buffers on the device, a plan of one's own, and what is left to check. */
void trial_place(trial *t, kiln_device *device);
void trial_bind(trial *t, plan *p);
void trial_take_back(trial *t, kiln_device *device, const char *label);
/* |got - expected| <= tolerance * (1 + |expected|); NaN and infinities as they are. */
void trial_compare(const char *label, const char *what, const float *got, const double *expected,
                   int64_t count, double tolerance);

#endif
