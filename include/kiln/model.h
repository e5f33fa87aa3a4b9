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

/* Seeds the initial weights (default 0: drawn from the clock, anew for each model, and kept in it). Must come
 * before the model is compiled or its weights are read. */
KILN_API kiln_status kiln_model_set_seed(kiln_model *model, uint64_t seed);

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

/* Weights in Keras's order (layer by layer; kernel, bias). path is "dense/kernel". Values are copied; count is the number of
 * elements and must match. */
KILN_API size_t kiln_model_weight_count(const kiln_model *model);
KILN_API const char *kiln_model_weight_path(const kiln_model *model, size_t index);
KILN_API kiln_shape kiln_model_weight_shape(const kiln_model *model, size_t index);
KILN_API kiln_status kiln_get_weights(kiln_model *model, size_t index, float *values, size_t count);
KILN_API kiln_status kiln_set_weights(kiln_model *model, size_t index, const float *values, size_t count);

/* The architecture as Keras's JSON: what model.to_json() and keras.models.model_from_json() exchange. indent is the number of
 * spaces a level; negative: one line. The text is the caller's (free); NULL on failure. */
KILN_API char *kiln_model_to_json(const kiln_model *model, int indent);
/* A model, without values of its weights, from such a text. NULL on failure. */
KILN_API kiln_model *kiln_model_from_json(const char *json);

/* Another model that shares this one's layers and weights: compile it on its own, train the two in turn. */
KILN_API kiln_model *kiln_model_share(kiln_model *model);

/* Frees the model, its layers (unless shared) and its place on the device. NULL is allowed. */
KILN_API void kiln_model_free(kiln_model *model);

KILN_END_DECLS

#endif
