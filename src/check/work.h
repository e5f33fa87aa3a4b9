/* One case of the self-check: a graph, its inputs, and what has to come out. */
#ifndef CHECK_WORK_H
#define CHECK_WORK_H

#include "base/philox.h"
#include "graph/plan.h"

enum { CHECK_SOURCES = 12, CHECK_WEIGHTS = 4, CHECK_OUTPUTS = 16, CHECK_OWNED = 96 };

typedef struct check_work {
    kiln_device *device;
    ir_graph graph;
    philox_sequence draws;
    struct {
        kiln_dtype dtype;
        size_t bytes;
        void *values;
        int64_t rows;
        const int32_t *after; /* what a step leaves in it; NULL: it stays */
    } sources[CHECK_SOURCES]; /* by slot */
    int source_count;
    struct {
        ir_weight weight;
        float *values;
        double *after; /* what training makes of them; NULL: they stay */
        ir_id gradient;
    } weights[CHECK_WEIGHTS];
    int weight_count;
    struct {
        const char *what;
        ir_id node;
        double *values, tolerance; /* of differences over 1 + |value| */
    } outputs[CHECK_OUTPUTS];
    int output_count;
    ir_id loss;
    blas_engine engine;
    plan_sample sample;
    bool samples;
    plan_step steps[4];
    int step_count;
    void *owned[CHECK_OWNED];
    int owned_count;
    bool failed; /* no memory; the failure is on record */
} check_work;

/* A case adds to an empty work; or, with `direct`, runs kernels of its own. */
typedef struct check_case {
    const char *name; /* "products" */
    void (*make)(check_work *w);
    kiln_status (*direct)(kiln_device *device);
    blas_engine engine; /* of its products; BLAS_AUTO: tile */
} check_case;

extern const check_case check_cases[];
extern const size_t check_case_count;
/* Apart: it compiles for seconds, and what is wrong with it puts nothing of the device in doubt. */
extern const check_case check_clblast;

/* Zeroed memory that lives as long as the work. After a failure one and the same small block comes
 * back: cases look at `failed` once, at the end. */
void *check_memory(check_work *w, int64_t count, size_t size);

/* An input filled with draws; *node gets it. The values are what the device will read. */
float *check_floats(check_work *w, kiln_shape shape, double low, double high, ir_id *node);
int32_t *check_whole(check_work *w, kiln_shape shape, int below, ir_id *node);
/* A slot, of op_batch say: room for so many elements, to be filled by the case. */
void *check_slot(check_work *w, kiln_dtype dtype, int64_t count, int64_t rows, int *slot);
float *check_weight(check_work *w, kiln_shape shape, double low, double high, ir_id *node);

/* Room for what a node has to be. */
double *check_expect(check_work *w, const char *what, ir_id node, double tolerance);

/* Runs a case on its device and compares. A wrong result is the failure KILN_ERROR_DEVICE with a sentence. */
kiln_status check_run(kiln_device *device, const check_case *one);

/* Fails with what is wrong. */
kiln_status check_wrong(const char *what, size_t at, double got, double want);

#endif
