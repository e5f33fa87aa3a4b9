/* How a plan is made: nodes are gathered into clusters (one launch each), clusters are put in
 * order, their kernels are written, and the values that pass between them get places in memory. */
#ifndef GRAPH_INSIDE_H
#define GRAPH_INSIDE_H

#include "blas/convolution.h"
#include "graph/plan.h"

/* Where a value lies: in the storage of node `owner`, so many elements in, plus `stride` for each
 * time step. */
typedef struct place {
    ir_id owner;
    int64_t offset, stride;
} place;

typedef enum argument_kind {
    ARGUMENT_NODE,   /* a value between launches */
    ARGUMENT_WEIGHT, /* of a layer */
    ARGUMENT_SLOT,   /* bound when the plan runs */
    ARGUMENT_MEMORY, /* a buffer of the plan or of the optimizer */
} argument_kind;

/* A buffer a launch reads or writes: two kernel arguments, pointer and offset in elements. */
typedef struct argument {
    argument_kind kind;
    place where;       /* NODE */
    ir_weight *weight; /* WEIGHT */
    int slot;          /* SLOT */
    cl_mem memory;     /* MEMORY */
    size_t offset;     /* MEMORY, in elements */
    bool written;
    const char *type; /* "float", "half", "int", "uchar", "kiln_state" */
} argument;

#define LAUNCH_MAX_ARGUMENTS 48

/* One launch as it is written: `source` defines the kernel, whose name and helpers begin with '@',
 * which is replaced by a prefix when the program is put together. */
typedef struct launch {
    char name[48];     /* kind and operations, for profiles: "matmul+add+relu" */
    const char *layer; /* owned by the plan's copy of names; NULL: none */
    text source;
    argument arguments[LAUNCH_MAX_ARGUMENTS];
    int argument_count;
    int reserved; /* leading arguments that belong to a template and are not shared */
    size_t items,
        local; /* one-dimensional: work-items, and the work-group's size (0: the driver's choice) */
    int dims;  /* 1, or more with global/local3 from a product template */
    size_t global[3], local3[3];
    bool is_clblast;
    blas_product product;
    size_t scratch_bytes;
    double flops, bytes;
    int scope;   /* 0, or the loop it runs in */
    int variant; /* launches of one text share it: the first one's number */
    int chain;   /* -1: none */
    bool serial; /* a function of an item, which a kernel of several can call; else the text has its
                    own kernel */
    bool whole_group; /* its work-items meet: they are one work-group, in a kernel of their own */
    bool with_next; /* a work-item does the same item of the next launch too */
    bool lists;     /* of the positions that read each row of a table: see lower_gather.c */
    size_t repeats,
        stride; /* serial: calls it takes to do an item, and the distance of their numbers */
    int map[LAUNCH_MAX_ARGUMENTS]; /* this launch's arguments among its group's */
} launch;

/* A chain: clusters whose results belong to rows of the batch and that need, of each other's
 * results, only the same rows. One work-item takes a block of rows through all of them, in one
 * launch. Only on devices with serial kernels. */
typedef struct chain {
    int64_t rows, block; /* rows is a multiple of block */
    int loop;            /* 0, or the loop that it is: its work-items go through all time steps */
} chain;

/* An edge between nodes of clusters, views and recomputed nodes looked through. */
typedef struct edge {
    ir_id from, to;
    bool fusable; /* `to` can take the value at its own index, one for one */
    bool order;   /* no value passes: `from` reads a weight that `to` updates */
    bool joined;  /* `to` reads a joined value that `from` is a part of */
} edge;

/* Launches that run as one kernel: they do not depend on each other, except within a chain, whose
 * launches follow each other in the same work-item. */
#define GROUP_MAX_ARGUMENTS 60
#define GROUP_MAX_UNITS 8 /* more make a kernel that some drivers compile for minutes */
typedef struct group {
    size_t first, count; /* launches */
    size_t kernel;       /* the group whose kernel it runs: its own, or one with the same text */
    argument arguments[GROUP_MAX_ARGUMENTS];
    int argument_count, units;
    bool in_turn; /* one work-item does them one after the other, each with all of its own */
    size_t items;
    size_t most_steps; /* its kernel's last argument says how many steps it does, this many at most; 0: one, unsaid */
    size_t phase, phases; /* 0, or so many groups from b->phases[phase] on follow each other in its kernel: phases.c */
    int scope;
    double flops;
    char name[80];     /* of the launch with the most work in it, and how many more there are */
    const char *layer; /* of that launch; NULL: none */
    char what[96];     /* its layer, and how large it is */
} group;

/* A set of nodes computed by one launch. */
typedef enum cluster_kind {
    CLUSTER_POINTWISE,
    CLUSTER_REDUCE,
    CLUSTER_PRODUCT,
    CLUSTER_STATE
} cluster_kind;
#define CLUSTER_MORE_SUMS 3
typedef struct cluster {
    cluster_kind kind;
    ir_id anchor; /* the reduction, product or state; IR_NONE */
    ir_id pooled; /* PRODUCT: the maximum pooling that its launch does, whose result is the anchor's
                     to what follows; IR_NONE */
    ir_id also[CLUSTER_MORE_SUMS]; /* REDUCE: further sums, made in the same pass; PRODUCT: the
                                      pooling's index */
    int also_count;
    int64_t elements; /* of its element-wise domain: that of the results behind the anchor */
    int64_t before;   /* REDUCE: elements of the domain in front of the anchor */
    int scope;
    bool dead;          /* merged into another */
    int chain;          /* -1: none */
    int first;          /* smallest node, for a stable order */
    blas_choice choice; /* PRODUCT */
    int64_t gates; /* PRODUCT: 0, or its columns are so many gates' units, and what follows is computed
                      for a unit from the values of all its gates */
} cluster;

/* What updates read of the norms of gradients: the partial sums of squares themselves where one
 * factor is for all and adding them up again for each block takes less time than a launch; else
 * factors, by weight. A factor that is not a number says that some gradient is not finite. */
typedef struct clipping {
    cl_mem partial, factors;
    size_t count; /* of partial sums */
} clipping;

/* What is known while a plan is made. Arrays by node have `count` entries. */
typedef struct builder {
    kiln_device *device;
    const plan_request *request;
    const ir_graph *g;
    size_t count;
    bool *live;
    bool
        *inlined; /* recomputed wherever it is used: constants, draws, what is made of them alone */
    bool *stored; /* lies in memory between launches */
    bool *required;   /* asked for: an output, a gradient, an accumulator */
    bool *half;       /* kept as half between launches: see half.c */
    bool *stacked;    /* a body's node whose values of all time steps are kept */
    ir_id *stored_in; /* the node whose place it takes when it is written; IR_NONE: has its own */
    ir_id *joined_to; /* the joined value that a node is stored within; IR_NONE */
    int *cluster_of;  /* -1: none (sources, leaves, views) */
    ir_id *state_of;  /* for the node a state becomes: that state; else IR_NONE */
    cluster *clusters;
    size_t cluster_count, cluster_capacity;
    int *order; /* clusters in order of execution */
    size_t order_count;
    struct {
        launch *items;
        size_t count, capacity;
    } launches;
    struct fixed_place {
        cl_mem memory; /* place chosen from outside: a gradient's */
        size_t offset;
    } * fixed; /* by node; memory NULL: none */
    struct {
        chain *items;
        size_t count, capacity;
    } chains;
    struct {
        group *items;
        size_t count, capacity;
    } groups;
    struct {
        group *items; /* as they were before they became phases of a kernel */
        size_t count, capacity;
    } phases;
    cl_mem state;     /* kiln_state */
    cl_mem steps;     /* plan_step records */
    cl_mem gradients; /* laid out by plan_update_offsets */
    cl_mem sums;      /* accumulators: float2 each */
    cl_mem *owned;    /* further buffers of the plan: block tables, norms */
    size_t owned_count, owned_capacity;
    size_t *update_offsets;
    clipping clip;
    bool fused_updates; /* the optimizer rides in the launches that make the gradients */
    int *update_of; /* by node: the update whose gradient it is, when updates are fused; else -1 */
    int *assign_of; /* by node: the assignment whose value it is; else -1 */
    size_t sum_count;
} builder;

/* cluster.c */
kiln_status cluster_graph(builder *b);
int64_t graph_elements(const builder *b, ir_id id); /* of a node's value */
bool cluster_is(const builder *b, ir_id id,
                int number); /* computed inside this cluster (views looked through) */
ir_id through_views(const builder *b, ir_id id); /* the node whose storage a view shows */

/* chain.c: finds chains among ordered clusters and marks their members. */
kiln_status chain_clusters(builder *b, const edge *edges, size_t count);
/* Rows that a work-item takes through a loop over so many. */
int64_t chain_loop_rows(const kiln_device *device, int64_t rows);
/* Seconds that one compute unit of a CPU takes for what products multiply and what they read,
 * whichever takes longer. */
double chain_seconds(double multiply_adds, double bytes);

/* reuse.c: lets results take the places of operands; the node whose place a value lies in. */
void reuse_storage(builder *b);
ir_id storage_of(const builder *b, ir_id owner);

/* half.c: says which values are kept as half between launches. After the clusters are settled. */
void half_storage(builder *b);

/* group.c: gathers launches into kernels. */
kiln_status group_launches(builder *b);
/* Adds a launch and its arguments to a group; false when they are too many. */
bool group_join(const builder *b, group *g, launch *l);
/* Adds launches; leaves them and the group as they are when their arguments, and `spare` more, are too many. */
kiln_status group_add(builder *b, group *g, size_t first, size_t count, int spare, bool *fits);
/* About how long its launches take a single thread. */
double group_seconds(const builder *b, const group *g);
/* Fills in name, what and layer. */
void group_name(const builder *b, group *g);
/* About how long a launch takes a single thread. */
double launch_seconds(const builder *b, const launch *l);

/* Lets a plan of one launch do several steps in it. */
void group_steps(builder *b);

#define PHASE_SECONDS 1e-6 /* from one phase of a kernel to the next */
/* phases.c: how many counters the phases of a group's kernel have; see phases.cl. */
size_t phases_counters(const group *g);
/* Gathers groups that wait for each other into kernels whose work-items wait themselves. */
kiln_status phases_join(builder *b);

blas_product graph_product(const ir_graph *g, const ir_node *n);

/* pooling.c */
/* The gradient of a maximum pooling that a convolution reads through: it reads the node's inputs,
 * index and pooled gradient. IR_NONE: none. */
ir_id pooling_source(const builder *b, ir_id product);
/* A convolution as its kernel has to know it. */
blas_convolution graph_convolution(const builder *b, ir_id product);
/* Puts poolings into the clusters of the convolutions that they alone follow. */
void pooling_join(builder *b);

/* gates.c: puts the cells of recurrent layers behind their products, gate by gate. */
#define GATES_MOST 4
/* The gate that a node cuts from the product of its own cluster; -1: none. */
int64_t gates_of_slice(const builder *b, ir_id id, int number);

/* joined.c: values that are stored side by side. */
extern const op_descriptor graph_joined;
/* Fills in joined_to of all live nodes. */
void joined_find(builder *b);
/* A run of `own` elements of a part is that many elements of a run of `whole`, `offset` behind its
 * start. */
void joined_place(const builder *b, ir_id part, int64_t *own, int64_t *whole, int64_t *offset);

/* place.c: where the value of a node is read from, and written to. */
kiln_status place_of(const builder *b, ir_id id, place *out);
place place_written(const builder *b, ir_id id);
int64_t place_elements(const builder *b, ir_id owner); /* of an owner's storage */
/* What its elements are kept as: "float" or "half", but for indices of elements in windows "uchar". */
const char *place_type(const builder *b, ir_id owner);
size_t place_element_size(const builder *b, ir_id owner); /* bytes */

/* lower.c, lower_*.c: appends the launches of a cluster. */
kiln_status lower_cluster(builder *b, int number);

/* launch.c */
/* Whether the next launch belongs to the same work-items. */
bool launch_joins(const launch *l);
/* The loop whose time steps all run within the launch's kernel, or NULL. */
const ir_scan *launch_loop(const builder *b, const launch *l);
launch *launch_new(builder *b, const char *name, const char *layer, int scope);
/* Adds an argument (or finds it) and returns its number k: the kernel sees p<k> and o<k>. -1: too
 * many. */
int launch_argument(launch *l, const argument *a);
/* The same, of a buffer of the plan or of the optimizer. */
int launch_memory(launch *l, cl_mem memory, const char *type, bool written);
/* Bytes of an argument that is a node's value or a weight, else 0; whole: with all time steps. */
size_t launch_argument_bytes(const builder *b, const argument *a, bool whole);
/* Writes "const __global float *p0, ulong o0, ..." and "p0, o0, ...". */
void launch_parameters(const launch *l, text *out);
void launch_names(const launch *l, text *out);
/* Completes the source: a function of the body's statements over `item`, and the kernel that calls
 * it. local 0: the driver's choice. */
kiln_status launch_finish(launch *l, const char *body, size_t items, size_t local);

/* update.c: appends the launches behind the graph: clipping, the optimizer, and the tail that adds
 * to the running sums, watches the loss and moves on to the next step. */
kiln_status lower_updates(builder *b);
/* A buffer that is freed with the plan. */
kiln_status plan_own(builder *b, size_t bytes, const char *what, cl_mem *memory);
kiln_status lower_tail(builder *b);

/* lower_sample.c: appends the launch that draws a token, where one is asked for. */
kiln_status lower_sample(builder *b);

/* memory.c: places for all stored values, in as few arenas as the device allows. */
typedef struct memory_plan {
    size_t *offset; /* by node: bytes into its arena */
    int *arena;     /* by node; -1: none */
    size_t *sizes;  /* by arena */
    int arena_count;
    size_t kept; /* bytes made before the loss and read after it */
} memory_plan;
kiln_status memory_plan_make(const builder *b, memory_plan *m);
void memory_plan_free(memory_plan *m);

/* code.c, code_*.c: expressions. */
typedef struct code code;

/* A place in index space: `flat` is the element's number in `shape`; where it is known, flat =
 * outer * width + inner. */
typedef struct domain {
    kiln_shape shape;
    char flat[24], outer[24], inner[24]; /* C expressions, "" when not known */
    int64_t width;
} domain;

/* Starts a body of statements at a domain, with 1 or 16 values at once (consecutive `inner`). */
code *code_new(builder *b, launch *l, int number, int lanes, const domain *d);
/* Gives the anchor's value a name. */
kiln_status code_set(code *c, ir_id node, const char *name);
/* Gives the anchor's values their names, z0 to z3: each gate has a domain of its own. */
kiln_status code_set_gates(code *c, ir_id anchor, int64_t gates);
/* Emits statements that compute a node at the domain; its name goes to out. When 16 values at once
 * cannot be done, *scalar_only is set and the caller starts again with 1. */
kiln_status code_value(code *c, ir_id node, char out[24], bool *scalar_only);
/* Emits the stores of all stored nodes of the cluster whose elements are those of the domain (those
 * behind the anchor, if there is one). */
kiln_status code_store_all(code *c, bool *scalar_only);
/* The buffer that holds a stored node, weight or slot. */
kiln_status code_source(code *c, ir_id id, argument *a);
const char *code_text(const code *c);
void code_free(code *c);

#endif
