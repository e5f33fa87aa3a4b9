/* The inside of a plan, shared by plan.c and plan_*.c. */
#ifndef GRAPH_PLAN_INSIDE_H
#define GRAPH_PLAN_INSIDE_H

#include "graph/inside.h"

/* One enqueued call: a group, at one time step when it is part of a loop. */
typedef struct bound {
    const group *from;
    const launch *first; /* of the group */
    cl_kernel kernel;    /* NULL: CLBlast */
    size_t local;        /* work-items of a work-group of a kernel written for the plan; 0: the driver's choice */
    int64_t time;
    size_t steps; /* that the kernel is set to do, where its launch can do several */
    device_launch_info info;
    cl_mem memory[3]; /* CLBlast's operands */
    size_t offset[3];
} bound;

typedef struct call_list {
    bound *items;
    size_t count;
} call_list;

typedef struct slot {
    cl_mem memory;
    size_t offset;
    int64_t rows;
} slot;

typedef struct output {
    cl_mem memory;
    size_t offset; /* elements */
    int64_t elements;
} output;

/* kiln_state in cl/common.clh. */
typedef struct state_record {
    plan_step step;
    uint32_t index, bad, seed[2], spare[4];
} state_record;

struct plan {
    kiln_device *device;
    char *name;
    char *optimizer_defines; /* where updates are fused */
    builder b; /* launches and buffers; the graph's copy is gone after plan_create */
    ir_graph graph;
    memory_plan places;
    cl_mem *arenas;
    call_list calls;
    call_list apart; /* made when first asked for: a call for each phase, for profiles and looks at results */
    group *apart_groups;
    size_t apart_group_count;
    slot *slots;
    int slot_count;
    output *outputs;
    int output_count;
    size_t step_capacity, loaded, enqueued;
    state_record first; /* of the steps that were loaded: on its way to the device */
    cl_mem scratch;
    size_t scratch_bytes;
    size_t gradient_bytes;
    double flops;
    bool tile, clblast;
    uint64_t group_wanted; /* a kernel does not run with the device's work-groups, but with these; 0: all run */
};

/* plan_copy.c */
/* Copies of what a request asks for, with nodes of the plan's own graph. */
typedef struct plan_asked {
    plan_update *updates;
    plan_assign *assigns;
    ir_id *outputs, *accumulators;
} plan_asked;
/* Copies the request's graph into the plan's, and points the request at the nodes of its own, which
 * go to `own_of`. */
kiln_status plan_copy_graph(plan *p, plan_request *r, const plan_asked *own_of);

/* joined.c: sums of paddings become values that are stored side by side. */
kiln_status plan_join_parts(plan *p);

/* panels.c: the right sides of products in loops, laid out for their kernels before the loop. */
kiln_status plan_lay_out_panels(plan *p);

/* What the names of a launch's functions begin with, by number. None is the beginning of another: Oclgrind 21.10 would
 * count the other's local memory too. */
#define PLAN_PREFIX "kiln_%04d"

/* plan_program.c */
/* The program with the kernels of such groups. */
kiln_status plan_build(plan *p, group *groups, size_t count, cl_program *program);
/* Whether a group's kernel is written by plan_build: a product's template for work-groups brings
 * its own. */
bool plan_has_own_kernel(const plan *p, const group *g);

/* plan_bind.c */
kiln_status plan_bind_all(plan *p, const plan_request *r);
/* Where an argument lies at a time step: offset in elements. */
void plan_resolve(const plan *p, const argument *a, int64_t time, cl_mem *memory, cl_ulong *offset);
/* Sets an argument again in all calls whose argument is like that. */
typedef bool plan_argument_filter(const argument *a, const void *like);
kiln_status plan_set_arguments(plan *p, plan_argument_filter *filter, const void *like);
void plan_free_calls(call_list *calls);
/* The calls of a step, but with one for each phase where launches are looked at one by one. */
kiln_status plan_calls_apart(plan *p, const call_list **calls);
size_t plan_count_apart(const plan *p);

/* plan_run.c */
/* steps: more than one only where the group can do them in one launch. */
kiln_status plan_enqueue_call(plan *p, bound *c, size_t steps);
/* Fails unless `count` loaded steps are left and all slots are bound. */
kiln_status plan_ready(plan *p, size_t count);

#endif
