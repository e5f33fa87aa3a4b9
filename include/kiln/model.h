/* Models: layers applied to tensors. */
#ifndef KILN_MODEL_H
#define KILN_MODEL_H

#include "device.h"
#include "layers.h"

KILN_BEGIN_DECLS

typedef struct kiln_model kiln_model;

/* A chain of layers. Takes the layers over (on failure it frees them). The first needs an input_shape or must be an
 * input layer. NULL on failure. Free with kiln_model_free. */
KILN_API kiln_model *kiln_sequential_from(size_t count, kiln_layer *const *layers);
#ifndef __cplusplus
#define kiln_sequential(...)                                                                       \
    kiln_sequential_from(sizeof((kiln_layer *const[]){__VA_ARGS__}) / sizeof(kiln_layer *),        \
                         (kiln_layer *const[]){__VA_ARGS__})
#endif

/* ---- functional models ---- */

/* What a layer makes of its inputs, without values: a place in a net of layers. */
typedef struct kiln_tensor kiln_tensor;

typedef struct kiln_tensor_list {
    size_t count;
    kiln_tensor *const *items;
} kiln_tensor_list;

/* An input of the net: the shape of one sample. NULL on failure. */
KILN_API kiln_tensor *kiln_input_with(const kiln_input_layer_args *args);

/* Applies a layer to `count` tensors (1; 2 to 16 for a layer that merges; a recurrent layer takes the states it starts with
 * behind its sequence, and then, as in Keras, applies no mask) and builds it. Takes the layer over (on failure it
 * frees it, unless it has been applied before); a layer that is applied again is shared: the same weights, another tensor.
 * NULL for a layer or tensor is passed on, so that a program checks once. NULL on failure. */
KILN_API kiln_tensor *kiln_apply_to(kiln_layer *layer, size_t count, kiln_tensor *const *tensors);

/* Of one sample. */
KILN_API kiln_shape kiln_tensor_shape(const kiln_tensor *tensor);

/* kiln_apply returns the first output of a layer that has several; this one returns any, of the same call. NULL on failure. */
KILN_API size_t kiln_tensor_output_count(const kiln_tensor *tensor);
KILN_API kiln_tensor *kiln_tensor_output(const kiln_tensor *tensor, size_t index);

/* The model that makes `outputs` of `inputs`, which may lie within a net. Several models can be made from one net; they
 * share its layers. The net's tensors live as long as one of them, and are then freed with the last; on failure they are
 * freed unless another model has them. NULL on failure. Free with kiln_model_free. */
typedef struct kiln_functional_args {
    kiln_tensor_list inputs, outputs;
    const char *name; /* default: "functional" */
} kiln_functional_args;
KILN_API kiln_model *kiln_functional_with(const kiln_functional_args *args);

/* A model as a layer of others: kiln_apply(model, x), or in a list of layers kiln_model_as_layer(model, .name = "encoder").
 * It is the same layer at each call, so that a model that is applied twice is shared. The other models share its layers and
 * weights, whose paths begin with its name from then on ("encoder/dense/kernel"); trainable = KILN_NO, like
 * kiln_layer_set_trainable, freezes them all. The model stays the caller's, to be used and freed like any other: what others
 * need of it lives as long as they do. Inputs must have the model's shapes. NULL on failure. */
typedef struct kiln_model_as_layer_args {
    const char *name;      /* default: the model's name; numbered where that is a default too */
    kiln_choice trainable; /* default: as its layers are */
    char unset_;           /* set by nobody: lets a macro be called without arguments */
} kiln_model_as_layer_args;
KILN_API kiln_layer *kiln_model_as_layer_with(kiln_model *model, const kiln_model_as_layer_args *args);
/* The model in such a layer, which owns it; NULL: the layer is no model. */
KILN_API kiln_model *kiln_layer_model(const kiln_layer *layer);
/* For kiln_apply, which takes either. */
KILN_API kiln_layer *kiln_model_as_layer_plain(kiln_model *model);
KILN_API kiln_layer *kiln_layer_itself(kiln_layer *layer);

/* Frees a tensor and all that is connected with it, unless a model was made from them. NULL is allowed. */
KILN_API void kiln_tensor_free(kiln_tensor *tensor);

#ifndef __cplusplus
/* kiln_tensor *x = kiln_input(KILN_SHAPE(32, 32, 3)), *y = kiln_apply(kiln_conv2d(16, KILN_SHAPE(3, 3)), x);
 * y = kiln_apply(kiln_add(), y, z);
 * kiln_model *model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y), .name = "net"); */
#define KILN_TENSORS(...)                                                                          \
    ((kiln_tensor_list){sizeof((kiln_tensor *const[]){__VA_ARGS__}) / sizeof(kiln_tensor *),       \
                        (kiln_tensor *const[]){__VA_ARGS__}})
#define kiln_input(...) kiln_input_with(&(kiln_input_layer_args){.shape = __VA_ARGS__})
#define KILN_MODEL_AS_LAYER_(model, ...)                                                           \
    kiln_model_as_layer_with(model, &(kiln_model_as_layer_args){__VA_ARGS__})
#define kiln_model_as_layer(...) KILN_MODEL_AS_LAYER_(__VA_ARGS__, .unset_ = 0)
#define kiln_apply(layer, ...)                                                                     \
    kiln_apply_to(_Generic((layer),                                                                \
                      kiln_model *: kiln_model_as_layer_plain,                                     \
                      default: kiln_layer_itself)(layer),                                          \
                  sizeof((kiln_tensor *const[]){__VA_ARGS__}) / sizeof(kiln_tensor *),      \
                  (kiln_tensor *const[]){__VA_ARGS__})
#define kiln_functional(...) kiln_functional_with(&(kiln_functional_args){.inputs = __VA_ARGS__})
#endif

/* Seeds the initial weights (default 0: drawn from the clock, anew for each model, and kept in it). Must come
 * before the model is compiled or its weights are read. */
KILN_API kiln_status kiln_model_set_seed(kiln_model *model, uint64_t seed);

/* The dtype policy of all layers: see kiln_layer_set_dtype_policy. A model has "mixed_float16" where one of its layers has
 * it; then kiln_compile scales the loss as Keras's LossScaleOptimizer does, see kiln_optimizer. */
KILN_API const char *kiln_model_dtype_policy(const kiln_model *model);
KILN_API kiln_status kiln_model_set_dtype_policy(kiln_model *model, const char *policy);

/* Name, layers, parameters. */
KILN_API const char *kiln_model_name(const kiln_model *model);
KILN_API size_t kiln_model_layer_count(const kiln_model *model);
KILN_API kiln_layer *kiln_model_layer(const kiln_model *model, size_t index); /* owned by the model */
KILN_API kiln_layer *kiln_model_find_layer(const kiln_model *model, const char *name); /* NULL and a failure if none */
KILN_API int64_t kiln_model_count_params(const kiln_model *model);
KILN_API size_t kiln_model_input_count(const kiln_model *model);
KILN_API size_t kiln_model_output_count(const kiln_model *model);
KILN_API kiln_shape kiln_model_input_shape(const kiln_model *model, size_t index);  /* of one sample */
KILN_API kiln_shape kiln_model_output_shape(const kiln_model *model, size_t index); /* of one sample */

/* Prints Keras's table of layers. */
KILN_API kiln_status kiln_summary(kiln_model *model, FILE *stream);
typedef struct kiln_summary_args {
    kiln_choice expand_nested; /* rows for the layers of nested models too; default: no */
} kiln_summary_args;
KILN_API kiln_status kiln_summary_with(kiln_model *model, FILE *stream, const kiln_summary_args *args);

/* Draws the layers, what they read and the shapes between them, as SVG into a file. */
KILN_API kiln_status kiln_plot_model(const kiln_model *model, const char *path);

/* Weights in Keras's order (layer by layer; kernel, bias). path is "dense/kernel". Values are copied; count is the number of
 * elements and must match. */
KILN_API size_t kiln_model_weight_count(const kiln_model *model);
KILN_API const char *kiln_model_weight_path(const kiln_model *model, size_t index);
KILN_API kiln_shape kiln_model_weight_shape(const kiln_model *model, size_t index);
KILN_API kiln_status kiln_get_weights(kiln_model *model, size_t index, float *values, size_t count);
KILN_API kiln_status kiln_set_weights(kiln_model *model, size_t index, const float *values, size_t count);

/* Fills an Embedding's table from a text file of word2vec or GloVe: a line for each word, the word and its output_dim numbers,
 * with or without word2vec's first line (words, numbers). Row i becomes the vector of words[i]; rows of words that are not in
 * the file stay as they are, and *missing (NULL is allowed) says how many words those are, an empty one not counted. A line
 * that is none of these fails by its number and changes nothing. */
typedef struct kiln_word_vectors_args {
    kiln_model *model;
    const char *path;
    size_t count; /* words; at most input_dim */
    const char *const *words;
    const char *layer; /* default: the model's only Embedding */
    int freeze;        /* the table does not train, from the next kiln_compile on; default: it does */
} kiln_word_vectors_args;
KILN_API kiln_status kiln_load_word_vectors_with(const kiln_word_vectors_args *args, size_t *missing);
#ifndef __cplusplus
#define kiln_load_word_vectors(missing, ...)                                                       \
    kiln_load_word_vectors_with(&(kiln_word_vectors_args){.model = __VA_ARGS__}, missing)
#endif

/* Sets the states of all stateful layers to 0. They start as 0, and go on through kiln_fit, kiln_evaluate and kiln_predict and
 * from one call to the next; files do not keep them. */
KILN_API kiln_status kiln_reset_states(kiln_model *model);

/* The architecture as Keras's JSON: what model.to_json() and keras.models.model_from_json() exchange. indent is the number of
 * spaces a level; negative: one line. The text is the caller's (free); NULL on failure. */
KILN_API char *kiln_model_to_json(const kiln_model *model, int indent);
/* A model, without values of its weights, from such a text. NULL on failure. */
KILN_API kiln_model *kiln_model_from_json(const char *json);
/* The same, and kiln_load_with, for a model whose inputs have an open axis, as Keras's Input((None, 3)). Shapes are fixed here,
 * so that the axis needs a length: a model for other lengths is read again. It is written open as it was. */
typedef struct kiln_load_args {
    int64_t sequence_length; /* default: the one that a .keras file which Kiln wrote was used with */
} kiln_load_args;
KILN_API kiln_model *kiln_model_from_json_with(const char *json, const kiln_load_args *args);

/* Another model that shares this one's layers and weights: compile it on its own, train the two in turn. */
KILN_API kiln_model *kiln_model_share(kiln_model *model);

/* Frees the model, its layers (unless shared) and its place on the device. NULL is allowed. */
KILN_API void kiln_model_free(kiln_model *model);

KILN_END_DECLS

#endif
