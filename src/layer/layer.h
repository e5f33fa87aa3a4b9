/* Layers: configuration by field table, weights, and the graph a layer builds. */
#ifndef LAYER_LAYER_H
#define LAYER_LAYER_H

#include "graph/plan.h"

#include <kiln/layers.h>

typedef enum layer_field_type {
    FIELD_INT,         /* int64_t */
    FIELD_FLOAT,       /* double */
    FIELD_BOOL,        /* bool */
    FIELD_SHAPE,       /* kiln_shape; JSON list; null: rank 0 */
    FIELD_TEXT,        /* char * (owned) or NULL */
    FIELD_ACTIVATION,  /* char * spec: "relu", "leaky_relu(negative_slope=0.2)" */
    FIELD_INITIALIZER, /* char * spec: "glorot_uniform", "random_normal(stddev=0.02)" */
    FIELD_REGULARIZER, /* char * spec or NULL: "l2(0.01)" */
    FIELD_CONSTRAINT,  /* char * spec or NULL: "max_norm(2)" */
    FIELD_NUMBERS,     /* layer_numbers: a list of doubles, or null */
    FIELD_AXES,        /* layer_numbers: whole numbers; JSON a list, one number or null */
    FIELD_FACTOR,      /* layer_numbers: one number, or a list of two; null */
    FIELD_PAIRS,       /* kiln_shape; JSON a list of pairs: [[1, 2], [3, 4]] */
    FIELD_MAYBE,       /* double; NaN: None */
    FIELD_LAYER,       /* a layer that this one wraps; offset is its place among them */
    FIELD_LAYERS,      /* all layers that this one wraps */
    /* Not stored; text is the JSON that Keras writes: */
    FIELD_FIXED,  /* the one value understood */
    FIELD_IGNORED /* any other is accepted too */
} layer_field_type;

/* A list that may be absent (values NULL); an empty list has values too. */
typedef struct layer_numbers {
    size_t count;
    double *values; /* owned */
} layer_numbers;

/* One argument of a layer: drives JSON in and out, summary and checks. */
typedef struct layer_field {
    const char *name; /* Keras's config key */
    layer_field_type type;
    size_t offset;    /* into the layer's config structure */
    double number;    /* default of INT, FLOAT, BOOL, MAYBE */
    const char *text; /* default of the text types and of the lists of numbers ("-1"); NULL: none */
    bool required;
    bool quiet; /* not written to JSON while it is None */
    bool none;  /* TEXT: None is a value of its own (NULL), and not the default */
} layer_field;

#define LAYER_MAX_INPUTS 16
#define LAYER_MAX_OUTPUTS 16
#define LAYER_MAX_INNER 16

/* What a call of a layer may use. */
typedef struct layer_call {
    ir_graph *graph;
    bool training;
    ir_id loss;      /* sum of activity regularization so far, or IR_NONE; a scalar per batch */
    uint32_t stream; /* number of the next random draw, unique in the model */
    /* Masks, as in Keras: 1 for the steps that count and 0 for those that do not, (batch, steps).
     * masks has one for each input, IR_NONE where there is none; NULL: none has one. mask is the
     * output's: set before the call for classes that pass theirs on, IR_NONE for the others. */
    const ir_id *masks;
    ir_id mask;
    ir_id other_masks[LAYER_MAX_OUTPUTS]; /* of a layer's outputs behind the first, by output */
    const char *within;   /* the models that this one is nested in, "outer/inner"; NULL: none */
    ir_id *output_masks;  /* what the model's outputs have; room for all of them, or NULL */
    plan_assign *assigns; /* what weights become after the step (moving statistics); the caller
                             frees them */
    size_t assign_count, assign_capacity;
    /* Of a mixed model: places of layers whose policy is float32, by which their nodes are known;
     * the caller frees them. */
    bool mixed;
    char **float_places;
    size_t float_count, float_capacity;
} layer_call;

typedef struct layer_class {
    const char *class_name; /* "Dense" */
    const char *snake_name; /* "dense" */
    size_t config_size;
    const layer_field *fields;
    size_t field_count;
    const char *const *inner_names; /* what files call the layers that it wraps; NULL: none */
    const char *inner_list;         /* instead: what files call the list of them */
    bool passes_mask;               /* the first input's mask is the output's too */
    bool any_input;                 /* weights fit inputs of any shape */
    const char *cell_name;          /* files keep the weights as those of a cell of this name */
    bool no_trainable;              /* Keras's constructor does not take `trainable` */
    bool is_cell;                   /* no layer by itself: a recurrent one runs it */
    bool is_recurrent;              /* config begins with a recurrent_options (recurrent.h) */
    bool is_model;                  /* stands for the layers of a model, which have the weights */
    const char *more_inputs; /* Keras's argument for the inputs behind the first; NULL: none */
    /* How many of those belong together, where Keras has lists in that list; returns the number of
     * lists. NULL: it has none. */
    int (*group_inputs)(const kiln_layer *layer, int *sizes);
    /* All may be NULL. Shapes are of one sample. Where a layer has several outputs, `output` is
     * an array of LAYER_MAX_OUTPUTS. */
    kiln_status (*check)(const kiln_layer *layer);
    kiln_status (*output_shape)(const kiln_layer *layer, kiln_shape input,
                                kiln_shape *output);           /* default: the same */
    kiln_status (*build)(kiln_layer *layer, kiln_shape input); /* makes the weights */
    kiln_status (*call)(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output);
    /* Of a layer of several inputs (at most LAYER_MAX_INPUTS) or outputs, which they fill all; one
     * that may have a single input too has output_shape and call for it. build() gets the first
     * input's shape. */
    kiln_status (*output_shape_of)(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                   kiln_shape *output);
    kiln_status (*call_many)(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                             ir_id *output);
    int (*output_count)(const kiln_layer *layer); /* default: 1; at most LAYER_MAX_OUTPUTS */
    /* Does a call look at the rows of a batch together? Then they must be those of one step. */
    bool (*joins_rows)(const kiln_layer *layer, bool training); /* default: no */
    /* What there is in the configuration besides fields. */
    void (*set_trainable)(kiln_layer *layer, bool trainable);
    void (*set_mixed)(kiln_layer *layer, bool mixed);
    void (*free_config)(kiln_layer *layer);
    /* Sets weights from data; rows x features values. A class with it wants it done before
     * training. */
    kiln_status (*adapt)(kiln_layer *layer, const float *values, int64_t rows, int64_t features);
} layer_class;

typedef struct layer_weight {
    ir_weight weight;
    char *initializer;              /* spec */
    char *regularizer, *constraint; /* specs or NULL */
    int64_t ones_first, ones_count; /* elements that start as 1 whatever the initializer */
    bool constant; /* follows from the configuration: neither counted nor saved */
    bool state;    /* a constant that goes from batch to batch until it is reset */
} layer_weight;

struct kiln_layer {
    const layer_class *cls;
    char *name;             /* NULL until the model names it */
    void *config;           /* cls->config_size bytes, filled from the field table */
    kiln_shape input_shape; /* as given; see has_input_shape */
    bool has_input_shape;
    int open_axis; /* of input_shape, from 1: files leave it open (null); 0: none */
    kiln_dtype input_dtype;
    int64_t batch; /* rows of each batch, where the model's input says so; 0: any number */
    bool trainable;
    bool mixed; /* dtype policy: mixed_float16, else float32 */
    bool built;
    bool adapted; /* the class has adapt() and the weights have values of their own */
    kiln_shape built_shape;
    layer_weight **weights;
    size_t weight_count, weight_capacity;
    int references; /* models that hold it, and the layer that wraps it */
    /* Layers that it wraps: each is this one's own, and its weights are this one's too. */
    kiln_layer *inner[LAYER_MAX_INNER];
    int inner_count;
};

/* Every class, ends with NULL; and a class by Keras's name (NULL when unknown; no failure
 * recorded). */
extern const layer_class *const layer_registry[];
const layer_class *layer_find_class(const char *class_name);
/* The class of input layers: they have no call; shape and type are the layer's input_shape and
 * input_dtype. */
extern const layer_class input_class;

/* A layer with its configuration set to the defaults. NULL on failure. */
kiln_layer *layer_new(const layer_class *cls);
/* Common arguments; name may be NULL. */
kiln_status layer_set_common(kiln_layer *layer, kiln_shape input_shape, const char *name,
                             kiln_choice trainable);
/* Names the layer and its weights. */
kiln_status layer_set_name(kiln_layer *layer, const char *name);
/* Sets a field of a text type; copies. NULL keeps the default. */
kiln_status layer_set_text(kiln_layer *layer, const char *field, const char *value);
/* Sets a field of type NUMBERS, AXES or FACTOR; copies. values NULL: none. */
kiln_status layer_set_numbers(kiln_layer *layer, const char *field, const double *values,
                              size_t count);
kiln_status layer_check(const kiln_layer *layer);
const layer_field *layer_find_field(const layer_class *cls, const char *name);
/* Where a field of this layer lies: int64_t *, double *, bool *, kiln_shape *, char ** or
 * layer_numbers *. */
void *layer_field_at(const kiln_layer *layer, const layer_field *field);
/* The end of a builder: the layer when status is KILN_OK and layer_check passes, else NULL (freed).
 */
kiln_layer *layer_finish(kiln_layer *layer, kiln_status status);
/* What to call it in messages: "layer dense_1", or "Dense layer" before it has a name (a ring of
 * buffers, one a thread). */
const char *layer_label(const kiln_layer *layer);
/* Has the layer weights that come from data, and are they still missing? */
bool layer_wants_adapt(const kiln_layer *layer);

/* Puts a layer into its place among those that this one wraps; takes it over, also on failure. */
kiln_status layer_set_inner(kiln_layer *layer, int place, kiln_layer *inner);
/* For build(): builds a wrapped layer; its weights become this one's too. */
kiln_status layer_build_inner(kiln_layer *layer, int place, kiln_shape input);
/* A new layer with the same configuration, without a name. */
kiln_layer *layer_clone(const kiln_layer *layer);

/* For build(): adds a weight named "kernel"; it gets its values later from the initializer. */
kiln_status layer_add_weight(kiln_layer *layer, const char *name, kiln_shape shape,
                             const char *initializer, const char *regularizer, bool trainable);
/* For build(): the constraint of the weight that was added last; NULL: none. */
kiln_status layer_constrain(kiln_layer *layer, const char *constraint);
/* Makes the weights for an input of this shape; a layer that is built already only checks that it
 * fits. */
kiln_status layer_build(kiln_layer *layer, kiln_shape input);
int layer_output_count(const kiln_layer *layer);
/* Says how many rows each batch has, before the layer is built; afterwards it fails if the layer
 * has states for another number. */
kiln_status layer_set_batch(kiln_layer *layer, int64_t batch);
kiln_status layer_output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output);
int layer_output_count(const kiln_layer *layer);
/* The shapes of what the layer makes of inputs of these shapes, one for each output; builds it. */
kiln_status layer_settle(kiln_layer *layer, int count, const kiln_shape *inputs,
                         kiln_shape *outputs);
/* Calls the layer: `output` gets as many nodes as it has outputs. */
kiln_status layer_apply(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                        ir_id *output);
/* For build(): adds a state that starts as 0, of (batch, one row's shape). */
kiln_status layer_add_state(kiln_layer *layer, const char *name, kiln_shape row);
/* For call(): the mask of an input, IR_NONE: none; and with axes of 1 behind it, up to a rank,
 * where it fits x (else it fails). */
ir_id layer_mask(const layer_call *call, int input);
kiln_status layer_mask_for(const layer_call *call, int input, ir_id x, ir_id *mask);
/* For call(): adds a penalty, a scalar node, to the call's loss. */
kiln_status layer_add_penalty(layer_call *call, ir_id penalty);
/* For call(): what a weight becomes after the step of training, and what it is by the calls so far:
 * a layer that is applied twice moves its statistics twice. */
kiln_status layer_assign(layer_call *call, ir_weight *weight, ir_id value);
ir_id layer_current(const layer_call *call, ir_weight *weight);
/* For call(): the activity regularizer's penalty of an output, a mean over the rows of the batch.
 */
kiln_status layer_add_activity(layer_call *call, const char *regularizer, ir_id output);

/* Draws the values of those weights that have none yet. The generator's stream is (seed, index),
 * index counting the model's weights. */
kiln_status layer_initialize(kiln_layer *layer, uint64_t seed, uint32_t first_weight_index);
/* Sets a weight's values, on the host and, when it is placed, on the device. */
kiln_status weight_write(ir_weight *weight, const float *values);
/* Elements of a shape; fails when they are more than memory could hold. */
kiln_status weight_elements(kiln_shape shape, const char *what, size_t *elements);

/* ---- specs: "name(key=value, ...)" (spec.c) ---- */
#define SPEC_MAX 8
typedef struct spec {
    char name[64];
    int count;
    char keys[SPEC_MAX][32];   /* "" for a positional one */
    double values[SPEC_MAX];   /* true is 1, false 0 */
    char words[SPEC_MAX][32];  /* a value that is no number; else "" */
    bool given_none[SPEC_MAX]; /* written as None */
} spec;
kiln_status spec_parse(const char *source, const char *what, spec *out);
/* The value of key (or of the position), else fallback. */
double spec_number(const spec *s, const char *key, int position, double fallback);
/* Fails for a key that is not in the NULL-ended list. */
kiln_status spec_only(const spec *s, const char *what, const char *const *keys);

/* Tables of what a spec may name. */
typedef enum spec_type {
    SPEC_NUMBER,
    SPEC_INTEGER,
    SPEC_BOOL,
    SPEC_WORD, /* one of the words in `words`, separated by spaces */
    SPEC_AXES, /* a whole number, or several as a word: "0 1 2" */
    SPEC_NULL  /* Keras has it; only None is understood */
} spec_type;
typedef struct spec_key {
    const char *name; /* Keras's; NULL ends the list */
    spec_type type;
    double number;     /* default */
    const char *words; /* SPEC_WORD: what is allowed, the default first */
    bool none;         /* default None */
    bool required;
} spec_key;
typedef struct spec_class {
    const char *name;       /* "glorot_uniform"; NULL ends the table */
    const char *class_name; /* Keras's class, "GlorotUniform"; NULL: Keras has a function only */
    const char *aliases;    /* other names, separated by spaces, or NULL */
    spec_key keys[SPEC_MAX];
} spec_class;
extern const spec_class activation_classes[], initializer_classes[], regularizer_classes[],
    constraint_classes[];
/* The entry by name, class name or alias; NULL when there is none (no failure recorded). */
const spec_class *spec_find(const spec_class *table, const char *name);
/* Parses and checks against a table: afterwards out's keys are those of *cls in order, with
 * defaults filled in. */
kiln_status spec_resolve(const spec_class *table, const char *what, const char *source, spec *out,
                         const spec_class **cls);
/* The shortest text, with a point, that reads back as this number: "0.1", "1e-07", "128". Returns
 * buffer. */
#define SPEC_NUMBER_ROOM 32
const char *spec_number_text(double number, char buffer[SPEC_NUMBER_ROOM]);
/* Reads a number whatever the locale; NULL when source does not begin with one, else what follows
 * it.
 */
const char *spec_read_number(const char *source, double *number);
/* " (did you mean \"relu\"?)" if one of the names (NULL-ended) is close to word, else "". Ring of
 * buffers. */
const char *spec_hint(const char *word, const char *const *names);

/* ---- activations, initializers, regularizers, constraints (one file each) ---- */
kiln_status activation_check(const char *source);
/* Applies an activation to x; NULL or "linear" is x. */
ir_id activation_apply(ir_graph *graph, const char *source, ir_id x);
/* The shape of one sample after it (glu halves the last axis). */
kiln_status activation_shape(const char *source, kiln_shape input, kiln_shape *output);
kiln_status initializer_check(const char *source);
/* Fills values (shape) with draws of generator (seed, stream). Keras's fan rules: the last axis is
 * fan out. */
kiln_status initializer_fill(const char *source, kiln_shape shape, uint64_t seed, uint32_t stream,
                             float *values);
kiln_status regularizer_check(const char *source);
/* The arguments in force, defaults included. */
kiln_status regularizer_resolve(const char *source, spec *s);
/* The penalty of x as a scalar node; IR_NONE (no failure) for NULL. */
ir_id regularizer_apply(ir_graph *graph, const char *source, ir_id x);
kiln_status constraint_check(const char *source);
/* The same, and that a weight of this shape has the axes. */
kiln_status constraint_check_for(const char *source, kiln_shape shape);
/* What it makes of x. */
ir_id constraint_apply(ir_graph *graph, const char *source, ir_id x);

#endif
