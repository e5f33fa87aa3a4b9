/* What a graph means: an interpreter on the host, in double precision, written from the operations'
 * definitions and from nothing that generates kernels. It knows no derivatives: gradients are
 * compared with its central differences. */
#ifndef HARNESS_REFERENCE_H
#define HARNESS_REFERENCE_H

#include "graph/plan.h"

#define REFERENCE_SLOTS 96

typedef struct reference {
    const ir_graph *graph;
    const double *slots[REFERENCE_SLOTS]; /* values bound to slots; the caller's */
    struct {
        const ir_weight *weight;
        const double *values;
    } weights[REFERENCE_SLOTS];
    int weight_count;
    plan_step step;
    uint64_t seed;
    double **values; /* by node, made when they are asked for; a body's nodes: all time steps */
    size_t count;
} reference;

/* The graph must stay; nodes added to it later can be evaluated too. */
void reference_start(reference *r, const ir_graph *graph);
void reference_slot(reference *r, int slot, const double *values);
void reference_weight(reference *r, const ir_weight *weight, const double *values);
/* The value of a node (of a body's node: stacked by time); the reference's until reference_forget.
 * Fails the test for a node that it cannot evaluate. */
const double *reference_value(reference *r, ir_id id);
/* The values bound have changed. */
void reference_forget(reference *r);
void reference_end(reference *r);

/* A pointwise function of one to three values. */
double reference_function(op_function f, const double *x, const double *numbers);
/* The value of a node of src/op/conv.h, or of window.h or picture.h; false for any other. */
bool reference_convolution(const ir_graph *graph, const ir_node *n, const double *const *in,
                           double *out);
bool reference_window(const ir_graph *graph, const ir_node *n, const double *const *in,
                      double *out);

#endif
