/* Layers, with Keras's names, arguments and defaults.
 *
 * Each builder returns a new layer that belongs to the caller until a model takes it (kiln_sequential does),
 * or NULL with a failure on record. A model accepts NULL layers and passes the failure on, so that a
 * program checks once, at its end.
 *
 * Names of activations, initializers and regularizers are Keras's, as text, with arguments in parentheses
 * where the defaults do not do: "relu", "leaky_relu(negative_slope=0.1)", "he_normal",
 * "random_normal(stddev=0.02)", "l2(0.001)". */
#ifndef KILN_LAYERS_H
#define KILN_LAYERS_H

#include "status.h"
#include "values.h"

KILN_BEGIN_DECLS

typedef struct kiln_layer kiln_layer;

/* Arguments that every layer takes. input_shape has no batch axis; rank 0: from the layer before. */
#define KILN_LAYER_ARGS                                                                            \
    kiln_shape input_shape;                                                                        \
    const char *name;      /* default: the class's name in snake case, numbered */                 \
    kiln_choice trainable; /* default: yes */                                                      \
    char unset_;           /* set by nobody: lets a macro be called without arguments */

/* Input: the shape of one sample. */
typedef struct kiln_input_layer_args {
    kiln_shape shape;
    kiln_dtype dtype; /* KILN_FLOAT32 (default) or KILN_INT32 */
    const char *name;
} kiln_input_layer_args;
KILN_API kiln_layer *kiln_input_layer_with(const kiln_input_layer_args *args);

/* Flatten: (batch, ...) to (batch, product). */
typedef struct kiln_flatten_args {
    KILN_LAYER_ARGS
} kiln_flatten_args;
KILN_API kiln_layer *kiln_flatten_with(const kiln_flatten_args *args);

/* Reshape: (batch, ...) to (batch, target_shape); one dimension may be -1. */
typedef struct kiln_reshape_args {
    kiln_shape target_shape;
    KILN_LAYER_ARGS
} kiln_reshape_args;
KILN_API kiln_layer *kiln_reshape_with(const kiln_reshape_args *args);

/* Dense: activation(x kernel + bias) over the last axis; kernel (features, units), bias (units). */
typedef struct kiln_dense_args {
    int64_t units;
    const char *activation;           /* default: linear */
    kiln_choice use_bias;             /* default: yes */
    const char *kernel_initializer;   /* default: glorot_uniform */
    const char *bias_initializer;     /* default: zeros */
    const char *kernel_regularizer;   /* default: none */
    const char *bias_regularizer;     /* default: none */
    const char *activity_regularizer; /* default: none */
    KILN_LAYER_ARGS
} kiln_dense_args;
KILN_API kiln_layer *kiln_dense_with(const kiln_dense_args *args);

/* Activation: any activation Keras names. */
typedef struct kiln_activation_args {
    const char *activation;
    KILN_LAYER_ARGS
} kiln_activation_args;
KILN_API kiln_layer *kiln_activation_with(const kiln_activation_args *args);

/* Activations that Keras has as layers of their own. */
typedef struct kiln_relu_args {
    KILN_LAYER_ARGS
    double max_value;      /* default: none; KILN_ZERO for 0 */
    double negative_slope; /* default: 0 */
    double threshold;      /* default: 0 */
} kiln_relu_args;
KILN_API kiln_layer *kiln_relu_with(const kiln_relu_args *args);
typedef struct kiln_leaky_relu_args {
    KILN_LAYER_ARGS
    double negative_slope; /* default: 0.3; KILN_ZERO for 0 */
} kiln_leaky_relu_args;
KILN_API kiln_layer *kiln_leaky_relu_with(const kiln_leaky_relu_args *args);
typedef struct kiln_elu_args {
    KILN_LAYER_ARGS
    double alpha; /* default: 1; KILN_ZERO for 0 */
} kiln_elu_args;
KILN_API kiln_layer *kiln_elu_with(const kiln_elu_args *args);
typedef struct kiln_softmax_args {
    KILN_LAYER_ARGS
} kiln_softmax_args;
KILN_API kiln_layer *kiln_softmax_with(const kiln_softmax_args *args);

/* Dropout: in training, zeroes a share `rate` of the elements and scales the others by 1 / (1 - rate). */
typedef struct kiln_dropout_args {
    double rate;
    KILN_LAYER_ARGS
} kiln_dropout_args;
KILN_API kiln_layer *kiln_dropout_with(const kiln_dropout_args *args);

/* Rescaling: x * scale + offset. */
typedef struct kiln_rescaling_args {
    double scale;
    double offset; /* default: 0 */
    KILN_LAYER_ARGS
} kiln_rescaling_args;
KILN_API kiln_layer *kiln_rescaling_with(const kiln_rescaling_args *args);

/* Normalization: (x - mean) / sqrt(variance) for each element of the last axis, learned from data by
 * kiln_normalization_adapt or by kiln_fit's first call (from the training part only), not by gradients. With mean and
 * variance given it has no weights. */
typedef struct kiln_normalization_args {
    KILN_LAYER_ARGS
    int axis;               /* default: -1, the last; KILN_NONE: one mean over all elements */
    size_t count;           /* of mean and variance, when given: the last axis, or 1 */
    const double *mean;     /* copied */
    const double *variance; /* copied */
    kiln_choice invert;     /* default: no */
} kiln_normalization_args;
KILN_API kiln_layer *kiln_normalization_with(const kiln_normalization_args *args);

#ifndef __cplusplus
#define kiln_input_layer(...) kiln_input_layer_with(&(kiln_input_layer_args){.shape = __VA_ARGS__})
#define kiln_flatten(...) kiln_flatten_with(&(kiln_flatten_args){.unset_ = 0, __VA_ARGS__})
#define kiln_reshape(...) kiln_reshape_with(&(kiln_reshape_args){.target_shape = __VA_ARGS__})
#define kiln_dense(...) kiln_dense_with(&(kiln_dense_args){.units = __VA_ARGS__})
#define kiln_activation(...) kiln_activation_with(&(kiln_activation_args){.activation = __VA_ARGS__})
#define kiln_relu(...) kiln_relu_with(&(kiln_relu_args){.unset_ = 0, __VA_ARGS__})
#define kiln_leaky_relu(...) kiln_leaky_relu_with(&(kiln_leaky_relu_args){.unset_ = 0, __VA_ARGS__})
#define kiln_elu(...) kiln_elu_with(&(kiln_elu_args){.unset_ = 0, __VA_ARGS__})
#define kiln_softmax(...) kiln_softmax_with(&(kiln_softmax_args){.unset_ = 0, __VA_ARGS__})
#define kiln_dropout(...) kiln_dropout_with(&(kiln_dropout_args){.rate = __VA_ARGS__})
#define kiln_rescaling(...) kiln_rescaling_with(&(kiln_rescaling_args){.scale = __VA_ARGS__})
#define kiln_normalization(...) kiln_normalization_with(&(kiln_normalization_args){.unset_ = 0, __VA_ARGS__})
#endif

/* The layer's name, and whether training changes its weights. Owned by the layer. */
KILN_API const char *kiln_layer_name(const kiln_layer *layer);
KILN_API const char *kiln_layer_class_name(const kiln_layer *layer);
KILN_API int kiln_layer_trainable(const kiln_layer *layer);
/* Freezes (0) or frees (1) a layer; takes effect at the model's next kiln_compile. */
KILN_API kiln_status kiln_layer_set_trainable(kiln_layer *layer, int trainable);

/* Sets a Normalization's mean and variance from samples x features values. */
KILN_API kiln_status kiln_normalization_adapt(kiln_layer *layer, const float *values, int64_t samples, int64_t features);

/* Frees a layer that no model took. NULL is allowed. */
KILN_API void kiln_layer_free(kiln_layer *layer);

KILN_END_DECLS

#endif
