/* A model: applications of layers to tensors, in order, with inputs and outputs. */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include "layer/layer.h"
#include "model/model_text.h"
#include "model/series.h"

#include <kiln/model.h>

#define MODEL_MAX_LAYER_INPUTS LAYER_MAX_INPUTS

/* One application of a layer: its input tensors are outputs of earlier applications. One with
 * several outputs has an entry for each, side by side, alike but for output and shape. */
typedef struct model_call {
    kiln_layer *layer;
    int inputs[MODEL_MAX_LAYER_INPUTS]; /* indices of model_call; none for an input layer */
    int input_count;
    int output;       /* which of the layer's */
    kiln_shape shape; /* of one sample of its output */
    int64_t batch;    /* rows of each batch; 0: any number */
} model_call;

typedef struct model_net model_net; /* tensor.c: tensors that are connected */
struct model_training;              /* train/: what kiln_compile made */

struct kiln_model {
    char *name;
    bool sequential;
    kiln_layer **layers; /* in order, each once */
    size_t layer_count, layer_capacity;
    kiln_layer **leaves; /* the same, with nested models' layers in place of them, each once */
    size_t leaf_count, leaf_capacity;
    int holders;        /* the program, and the layer that nests it in others */
    kiln_layer *nested; /* that layer; NULL: none */
    bool named;         /* by its maker; else the model that it is nested in may number it */
    bool in_names;      /* its weights' paths begin with its name, which stays */
    model_call *calls;  /* in order of execution */
    size_t call_count, call_capacity;
    int *inputs, *outputs; /* indices of calls */
    size_t input_count, output_count;
    uint64_t seed;
    bool seeded; /* the weights have their values */
    struct model_training *training;
    void (*free_training)(struct kiln_model *model);
    model_net *net;            /* the model was made from; NULL: none */
    struct model_facts *facts; /* what is Kiln's own and kept with the model */
};

/* Kept in metadata.json's "kiln" object. */
typedef struct model_facts {
    double input_scale; /* 0: none */
    char **class_names;
    size_t class_count;
    char **feature_names;
    size_t feature_count;
    model_series *series; /* NULL: the model is of no series */
    model_text text;      /* no tokens: the model is not about text */
    char *compile_config; /* Keras's compile_config JSON text as read, until kiln_compile; NULL:
                             none */
} model_facts;

/* An empty model to be filled (by the format floor). name NULL: "sequential" or "functional". */
kiln_model *model_new(const char *name, bool sequential);
/* Applies a layer to the outputs of earlier calls; builds it; *call is the index of the new one's
 * first output. The model takes the layer over (on failure too). A layer that the model has already
 * is applied once more, with the same weights. */
kiln_status model_apply(kiln_model *model, kiln_layer *layer, int input_count, const int *inputs,
                        int *call);
kiln_status model_set_ends(kiln_model *model, size_t inputs, const int *input_calls, size_t outputs,
                           const int *output_calls);
/* Replaces its name, by a copy. */
kiln_status model_set_name(kiln_model *model, const char *name);
/* The model that a layer nests, or NULL. */
kiln_model *model_in(const kiln_layer *layer);
/* The same, or the model that a layer wraps (TimeDistributed), or NULL. */
kiln_model *model_within(const kiln_layer *layer);
/* The model takes a layer's weights among its own: their paths begin with the nested model's name
 * from now on. */
kiln_status model_name_nested(kiln_layer *layer);
/* One holder of a model less. */
void model_release(kiln_model *model);
/* One holder of a layer less; the last one frees it. */
void model_let_go(kiln_layer *layer);
/* The model's tensors go, with the last of the models made from them. */
void model_leave_net(kiln_model *model);
/* Adds a layer to the end of a sequential model; the first brings its input layer along. Takes the
 * layer over. model_close_sequential ends it. */
kiln_status model_add(kiln_model *model, kiln_layer *layer);
kiln_status model_close_sequential(kiln_model *model);

/* Replaces class or feature names by copies. */
kiln_status model_set_class_names(kiln_model *model, size_t count, const char *const *names);
kiln_status model_set_feature_names(kiln_model *model, size_t count, const char *const *names);
/* Replaces what the model knows of its series by a copy; NULL: nothing. */
kiln_status model_set_series(kiln_model *model, const model_series *series);

/* The name of an output: its layer's, or where several are of one layer "lstm_1" and so on for the
 * further ones (a ring of buffers, one a thread). */
const char *model_output_name(const kiln_model *model, size_t output);

/* Rows of the batches that stateful layers take; 0: there are none. */
int64_t model_state_batch(const kiln_model *model);

/* A seed that no other call draws. */
uint64_t model_draw_seed(void);

/* Gives all weights their initial values, once. */
kiln_status model_seed_weights(kiln_model *model);

/* Has a layer the dtype policy mixed_float16? */
bool model_is_mixed(const kiln_model *model);

/* Adds the model's calls to a graph: inputs are nodes with the batch axis; outputs gets
 * output_count nodes. call->loss becomes the sum of the regularization penalties. */
kiln_status model_build_graph(kiln_model *model, layer_call *call, const ir_id *inputs,
                              ir_id *outputs);
/* The same inside of another model: outputs are nodes as the layers made them, no penalties of
 * weights. input_masks and masks as in layer_call, for all inputs and outputs; IR_NONE: none. */
kiln_status model_call_graph(const kiln_model *model, layer_call *call, const ir_id *inputs,
                             const ir_id *input_masks, ir_id *outputs, ir_id *masks);

/* Weight by position over all layers, in Keras's order, those of nested models among them, each
 * once; constants that follow from a layer's configuration included. layer is the weight's own, or
 * the one that wraps it. */
size_t model_weight_count(const kiln_model *model);
layer_weight *model_weight(const kiln_model *model, size_t index, kiln_layer **layer);
/* By position among those that count (kiln_model_weight_count), and by path; NULL: none. */
layer_weight *model_saved_weight(const kiln_model *model, size_t index, kiln_layer **layer);
layer_weight *model_find_weight(const kiln_model *model, const char *path);
/* Sets a weight's values; a layer that wanted data for them has them now. */
kiln_status model_set_weight(kiln_model *model, size_t index, const float *values);

/* Keras's table of layers and the lines behind it. expand: nested models' layers have rows too.
 * optimizer_params < 0: none yet. */
kiln_status model_summary(const kiln_model *model, int width, bool expand, int64_t optimizer_params,
                          text *out);
/* Parameters of a layer, those of a nested model's layers. */
int64_t model_count_layer_params(const kiln_layer *layer);

/* A drawing of the model: SVG (plot.c). */
kiln_status model_plot(const kiln_model *model, text *out);

/* Device memory of weights (store.c): places those not yet on the device, one after the other in
 * the order given, each at a multiple of 64 elements, in as few slabs as the device's largest
 * allocation allows, and uploads their host values (which are freed: the device's are the weight
 * from now on). Those on another device are moved. */
kiln_status store_place(kiln_device *device, ir_weight *const *weights, size_t count);
kiln_status store_upload(ir_weight *weight, const float *values);
/* Waits for everything enqueued. */
kiln_status store_download(ir_weight *weight, float *values);
/* Gives the device memory up, with the values in it. A slab goes with its last weight. */
void store_release(ir_weight *weight);

#endif
