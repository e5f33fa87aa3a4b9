/* The graph: nodes, shapes and attributes. Plain data; the operations' meaning is in op/. */
#ifndef IR_IR_H
#define IR_IR_H

#include "device/device.h"

#include <kiln/values.h>

typedef int32_t ir_id;
#define IR_NONE ((ir_id)-1)
#define IR_MAX_INPUTS 4

struct op_descriptor;

/* A parameter: belongs to a layer; lives in host memory until it is placed on a device. */
typedef struct ir_weight {
    char *path; /* "dense/kernel" */
    kiln_shape shape;
    bool trainable; /* false: never (moving statistics); a frozen layer is the model's matter */
    float *host;    /* initial or last fetched values; NULL before initialization */
    kiln_device *device;
    cl_mem memory; /* slab, owned by the store of the device (model/store.h) */
    size_t offset; /* elements into the slab */
    void *slab;    /* the slab's record */
} ir_weight;

/* What an operation wants to know besides its inputs; each op says which fields it uses. */
typedef struct ir_attributes {
    double number[4];
    int64_t integer[4];
    kiln_shape shape; /* target shape, or strides */
    kiln_shape extra; /* permutation, padding */
    kiln_shape more;  /* of a convolution: spread, and the output's sizes */
    uint32_t stream;  /* random draws: the layer's counter */
    void *object;     /* ir_weight, ir_scan */
} ir_attributes;

/* A node is a tensor: the result of an operation. shape includes the batch axis. */
typedef struct ir_node {
    const struct op_descriptor *op;
    ir_id inputs[IR_MAX_INPUTS];
    int input_count;
    int scope; /* 0, or the number of the scan whose body this node belongs to */
    kiln_dtype dtype;
    kiln_shape shape;
    ir_attributes attr;
    const char *place; /* the layer, for messages and profiles; owned by the graph */
} ir_node;

/* A carried value of a repeated body. Kept as a stack of steps + 1 values in order of execution:
 * entry 0 is the initial value, entry k + 1 what the k-th executed step made of it. */
typedef struct ir_scan_state {
    ir_id initial; /* outer node */
    ir_id state;   /* inner node that reads it */
    ir_id next;    /* inner node it becomes */
} ir_scan_state;

/* A repeated body: nodes with this scope run once for each time step. */
typedef struct ir_scan {
    int64_t steps;
    bool reverse; /* from the last step to the first */
    ir_scan_state *states;
    size_t state_count, state_capacity;
} ir_scan;

/* Nodes in an order in which inputs come first. */
typedef struct ir_graph {
    ir_node *items;
    size_t count, capacity;
    ir_scan *scans; /* scans[scope - 1] */
    size_t scan_count, scan_capacity;
    int scope;         /* of nodes added now */
    const char *place; /* of nodes added now */
    char **places;     /* storage of the names */
    size_t place_count, place_capacity;
} ir_graph;

void ir_free(ir_graph *graph);

/* Adds a node (deduplicated: an equal node is returned instead). IR_NONE with a failure on record.
 */
ir_id ir_add(ir_graph *graph, const ir_node *node);

/* The name that nodes added from now on carry. */
kiln_status ir_set_place(ir_graph *graph, const char *place);

/* "(32, 128)": in a thread-local ring of 8. */
const char *ir_shape_text(kiln_shape shape);
bool ir_shape_equal(kiln_shape a, kiln_shape b);

/* Row-major strides of a shape, in elements. */
kiln_shape ir_strides(kiln_shape shape);

#endif
