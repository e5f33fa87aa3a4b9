/* Layers: configuration by field table, weights, and the graph a layer builds. */
#ifndef LAYER_LAYER_H
#define LAYER_LAYER_H

#include "op/op.h"

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
    FIELD_NUMBERS,     /* layer_numbers: a list of doubles or null */
} layer_field_type;

typedef struct layer_numbers {
    size_t count;
    double *values; /* owned */
} layer_numbers;

/* One argument of a layer: drives JSON in and out, summary and checks. */
typedef struct layer_field {
    const char *name; /* Keras's config key */
    layer_field_type type;
    size_t offset;    /* into the layer's config structure */
    double number;    /* default of INT, FLOAT, BOOL */
    const char *text; /* default of the text types; NULL: none */
    bool required;
} layer_field;

/* What a call of a layer may use. */
typedef struct layer_call {
    ir_graph *graph;
    bool training;
    ir_id loss;        /* sum of activity regularization so far, or IR_NONE; a scalar per batch */
    uint32_t stream;   /* number of the next random draw, unique in the model */
} layer_call;

typedef struct layer_class {
    const char *class_name; /* "Dense" */
    const char *snake_name; /* "dense" */
    size_t config_size;
    const layer_field *fields;
    size_t field_count;
    /* All may be NULL. Shapes are of one sample. */
    kiln_status (*check)(const kiln_layer *layer);
    kiln_status (*output_shape)(const kiln_layer *layer, kiln_shape input, kiln_shape *output); /* default: the same */
    kiln_status (*build)(kiln_layer *layer, kiln_shape input);                                  /* makes the weights */
    kiln_status (*call)(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output);
} layer_class;

typedef struct layer_weight {
    ir_weight weight;
    char *initializer; /* spec */
    char *regularizer; /* spec or NULL */
} layer_weight;

struct kiln_layer {
    const layer_class *cls;
    char *name;          /* NULL until the model names it */
    void *config;        /* cls->config_size bytes, filled from the field table */
    kiln_shape input_shape; /* as given; see has_input_shape */
    bool has_input_shape;
    kiln_dtype input_dtype;
    bool trainable;
    bool built;
    kiln_shape built_shape;
    layer_weight **weights;
    size_t weight_count, weight_capacity;
    int references;      /* models that hold it */
};

/* Every class, ends with NULL; and a class by Keras's name (NULL when unknown; no failure recorded). */
extern const layer_class *const layer_registry[];
const layer_class *layer_find_class(const char *class_name);

/* A layer with its configuration set to the defaults. NULL on failure. */
kiln_layer *layer_new(const layer_class *cls);
/* Common arguments; name may be NULL. */
kiln_status layer_set_common(kiln_layer *layer, kiln_shape input_shape, const char *name, kiln_choice trainable);
kiln_status layer_set_text(kiln_layer *layer, const char *field, const char *value); /* copies */
kiln_status layer_check(const kiln_layer *layer);
const layer_field *layer_find_field(const layer_class *cls, const char *name);

/* For build(): adds a weight named "kernel"; it gets its values later from the initializer. */
kiln_status layer_add_weight(kiln_layer *layer, const char *name, kiln_shape shape, const char *initializer,
                             const char *regularizer, bool trainable);
kiln_status layer_build(kiln_layer *layer, kiln_shape input);
kiln_status layer_output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output);

/* Draws initial values of all weights: the generator's stream is (seed, weight_index...), weight_index counts the model's weights. */
kiln_status layer_initialize(kiln_layer *layer, uint64_t seed, uint32_t first_weight_index);

/* ---- specs: "name(key=value, ...)" (spec.c) ---- */
typedef struct spec {
    char name[64];
    int count;
    char keys[8][32];   /* "" for a positional one */
    double values[8];
    bool given_none[8]; /* written as None */
} spec;
kiln_status spec_parse(const char *text, const char *what, spec *out);
/* The value of key (or of the position), else fallback. */
double spec_number(const spec *s, const char *key, int position, double fallback);
/* Fails for a key that is not in the NULL-ended list. */
kiln_status spec_only(const spec *s, const char *what, const char *const *keys);

/* ---- activations, initializers, regularizers (one file each) ---- */
kiln_status activation_check(const char *text);
/* Applies an activation to x; NULL or "linear" is x. */
ir_id activation_apply(ir_graph *graph, const char *text, ir_id x);
kiln_status initializer_check(const char *text);
/* Fills values (shape) with draws of generator (seed, stream). Keras's fan rules: the last axis is fan out. */
kiln_status initializer_fill(const char *text, kiln_shape shape, uint64_t seed, uint32_t stream, float *values);
kiln_status regularizer_check(const char *text);
/* The penalty of x as a scalar node; IR_NONE (no failure) for NULL. */
ir_id regularizer_apply(ir_graph *graph, const char *text, ir_id x);

#endif
