/* Layers, with Keras's names, arguments and defaults.
 *
 * Each builder returns a new layer that belongs to the caller until a model takes it (kiln_sequential does),
 * or NULL with a failure on record. A model accepts NULL layers and passes the failure on, so that a
 * program checks once, at its end.
 *
 * Names of activations, initializers, regularizers and constraints are Keras's, as text, with arguments in parentheses
 * where the defaults do not do: "relu", "leaky_relu(negative_slope=0.1)", "he_normal",
 * "random_normal(stddev=0.02)", "l2(0.001)", "max_norm(2)", "unit_norm(axis='0 1')". */
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
    int64_t batch_size; /* rows of each batch, for stateful layers behind; default: any number */
} kiln_input_layer_args;
KILN_API kiln_layer *kiln_input_layer_with(const kiln_input_layer_args *args);

/* Flatten: (batch, ...) to (batch, product); channels_first moves axis 1 behind the others first. */
typedef struct kiln_flatten_args {
    KILN_LAYER_ARGS
    const char *data_format; /* default: channels_last */
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
    const char *kernel_constraint; /* default: none */
    const char *bias_constraint; /* default: none */
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
    int axis; /* default: -1, the last; counts the batch axis */
} kiln_softmax_args;
KILN_API kiln_layer *kiln_softmax_with(const kiln_softmax_args *args);

/* PReLU: x, or alpha x where x is negative; alpha is learned, one for each element, or shared along axes (1 is the
 * first behind the batch). */
typedef struct kiln_prelu_args {
    KILN_LAYER_ARGS
    kiln_shape shared_axes;        /* default: none */
    const char *alpha_initializer; /* default: zeros */
    const char *alpha_regularizer; /* default: none */
    const char *alpha_constraint; /* default: none */
} kiln_prelu_args;
KILN_API kiln_layer *kiln_prelu_with(const kiln_prelu_args *args);

/* Dropout: in training, zeroes a share `rate` of the elements and scales the others by 1 / (1 - rate). */
typedef struct kiln_dropout_args {
    double rate;
    KILN_LAYER_ARGS
} kiln_dropout_args;
KILN_API kiln_layer *kiln_dropout_with(const kiln_dropout_args *args);

/* SpatialDropout: drops whole channels, of (batch, steps, channels) or of pictures. */
typedef struct kiln_spatial_dropout1d_args {
    double rate;
    KILN_LAYER_ARGS
} kiln_spatial_dropout1d_args;
KILN_API kiln_layer *kiln_spatial_dropout1d_with(const kiln_spatial_dropout1d_args *args);
typedef struct kiln_spatial_dropout2d_args {
    double rate;
    const char *data_format; /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_spatial_dropout2d_args;
KILN_API kiln_layer *kiln_spatial_dropout2d_with(const kiln_spatial_dropout2d_args *args);

/* GaussianNoise: in training, adds draws from a normal distribution. */
typedef struct kiln_gaussian_noise_args {
    double stddev;
    KILN_LAYER_ARGS
} kiln_gaussian_noise_args;
KILN_API kiln_layer *kiln_gaussian_noise_with(const kiln_gaussian_noise_args *args);

/* GaussianDropout: in training, multiplies by draws around 1, with a variance of rate / (1 - rate). */
typedef struct kiln_gaussian_dropout_args {
    double rate;
    KILN_LAYER_ARGS
} kiln_gaussian_dropout_args;
KILN_API kiln_layer *kiln_gaussian_dropout_with(const kiln_gaussian_dropout_args *args);

/* Convolutions (as in Keras, cross-correlations) of (batch, axes..., channels) with 1 to 3 axes, plus a bias, then an
 * activation: kernel (kernel_size..., channels / groups, filters), bias (filters). Along an axis of n elements the result
 * has (n - (kernel_size - 1) * dilation_rate - 1) / strides + 1, rounded down; with padding "same", n / strides, rounded
 * up. The transposes go the other way, as the gradient of a convolution does: kernel (kernel_size..., filters, channels),
 * n * strides elements, and with padding "valid" so many more as the window reaches beyond a stride. Sizes with one
 * number stand for all axes. */
typedef struct kiln_conv_args {
    int64_t filters;
    kiln_shape kernel_size;
    kiln_shape strides;               /* default: 1 */
    const char *padding;              /* default: "valid"; or "same"; "causal" (Conv1D) */
    const char *data_format;          /* default: "channels_last"; or "channels_first" */
    kiln_shape dilation_rate;         /* default: 1 */
    int64_t groups;                   /* default: 1; not of transposes */
    const char *activation;           /* default: linear */
    kiln_choice use_bias;             /* default: yes */
    const char *kernel_initializer;   /* default: glorot_uniform */
    const char *bias_initializer;     /* default: zeros */
    const char *kernel_regularizer;   /* default: none */
    const char *bias_regularizer;     /* default: none */
    const char *activity_regularizer; /* default: none */
    const char *kernel_constraint; /* default: none */
    const char *bias_constraint; /* default: none */
    KILN_LAYER_ARGS
} kiln_conv_args;
KILN_API kiln_layer *kiln_conv1d_with(const kiln_conv_args *args);
KILN_API kiln_layer *kiln_conv2d_with(const kiln_conv_args *args);
KILN_API kiln_layer *kiln_conv3d_with(const kiln_conv_args *args);
KILN_API kiln_layer *kiln_conv1d_transpose_with(const kiln_conv_args *args);
KILN_API kiln_layer *kiln_conv2d_transpose_with(const kiln_conv_args *args);
KILN_API kiln_layer *kiln_conv3d_transpose_with(const kiln_conv_args *args);

/* Pooling: the largest, or the mean, of each window of pool_size elements along the axes of (batch, axes...,
 * channels). A size is one number for each axis, or one for all. */
typedef struct kiln_pooling_args {
    KILN_LAYER_ARGS
    kiln_shape pool_size;    /* default: 2; must be given for the mean */
    kiln_shape strides;      /* default: pool_size */
    const char *padding;     /* default: "valid"; or "same" */
    const char *data_format; /* default: "channels_last"; or "channels_first" */
} kiln_pooling_args;
KILN_API kiln_layer *kiln_max_pooling1d_with(const kiln_pooling_args *args);
KILN_API kiln_layer *kiln_max_pooling2d_with(const kiln_pooling_args *args);
KILN_API kiln_layer *kiln_max_pooling3d_with(const kiln_pooling_args *args);
KILN_API kiln_layer *kiln_average_pooling1d_with(const kiln_pooling_args *args);
KILN_API kiln_layer *kiln_average_pooling2d_with(const kiln_pooling_args *args);
KILN_API kiln_layer *kiln_average_pooling3d_with(const kiln_pooling_args *args);

/* The largest, or the mean, of each channel. */
typedef struct kiln_global_pooling_args {
    KILN_LAYER_ARGS
    const char *data_format; /* default: "channels_last" */
    kiln_choice keepdims;    /* default: no */
} kiln_global_pooling_args;
KILN_API kiln_layer *kiln_global_max_pooling1d_with(const kiln_global_pooling_args *args);
KILN_API kiln_layer *kiln_global_max_pooling2d_with(const kiln_global_pooling_args *args);
KILN_API kiln_layer *kiln_global_max_pooling3d_with(const kiln_global_pooling_args *args);
KILN_API kiln_layer *kiln_global_average_pooling1d_with(const kiln_global_pooling_args *args);
KILN_API kiln_layer *kiln_global_average_pooling2d_with(const kiln_global_pooling_args *args);
KILN_API kiln_layer *kiln_global_average_pooling3d_with(const kiln_global_pooling_args *args);

/* Zeros around the axes: one number for all ends; in 2D one for height and one for width; or what goes before and
 * behind each axis: KILN_SHAPE(top, bottom, left, right). */
typedef struct kiln_zero_padding_args {
    KILN_LAYER_ARGS
    kiln_shape padding;      /* default: 1 */
    const char *data_format; /* default: "channels_last" */
} kiln_zero_padding_args;
KILN_API kiln_layer *kiln_zero_padding1d_with(const kiln_zero_padding_args *args);
KILN_API kiln_layer *kiln_zero_padding2d_with(const kiln_zero_padding_args *args);

/* Cuts off the ends of the axes; numbers as of the padding. */
typedef struct kiln_cropping_args {
    KILN_LAYER_ARGS
    kiln_shape cropping;     /* default: 1 in 1D, 0 in 2D */
    const char *data_format; /* 2D; default: "channels_last" */
} kiln_cropping_args;
KILN_API kiln_layer *kiln_cropping1d_with(const kiln_cropping_args *args);
KILN_API kiln_layer *kiln_cropping2d_with(const kiln_cropping_args *args);

/* Repeats each step `size` times. */
typedef struct kiln_up_sampling1d_args {
    KILN_LAYER_ARGS
    int64_t size; /* default: 2 */
} kiln_up_sampling1d_args;
KILN_API kiln_layer *kiln_up_sampling1d_with(const kiln_up_sampling1d_args *args);

/* Repeats rows and columns, or draws straight lines between them. */
typedef struct kiln_up_sampling2d_args {
    KILN_LAYER_ARGS
    kiln_shape size;           /* default: 2 */
    const char *data_format;   /* default: "channels_last" */
    const char *interpolation; /* default: "nearest"; or "bilinear" */
} kiln_up_sampling2d_args;
KILN_API kiln_layer *kiln_up_sampling2d_with(const kiln_up_sampling2d_args *args);

/* Resizing: pictures at another size, as they are, cropped to its shape, or put into a frame of it. */
typedef struct kiln_resizing_args {
    int64_t height, width;
    const char *interpolation;        /* default: "bilinear"; or "nearest" */
    kiln_choice crop_to_aspect_ratio; /* default: no */
    kiln_choice pad_to_aspect_ratio;  /* default: no */
    double fill_value;                /* of the frame; default: 0 */
    const char *data_format;          /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_resizing_args;
KILN_API kiln_layer *kiln_resizing_with(const kiln_resizing_args *args);

/* CenterCrop: the middle of pictures; smaller ones are enlarged to cover it. */
typedef struct kiln_center_crop_args {
    int64_t height, width;
    const char *data_format; /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_center_crop_args;
KILN_API kiln_layer *kiln_center_crop_with(const kiln_center_crop_args *args);

/* Pictures changed at random, in training only. A factor f draws from -f to f; a range, where one is given, from its
 * first number to its second. */
typedef struct kiln_random_flip_args {
    const char *mode;        /* default: "horizontal_and_vertical"; or "horizontal", "vertical" */
    const char *data_format; /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_random_flip_args;
KILN_API kiln_layer *kiln_random_flip_with(const kiln_random_flip_args *args);
/* Moved by parts of their size, or zoomed: by 1 + a factor, which shows more of them where it is positive. */
typedef struct kiln_random_move_args {
    double height_factor, width_factor; /* a zoom's default: as much as the height */
    double height_range[2], width_range[2];
    const char *fill_mode;     /* default: "reflect"; or "wrap", "constant", "nearest" */
    const char *interpolation; /* default: "bilinear"; or "nearest" */
    double fill_value;         /* default: 0 */
    const char *data_format;   /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_random_move_args;
KILN_API kiln_layer *kiln_random_translation_with(const kiln_random_move_args *args);
KILN_API kiln_layer *kiln_random_zoom_with(const kiln_random_move_args *args);
/* Turned; 1 is a whole turn. */
typedef struct kiln_random_rotation_args {
    double factor;
    double factor_range[2];
    const char *fill_mode;     /* default: "reflect"; or "wrap", "constant", "nearest" */
    const char *interpolation; /* default: "bilinear"; or "nearest" */
    double fill_value;         /* default: 0 */
    const char *data_format;   /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_random_rotation_args;
KILN_API kiln_layer *kiln_random_rotation_with(const kiln_random_rotation_args *args);
/* (x - mean) * c + mean for each channel, c from 1 - f[0] to 1 + f[1]; one factor f is {0, f}. */
typedef struct kiln_random_contrast_args {
    double factor;
    double factor_range[2];
    double value_range[2];   /* the result is kept in it; default: 0 to 255 */
    const char *data_format; /* default: "channels_last" */
    KILN_LAYER_ARGS
} kiln_random_contrast_args;
KILN_API kiln_layer *kiln_random_contrast_with(const kiln_random_contrast_args *args);

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

/* BatchNormalization: each channel by its mean and variance, those of the batch in training, their moving averages
 * otherwise and while the layer is frozen; weights gamma, beta, moving_mean, moving_variance. */
typedef struct kiln_batch_normalization_args {
    KILN_LAYER_ARGS
    int axis;           /* of the channels; default: -1, the last; counts the batch axis */
    double momentum;    /* default: 0.99; KILN_ZERO for 0 */
    double epsilon;     /* default: 0.001; KILN_ZERO for 0 */
    kiln_choice center; /* adds beta; default: yes */
    kiln_choice scale;  /* multiplies by gamma; default: yes */
    const char *beta_initializer;            /* default: zeros */
    const char *gamma_initializer;           /* default: ones */
    const char *moving_mean_initializer;     /* default: zeros */
    const char *moving_variance_initializer; /* default: ones */
    const char *beta_regularizer;            /* default: none */
    const char *gamma_regularizer;           /* default: none */
    const char *beta_constraint; /* default: none */
    const char *gamma_constraint; /* default: none */
} kiln_batch_normalization_args;
KILN_API kiln_layer *kiln_batch_normalization_with(const kiln_batch_normalization_args *args);

/* LayerNormalization: each sample by its mean and variance over axes, for which there are a gamma and a beta. */
typedef struct kiln_layer_normalization_args {
    KILN_LAYER_ARGS
    kiln_shape axis;    /* side by side; default: -1, the last; counts the batch axis */
    double epsilon;     /* default: 0.001; KILN_ZERO for 0 */
    kiln_choice center; /* default: yes */
    kiln_choice scale;  /* default: yes */
    const char *beta_initializer;  /* default: zeros */
    const char *gamma_initializer; /* default: ones */
    const char *beta_regularizer;  /* default: none */
    const char *gamma_regularizer; /* default: none */
    const char *beta_constraint; /* default: none */
    const char *gamma_constraint; /* default: none */
} kiln_layer_normalization_args;
KILN_API kiln_layer *kiln_layer_normalization_with(const kiln_layer_normalization_args *args);

/* GroupNormalization: each group of channels of each sample by its mean and variance. */
typedef struct kiln_group_normalization_args {
    int64_t groups;     /* default: 32; -1: one a channel */
    int axis;           /* of the channels; default: -1, the last; counts the batch axis */
    double epsilon;     /* default: 0.001; KILN_ZERO for 0 */
    kiln_choice center; /* default: yes */
    kiln_choice scale;  /* default: yes */
    const char *beta_initializer;  /* default: zeros */
    const char *gamma_initializer; /* default: ones */
    const char *beta_regularizer;  /* default: none */
    const char *gamma_regularizer; /* default: none */
    const char *beta_constraint; /* default: none */
    const char *gamma_constraint; /* default: none */
    KILN_LAYER_ARGS
} kiln_group_normalization_args;
KILN_API kiln_layer *kiln_group_normalization_with(const kiln_group_normalization_args *args);

/* DepthwiseConv: convolves each channel by itself, depth_multiplier times: kernel (kernel_size..., channels,
 * depth_multiplier), bias and result of channels * depth_multiplier, those of a channel side by side. */
typedef struct kiln_depthwise_conv_args {
    kiln_shape kernel_size;
    kiln_shape strides;       /* default: 1 */
    const char *padding;      /* default: "valid"; or "same" */
    const char *data_format;  /* default: "channels_last"; or "channels_first" */
    kiln_shape dilation_rate; /* default: 1 */
    int64_t depth_multiplier; /* default: 1 */
    const char *activation;   /* default: linear */
    kiln_choice use_bias;     /* default: yes */
    const char *depthwise_initializer; /* default: glorot_uniform */
    const char *bias_initializer;      /* default: zeros */
    const char *depthwise_regularizer; /* default: none */
    const char *bias_regularizer;      /* default: none */
    const char *activity_regularizer;  /* default: none */
    const char *depthwise_constraint; /* default: none */
    const char *bias_constraint; /* default: none */
    KILN_LAYER_ARGS
} kiln_depthwise_conv_args;
KILN_API kiln_layer *kiln_depthwise_conv1d_with(const kiln_depthwise_conv_args *args);
KILN_API kiln_layer *kiln_depthwise_conv2d_with(const kiln_depthwise_conv_args *args);

/* SeparableConv: a DepthwiseConv without bias, then a convolution of single elements: depthwise_kernel as above,
 * pointwise_kernel (1..., channels * depth_multiplier, filters), bias (filters). */
typedef struct kiln_separable_conv_args {
    int64_t filters;
    kiln_shape kernel_size;
    kiln_shape strides;       /* default: 1 */
    const char *padding;      /* default: "valid"; or "same" */
    const char *data_format;  /* default: "channels_last"; or "channels_first" */
    kiln_shape dilation_rate; /* default: 1 */
    int64_t depth_multiplier; /* default: 1 */
    const char *activation;   /* default: linear */
    kiln_choice use_bias;     /* default: yes */
    const char *depthwise_initializer; /* default: glorot_uniform */
    const char *pointwise_initializer; /* default: glorot_uniform */
    const char *bias_initializer;      /* default: zeros */
    const char *depthwise_regularizer; /* default: none */
    const char *pointwise_regularizer; /* default: none */
    const char *bias_regularizer;      /* default: none */
    const char *activity_regularizer;  /* default: none */
    const char *depthwise_constraint; /* default: none */
    const char *pointwise_constraint; /* default: none */
    const char *bias_constraint; /* default: none */
    KILN_LAYER_ARGS
} kiln_separable_conv_args;
KILN_API kiln_layer *kiln_separable_conv1d_with(const kiln_separable_conv_args *args);
KILN_API kiln_layer *kiln_separable_conv2d_with(const kiln_separable_conv_args *args);

/* Permute: the axes of a sample in another order, dims[i] being the axis (from 1 on) that becomes axis i + 1. */
typedef struct kiln_permute_args {
    kiln_shape dims;
    KILN_LAYER_ARGS
} kiln_permute_args;
KILN_API kiln_layer *kiln_permute_with(const kiln_permute_args *args);

/* RepeatVector: (batch, features) to (batch, n, features). */
typedef struct kiln_repeat_vector_args {
    int64_t n;
    KILN_LAYER_ARGS
} kiln_repeat_vector_args;
KILN_API kiln_layer *kiln_repeat_vector_with(const kiln_repeat_vector_args *args);

/* Layers of two or more inputs (model.h: kiln_apply), element by element; an axis of 1 is repeated, and an input of fewer
 * axes has axes of 1 behind the batch. Subtract takes two. */
typedef struct kiln_merging_args {
    KILN_LAYER_ARGS
} kiln_merging_args;
KILN_API kiln_layer *kiln_add_with(const kiln_merging_args *args);
KILN_API kiln_layer *kiln_subtract_with(const kiln_merging_args *args);
KILN_API kiln_layer *kiln_multiply_with(const kiln_merging_args *args);
KILN_API kiln_layer *kiln_average_with(const kiln_merging_args *args);
KILN_API kiln_layer *kiln_maximum_with(const kiln_merging_args *args);
KILN_API kiln_layer *kiln_minimum_with(const kiln_merging_args *args);

/* Concatenate: the inputs one behind the other along an axis; in the others they agree. */
typedef struct kiln_concatenate_args {
    KILN_LAYER_ARGS
    int64_t axis; /* default: -1, the last; counts the batch axis */
} kiln_concatenate_args;
KILN_API kiln_layer *kiln_concatenate_with(const kiln_concatenate_args *args);

/* Dot: for each sample, the sums of products along an axis of each of two inputs; the result has the first's other axes,
 * then the second's (or one of 1). normalize: each vector along them is divided by its length first. */
typedef struct kiln_dot_args {
    int64_t axes;  /* of the first input, and of the second unless axes2 is given; counts the batch axis */
    int64_t axes2; /* default: as axes */
    kiln_choice normalize; /* default: no */
    KILN_LAYER_ARGS
} kiln_dot_args;
KILN_API kiln_layer *kiln_dot_with(const kiln_dot_args *args);

/* Embedding: for each whole number of (batch, ...), row of that number of the table embeddings (input_dim, output_dim):
 * (batch, ..., output_dim). Numbers outside 0 .. input_dim - 1 give zeros, and no row a gradient. mask_zero: 0 is no
 * token but the filling behind one, which layers behind leave out. */
typedef struct kiln_embedding_args {
    int64_t input_dim; /* at most 16777216 */
    int64_t output_dim;
    const char *embeddings_initializer; /* default: random_uniform */
    const char *embeddings_regularizer; /* default: none */
    const char *activity_regularizer;   /* default: none */
    const char *embeddings_constraint; /* default: none */
    kiln_choice mask_zero;              /* default: no */
    KILN_LAYER_ARGS
} kiln_embedding_args;
KILN_API kiln_layer *kiln_embedding_with(const kiln_embedding_args *args);

/* Recurrent layers: (batch, steps, features) to the last step's (batch, units), or with return_sequences to all steps'
 * (batch, steps, units). With * the product element by element, s the recurrent_activation, h and c of the step before
 * (0 at first), and kernel, recurrent_kernel and bias cut into a gate's columns, in the order given:
 *   SimpleRNN (Elman, 1990): h' = activation(x kernel + h recurrent_kernel + bias)
 *   LSTM (Hochreiter and Schmidhuber, 1997; forget gate by Gers et al., 2000), gates i f g o, each with sum
 *     z = x kernel + h recurrent_kernel + bias: c' = s(zf) * c + s(zi) * activation(zg); h' = s(zo) * activation(c')
 *   GRU (Cho et al., 2014), gates z r g: h' = z * h + (1 - z) * activation(x kernel + (r * h) recurrent_kernel + bias);
 *     reset_after: r * (h recurrent_kernel + bias[1]) in the place of the second product, and bias is (2, 3 units), which
 *     is what libraries for GPUs compute.
 * Weights: kernel (features, gates * units), recurrent_kernel (units, gates * units), bias (gates * units).
 * h and c start as 0, as they were after the batch before (stateful), or as the tensors (batch, units) that stand behind
 * the sequence in kiln_apply: kiln_apply(kiln_lstm(8), x, h, c), where h and c may be another layer's by kiln_tensor_output. */
typedef struct kiln_recurrent_args {
    int64_t units;
    const char *activation;            /* default: tanh */
    const char *recurrent_activation;  /* LSTM and GRU; default: sigmoid */
    kiln_choice use_bias;              /* default: yes */
    const char *kernel_initializer;    /* default: glorot_uniform */
    const char *recurrent_initializer; /* default: orthogonal */
    const char *bias_initializer;      /* default: zeros */
    kiln_choice unit_forget_bias;      /* LSTM; the forget gate's bias starts at 1; default: yes */
    const char *kernel_regularizer;    /* default: none */
    const char *recurrent_regularizer; /* default: none */
    const char *bias_regularizer;      /* default: none */
    const char *activity_regularizer;  /* default: none */
    const char *kernel_constraint; /* default: none */
    const char *recurrent_constraint; /* default: none */
    const char *bias_constraint; /* default: none */
    double dropout;                    /* of the inputs, the same elements at each step; default: 0 */
    double recurrent_dropout;          /* of h in front of its product, as dropout; default: 0 */
    kiln_choice reset_after;           /* GRU; default: yes */
    kiln_choice return_sequences;      /* default: no */
    kiln_choice return_state;          /* further outputs: h, and an LSTM's c, after the last step; default: no */
    kiln_choice go_backwards;          /* from the last step to the first; results in that order; default: no */
    kiln_choice stateful;              /* the states go on from one batch to the next, row by row; the model's input
                                          then has a batch_size (see kiln_reset_states); default: no */
    kiln_choice zero_output_for_mask;  /* masked steps give 0, not what the step before gave; default: no */
    KILN_LAYER_ARGS
} kiln_recurrent_args;
KILN_API kiln_layer *kiln_simple_rnn_with(const kiln_recurrent_args *args);
KILN_API kiln_layer *kiln_lstm_with(const kiln_recurrent_args *args);
KILN_API kiln_layer *kiln_gru_with(const kiln_recurrent_args *args);

/* Cells by themselves, for RNN; of the arguments those of the layer (input_shape and the options from return_sequences on)
 * mean nothing here. */
KILN_API kiln_layer *kiln_simple_rnn_cell_with(const kiln_recurrent_args *args);
KILN_API kiln_layer *kiln_lstm_cell_with(const kiln_recurrent_args *args);
KILN_API kiln_layer *kiln_gru_cell_with(const kiln_recurrent_args *args);

/* StackedRNNCells: cells of which each reads what the one before made of the same step; at most 16. Takes them over, also on
 * failure. */
KILN_API kiln_layer *kiln_stacked_rnn_cells_from(size_t count, kiln_layer *const *cells);

/* RNN: a recurrent layer of a cell or of stacked cells. Its states are those of the first cell, then of the second, ... Takes
 * the cell over, also on failure. */
typedef struct kiln_rnn_args {
    kiln_layer *cell;
    kiln_choice return_sequences, return_state, go_backwards, stateful; /* as of kiln_recurrent_args */
    kiln_choice zero_output_for_mask;
    KILN_LAYER_ARGS
} kiln_rnn_args;
KILN_API kiln_layer *kiln_rnn_with(const kiln_rnn_args *args);

/* ConvLSTM1D and ConvLSTM2D (Shi et al., 2015): an LSTM over (batch, steps, length, channels) or (batch, steps, height, width,
 * channels) whose products are convolutions, kernel (kernel_size..., channels, 4 filters) with strides, padding and
 * dilation_rate over the inputs, and recurrent_kernel (kernel_size..., filters, 4 filters) over h, padded to h's size. Results
 * and states have the convolution's sizes and `filters` channels. */
typedef struct kiln_conv_lstm_args {
    int64_t filters;
    kiln_shape kernel_size, strides, dilation_rate; /* one number, or one for each axis; default: 1 */
    const char *padding;     /* "valid" (default) or "same" */
    const char *data_format; /* "channels_last" (default) or "channels_first" */
    const char *activation, *recurrent_activation;     /* default: tanh, sigmoid */
    kiln_choice use_bias, unit_forget_bias;            /* default: yes */
    const char *kernel_initializer;                    /* default: glorot_uniform */
    const char *recurrent_initializer;                 /* default: orthogonal */
    const char *bias_initializer;                      /* default: zeros */
    const char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
    const char *kernel_constraint, *recurrent_constraint, *bias_constraint;
    double dropout, recurrent_dropout;                 /* as of kiln_recurrent_args, as all below */
    kiln_choice return_sequences, return_state, go_backwards, stateful, zero_output_for_mask;
    KILN_LAYER_ARGS
} kiln_conv_lstm_args;
KILN_API kiln_layer *kiln_conv_lstm1d_with(const kiln_conv_lstm_args *args);
KILN_API kiln_layer *kiln_conv_lstm2d_with(const kiln_conv_lstm_args *args);

/* Masking: steps of (batch, steps, features) of which every element is mask_value do not count in the layers behind.
 * Recurrent layers pass over them and keep their state; GlobalAveragePooling1D, BatchNormalization, losses and metrics
 * leave them out; layers that change the axes end the mask, as in Keras. */
typedef struct kiln_masking_args {
    KILN_LAYER_ARGS
    double mask_value; /* default: 0 */
} kiln_masking_args;
KILN_API kiln_layer *kiln_masking_with(const kiln_masking_args *args);

/* TimeDistributed: a layer applied to each step of (batch, steps, ...), or a model of one input and one output by
 * kiln_model_as_layer. Takes the layer over, also on failure. */
typedef struct kiln_time_distributed_args {
    kiln_layer *layer;
    KILN_LAYER_ARGS
} kiln_time_distributed_args;
KILN_API kiln_layer *kiln_time_distributed_with(const kiln_time_distributed_args *args);

/* Bidirectional: a recurrent layer, and the same from the last step to the first (or backward_layer, which has
 * go_backwards), and what both make of each step side by side, or their sum, average or product. Takes the layers over,
 * also on failure. */
typedef struct kiln_bidirectional_args {
    kiln_layer *layer;
    const char *merge_mode;     /* default: "concat"; or "sum", "ave", "mul"; "none": an output each */
    kiln_layer *backward_layer; /* default: made like layer */
    KILN_LAYER_ARGS
} kiln_bidirectional_args;
KILN_API kiln_layer *kiln_bidirectional_with(const kiln_bidirectional_args *args);

#ifndef __cplusplus
#define kiln_masking(...) kiln_masking_with(&(kiln_masking_args){.unset_ = 0, __VA_ARGS__})
#define kiln_time_distributed(...) kiln_time_distributed_with(&(kiln_time_distributed_args){.layer = __VA_ARGS__})
#define kiln_bidirectional(...) kiln_bidirectional_with(&(kiln_bidirectional_args){.layer = __VA_ARGS__})
#define kiln_embedding(...) kiln_embedding_with(&(kiln_embedding_args){.input_dim = __VA_ARGS__})
#define kiln_simple_rnn(...) kiln_simple_rnn_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
#define kiln_lstm(...) kiln_lstm_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
/* kiln_conv_lstm2d(16, KILN_SHAPE(3), .padding = "same") */
#define kiln_conv_lstm1d(...) kiln_conv_lstm1d_with(&(kiln_conv_lstm_args){.filters = __VA_ARGS__})
#define kiln_conv_lstm2d(...) kiln_conv_lstm2d_with(&(kiln_conv_lstm_args){.filters = __VA_ARGS__})
#define kiln_simple_rnn_cell(...) kiln_simple_rnn_cell_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
#define kiln_lstm_cell(...) kiln_lstm_cell_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
#define kiln_gru_cell(...) kiln_gru_cell_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
#define kiln_stacked_rnn_cells(...)                                                                \
    kiln_stacked_rnn_cells_from(sizeof((kiln_layer *const[]){__VA_ARGS__}) / sizeof(kiln_layer *), \
                                (kiln_layer *const[]){__VA_ARGS__})
#define kiln_rnn(...) kiln_rnn_with(&(kiln_rnn_args){.cell = __VA_ARGS__})
#define kiln_gru(...) kiln_gru_with(&(kiln_recurrent_args){.units = __VA_ARGS__})
#define kiln_depthwise_conv1d(...) kiln_depthwise_conv1d_with(&(kiln_depthwise_conv_args){.kernel_size = __VA_ARGS__})
#define kiln_depthwise_conv2d(...) kiln_depthwise_conv2d_with(&(kiln_depthwise_conv_args){.kernel_size = __VA_ARGS__})
#define kiln_separable_conv1d(...) kiln_separable_conv1d_with(&(kiln_separable_conv_args){.filters = __VA_ARGS__})
#define kiln_separable_conv2d(...) kiln_separable_conv2d_with(&(kiln_separable_conv_args){.filters = __VA_ARGS__})
#define kiln_permute(...) kiln_permute_with(&(kiln_permute_args){.dims = __VA_ARGS__})
#define kiln_repeat_vector(...) kiln_repeat_vector_with(&(kiln_repeat_vector_args){.n = __VA_ARGS__})
#define kiln_add(...) kiln_add_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_subtract(...) kiln_subtract_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_multiply(...) kiln_multiply_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_average(...) kiln_average_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_maximum(...) kiln_maximum_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_minimum(...) kiln_minimum_with(&(kiln_merging_args){.unset_ = 0, __VA_ARGS__})
#define kiln_concatenate(...) kiln_concatenate_with(&(kiln_concatenate_args){.unset_ = 0, __VA_ARGS__})
#define kiln_dot(...) kiln_dot_with(&(kiln_dot_args){.axes = __VA_ARGS__})
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
#define kiln_conv1d(...) kiln_conv1d_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_conv2d(...) kiln_conv2d_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_conv3d(...) kiln_conv3d_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_conv1d_transpose(...) kiln_conv1d_transpose_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_conv2d_transpose(...) kiln_conv2d_transpose_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_conv3d_transpose(...) kiln_conv3d_transpose_with(&(kiln_conv_args){.filters = __VA_ARGS__})
#define kiln_max_pooling1d(...) kiln_max_pooling1d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_max_pooling2d(...) kiln_max_pooling2d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_max_pooling3d(...) kiln_max_pooling3d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_average_pooling1d(...) kiln_average_pooling1d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_average_pooling2d(...) kiln_average_pooling2d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_average_pooling3d(...) kiln_average_pooling3d_with(&(kiln_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_max_pooling1d(...) kiln_global_max_pooling1d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_max_pooling2d(...) kiln_global_max_pooling2d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_max_pooling3d(...) kiln_global_max_pooling3d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_average_pooling1d(...) kiln_global_average_pooling1d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_average_pooling2d(...) kiln_global_average_pooling2d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_global_average_pooling3d(...) kiln_global_average_pooling3d_with(&(kiln_global_pooling_args){.unset_ = 0, __VA_ARGS__})
#define kiln_zero_padding1d(...) kiln_zero_padding1d_with(&(kiln_zero_padding_args){.unset_ = 0, __VA_ARGS__})
#define kiln_zero_padding2d(...) kiln_zero_padding2d_with(&(kiln_zero_padding_args){.unset_ = 0, __VA_ARGS__})
#define kiln_cropping1d(...) kiln_cropping1d_with(&(kiln_cropping_args){.unset_ = 0, __VA_ARGS__})
#define kiln_cropping2d(...) kiln_cropping2d_with(&(kiln_cropping_args){.unset_ = 0, __VA_ARGS__})
#define kiln_up_sampling1d(...) kiln_up_sampling1d_with(&(kiln_up_sampling1d_args){.unset_ = 0, __VA_ARGS__})
#define kiln_up_sampling2d(...) kiln_up_sampling2d_with(&(kiln_up_sampling2d_args){.unset_ = 0, __VA_ARGS__})
#define kiln_resizing(...) kiln_resizing_with(&(kiln_resizing_args){.height = __VA_ARGS__})
#define kiln_center_crop(...) kiln_center_crop_with(&(kiln_center_crop_args){.height = __VA_ARGS__})
#define kiln_prelu(...) kiln_prelu_with(&(kiln_prelu_args){.unset_ = 0, __VA_ARGS__})
#define kiln_spatial_dropout1d(...) kiln_spatial_dropout1d_with(&(kiln_spatial_dropout1d_args){.rate = __VA_ARGS__})
#define kiln_spatial_dropout2d(...) kiln_spatial_dropout2d_with(&(kiln_spatial_dropout2d_args){.rate = __VA_ARGS__})
#define kiln_gaussian_noise(...) kiln_gaussian_noise_with(&(kiln_gaussian_noise_args){.stddev = __VA_ARGS__})
#define kiln_gaussian_dropout(...) kiln_gaussian_dropout_with(&(kiln_gaussian_dropout_args){.rate = __VA_ARGS__})
#define kiln_random_flip(...) kiln_random_flip_with(&(kiln_random_flip_args){.mode = __VA_ARGS__})
#define kiln_random_rotation(...) kiln_random_rotation_with(&(kiln_random_rotation_args){.factor = __VA_ARGS__})
#define kiln_random_contrast(...) kiln_random_contrast_with(&(kiln_random_contrast_args){.factor = __VA_ARGS__})
#define kiln_random_translation(...) kiln_random_translation_with(&(kiln_random_move_args){.height_factor = __VA_ARGS__})
#define kiln_random_zoom(...) kiln_random_zoom_with(&(kiln_random_move_args){.height_factor = __VA_ARGS__})
#define kiln_rescaling(...) kiln_rescaling_with(&(kiln_rescaling_args){.scale = __VA_ARGS__})
#define kiln_batch_normalization(...) kiln_batch_normalization_with(&(kiln_batch_normalization_args){.unset_ = 0, __VA_ARGS__})
#define kiln_layer_normalization(...) kiln_layer_normalization_with(&(kiln_layer_normalization_args){.unset_ = 0, __VA_ARGS__})
#define kiln_group_normalization(...) kiln_group_normalization_with(&(kiln_group_normalization_args){.groups = __VA_ARGS__})
#define kiln_normalization(...) kiln_normalization_with(&(kiln_normalization_args){.unset_ = 0, __VA_ARGS__})
#endif

/* The layer's name, and whether training changes its weights. Owned by the layer. */
KILN_API const char *kiln_layer_name(const kiln_layer *layer);
KILN_API const char *kiln_layer_class_name(const kiln_layer *layer);
KILN_API int kiln_layer_trainable(const kiln_layer *layer);
/* Freezes (0) or frees (1) a layer; takes effect at the model's next kiln_compile. */
KILN_API kiln_status kiln_layer_set_trainable(kiln_layer *layer, int trainable);

/* How the layer computes: "float32" (the default) or "mixed_float16": weights and arithmetic are float32, and what passes
 * from launch to launch, activations and their gradients, is kept as half (eleven significant bits, up to 65504), which
 * takes half the memory and bandwidth. Statistics, losses, outputs of the model and the states of loops over time stay
 * float32. On CPUs convolutions read float32 all the same. Takes effect at the model's next kiln_compile. Other names:
 * KILN_ERROR_ARGUMENT. See also kiln_model_set_dtype_policy. */
KILN_API const char *kiln_layer_dtype_policy(const kiln_layer *layer);
KILN_API kiln_status kiln_layer_set_dtype_policy(kiln_layer *layer, const char *policy);

/* Sets a Normalization's mean and variance from samples x features values. */
KILN_API kiln_status kiln_normalization_adapt(kiln_layer *layer, const float *values, int64_t samples, int64_t features);

/* Frees a layer that no model took. NULL is allowed. */
KILN_API void kiln_layer_free(kiln_layer *layer);

KILN_END_DECLS

#endif
