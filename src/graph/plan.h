/* A plan: a graph turned into a flat list of bound launches over preallocated memory. Running a
 * step enqueues them; nothing is allocated, no argument is set, nothing is read back. */
#ifndef GRAPH_PLAN_H
#define GRAPH_PLAN_H

#include "blas/blas.h"
#include "op/op.h"

typedef struct plan plan;

/* What changes from step to step; a table of these goes to the device once for many steps
 * (kiln_state in cl/common.clh). */
typedef struct plan_step {
    uint32_t position; /* of the batch's first row in the order */
    uint32_t rows;     /* in this batch: 1..batch */
    uint32_t step;     /* for random draws: counts all training steps from 0 */
    uint32_t
        sample; /* for random draws: global index, within the step, of this batch's first row */
    float rate; /* learning rate */
    float factor[3]; /* the optimizer's own, e.g. Adam's bias corrections */
} plan_step;

/* How weights are updated: a text of OpenCL C and its state. The expression file defines
 * KILN_UPDATE for one weight element; see cl/optimizer.cl. Slots are buffers laid out like the
 * updates in plan_request (one after the other, each aligned to 64 elements; see
 * plan_update_offsets). */
typedef struct plan_optimizer {
    const char *defines; /* "#define ..." lines put before cl/optimizer.cl: rule and constants */
    int slot_count;      /* 0..4 */
    cl_mem slots[4];
    float clipvalue, clipnorm, global_clipnorm; /* 0: none */
    int accumulate; /* steps of gradient accumulation; the last slot is then the accumulator */
    /* Two numbers, or NULL: what the loss was multiplied by before the gradients were taken, and how
     * many steps in a row it was good for. A step with a gradient that is not finite updates no
     * weight and halves the scale; `scale_growth` good steps double it. */
    ir_weight *scale;
    int scale_growth;
} plan_optimizer;

typedef struct plan_update {
    ir_weight *weight;
    ir_id gradient;
} plan_update;

/* A weight set to a node's value at each step (moving statistics). */
typedef struct plan_assign {
    ir_weight *weight;
    ir_id value;
} plan_assign;

/* How a token is drawn from scores; kiln_sample_rules in cl/sample.cl. */
typedef struct sample_rules {
    float coldness; /* 1 / temperature; 0: always the likeliest, of equal ones the first */
    float top_p;    /* below 1: only of the fewest tokens that have this share */
    uint32_t top_k; /* only of so many likeliest, of equal ones the first; 0: all */
    uint32_t skip;  /* tokens at the start that are never drawn */
    uint32_t probabilities; /* 1: the scores are such; 0: logarithms of them, up to a constant */
} sample_rules;

/* For each step; kiln_sample_chance in cl/sample.cl. */
typedef struct sample_chance {
    float unit;    /* in [0, 1): which of the tokens, side by side by their probabilities */
    int32_t token; /* that comes next whatever the scores are; -1: it is drawn */
} sample_chance;

/* A token drawn at the end of each step. In slots: one sample_rules, and by the number of the loaded step its
 * sample_chance and the token that came of it (int32): -1 - i where the score of token i is not finite (or a negative
 * probability), INT32_MIN where none has a chance. The order's first entry becomes the token (0 for those that are none),
 * so that the next step reads its row of a table. */
typedef struct plan_sample {
    int output; /* that has a score for each token */
    int rules_slot, chances_slot, tokens_slot, order_slot;
} plan_sample;

typedef struct plan_request {
    const char *name; /* "train", "evaluate", "predict" */
    const ir_graph *graph;
    int output_count;
    const ir_id *outputs; /* kept until the next step, for plan_read_output */
    int accumulator_count;
    const ir_id *accumulators; /* rank 0 or 1; added to running sums at each step */
    ir_id loss;                /* scalar watched for values that are not finite, or IR_NONE */
    int update_count;
    const plan_update *updates;
    const plan_optimizer *optimizer;
    int assign_count;
    const plan_assign *assigns;
    blas_engine engine;
    uint64_t seed; /* of the random draws */
    bool half; /* what passes between launches is kept as half, where half.c says so; computed with
                  is float */
    size_t float_count; /* places whose values are not */
    char *const *float_places;
    const plan_sample *sample; /* NULL: none */
    bool waited_for; /* what comes out is read after each step: a launch costs its whole latency */
} plan_request;

/* Lowers, fuses, plans memory, compiles kernels, binds arguments. The graph may be freed
 * afterwards. */
kiln_status plan_create(kiln_device *device, const plan_request *request, plan **result);
void plan_free(plan *p);

/* Elements of the layout that updates, gradients and optimizer slots share; offsets[i] (if not
 * NULL) gets each update's start. */
size_t plan_update_offsets(int count, const plan_update *updates, size_t *offsets);

/* Binds slot (of op_input or op_batch) to memory; sets arguments only where it changed. count is
 * the number of rows for range checks. */
kiln_status plan_bind(plan *p, int slot, cl_mem memory, size_t offset_elements, int64_t rows);

/* Binds p's slots to what other's hold. The memory may go before p: plan_unbind_all forgets it. */
kiln_status plan_bind_as(plan *p, const plan *other);

/* Forgets memory that is about to be freed, if the slot holds it. */
void plan_unbind(plan *p, int slot, cl_mem memory);
void plan_unbind_all(plan *p);

/* Uploads the records of the next count steps and starts at the first. */
kiln_status plan_load_steps(plan *p, const plan_step *steps, size_t count);
/* The same for one step, without waiting: its record must stay until device_finish. */
kiln_status plan_load_step(plan *p, const plan_step *step);
/* Enqueues the next count of them. */
kiln_status plan_enqueue(plan *p, size_t count);

/* Reads the running sums, in order of the accumulators' elements (waits for the steps enqueued). */
size_t plan_accumulator_size(const plan *p);
kiln_status plan_read_accumulators(plan *p, double *values);
kiln_status plan_reset_accumulators(plan *p);
/* The first step whose loss was not finite since the plan was made or reset, or -1. */
kiln_status plan_read_bad_step(plan *p, int64_t *step);
/* Copies an output of the last step, whole (shape as in the graph). */
kiln_status plan_read_output(plan *p, int output, float *values);

/* After a loss that is not finite: runs one loaded step again launch by launch and names the first
 * launch whose result is not finite. */
kiln_status plan_check_numerics(plan *p, char *where, size_t room);

/* Figures for summaries and benches. */
typedef struct plan_facts {
    int launches; /* a step */
    int profiled; /* launches of a step while a profile is on: each phase is one */
    size_t arena_bytes, state_bytes;
    size_t kept_bytes; /* of the arenas: made before the loss and read after it */
    double flops;        /* a step: products only */
    const char *engines; /* "tile", "clblast", "tile+clblast" */
} plan_facts;
void plan_describe(const plan *p, plan_facts *facts);
/* One line a launch, for KILN_DEBUG=plan. */
kiln_status plan_dump(const plan *p, text *out);
/* The graph in Graphviz's language, a frame around the nodes of each launch, for KILN_DEBUG=dot. */
kiln_status plan_dot(const plan *p, text *out);

#endif
