/* The built-in networks with recurrent layers. */
#include "cli/networks.h"
#include "model/model.h"

#include <math.h>
#include <string.h>

network_weights network_initial;

/* The initializers of a network's layers; NULL: Keras's. */
typedef struct initializers {
    char recurrent[96], dense[96]; /* PyTorch's, uniform up to 1 / sqrt(units) */
    const char *embeddings, *kernel, *state, *bias, *dense_kernel, *dense_bias;
    kiln_choice forget_bias;
} initializers;

/* units: of the recurrent layer; inputs: of the dense one. */
static initializers *initializers_of(initializers *i, int64_t units, int64_t inputs)
{
    const network_weights *w = &network_initial;
    *i = (initializers){0};
    if (w->pytorch) {
        double limit = 1 / sqrt((double)units), dense = 1 / sqrt((double)inputs);
        snprintf(i->recurrent, sizeof i->recurrent, "random_uniform(minval=%.17g, maxval=%.17g)",
                 -limit, limit);
        snprintf(i->dense, sizeof i->dense, "random_uniform(minval=%.17g, maxval=%.17g)", -dense,
                 dense);
        i->embeddings = "random_normal(stddev=1)";
        i->kernel = i->state = i->bias = i->recurrent;
        i->dense_kernel = i->dense_bias = i->dense;
        i->forget_bias = KILN_NO;
    }
    if (w->embeddings)
        i->embeddings = w->embeddings;
    if (w->kernel)
        i->kernel = w->kernel;
    if (w->recurrent)
        i->state = w->recurrent;
    if (w->bias) {
        i->bias = w->bias;
        i->forget_bias = KILN_NO;
    }
    return i;
}

static int64_t embedding_width(int64_t usual)
{
    return network_initial.width > 0 ? network_initial.width : usual;
}

typedef kiln_layer *(*recurrent_builder)(const kiln_recurrent_args *args);

static kiln_layer *recurrent(recurrent_builder build, int64_t units, bool sequences,
                             const initializers *i)
{
    return build(&(kiln_recurrent_args){.units = units,
                                        .return_sequences = sequences ? KILN_YES : KILN_NO,
                                        .kernel_initializer = i->kernel,
                                        .recurrent_initializer = i->state,
                                        .bias_initializer = i->bias,
                                        .unit_forget_bias = i->forget_bias});
}

/* What the data want; without data: a text of 65 characters, as Shakespeare's plays have. */
typedef struct sizes {
    int64_t length, tokens, outputs;
    bool classify;
} sizes;

/* One more than the largest number in the sequences. */
static int64_t numbers_below(const data_column *x, int64_t samples)
{
    int32_t most = 0;
    for (int64_t i = 0; i < data_column_span(x, samples); i++)
        if (((const int32_t *)x->data)[i] > most)
            most = ((const int32_t *)x->data)[i];
    return (int64_t)most + 1;
}

static kiln_status find_sizes(const network *which, const kiln_dataset *data, bool classify,
                              sizes *s)
{
    *s = (sizes){which->sized.dims[0], 65, classify ? 2 : 65, classify};
    if (data == NULL)
        return KILN_OK;
    const data_column *x = &data->inputs[0];
    if (data->text.tokens == NULL) {
        if (data->input_count != 1 || x->dtype != KILN_INT32 || x->shape.rank != 1)
            return kiln_fail(
                KILN_ERROR_ARGUMENT,
                "%s: the network takes text or sequences of whole numbers, and %s holds "
                "neither; give a text file",
                which->name, data->origin);
        *s = (sizes){x->shape.dims[0], numbers_below(x, data->samples), 0, classify};
        s->outputs = classify ? network_outputs(data) : s->tokens;
        return KILN_OK;
    }
    s->length = data->text.length;
    s->tokens = (int64_t)data->text.token_count;
    s->classify = strcmp(data->text.task, "classify") == 0;
    if (classify && !s->classify)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the network reads a text in both directions, and cannot tell what "
                         "follows; use lstm or gru, or --task classify",
                         which->name);
    s->outputs = s->classify ? network_outputs(data) : s->tokens;
    return KILN_OK;
}

/* A character model, or with labelled lines a classifier. */
static kiln_model *build_text(const network *which, recurrent_builder build,
                              const kiln_dataset *data)
{
    sizes s;
    initializers i;
    if (find_sizes(which, data, false, &s) != KILN_OK)
        return NULL;
    int64_t units = which->tiny ? 16 : s.classify ? 64 : 256, width = embedding_width(which->tiny ? 8 : 64);
    initializers_of(&i, units, units);
    return kiln_sequential(kiln_embedding(s.tokens, width, .embeddings_initializer = i.embeddings,
                                          .mask_zero = s.classify ? KILN_YES : KILN_NO,
                                          .input_shape = KILN_SHAPE(s.length)),
                           recurrent(build, units, !s.classify, &i),
                           kiln_dense(s.outputs, .kernel_initializer = i.dense_kernel,
                                      .bias_initializer = i.dense_bias));
}

kiln_model *network_build_simple_rnn(const network *which, const kiln_dataset *data)
{
    return build_text(which, kiln_simple_rnn_with, data);
}

kiln_model *network_build_lstm(const network *which, const kiln_dataset *data)
{
    return build_text(which, kiln_lstm_with, data);
}

kiln_model *network_build_gru(const network *which, const kiln_dataset *data)
{
    return build_text(which, kiln_gru_with, data);
}

kiln_model *network_build_bilstm_classifier(const network *which, const kiln_dataset *data)
{
    sizes s;
    initializers i;
    if (find_sizes(which, data, true, &s) != KILN_OK)
        return NULL;
    const int64_t units = which->tiny ? 8 : 64;
    initializers_of(&i, units, 2 * units);
    return kiln_sequential(kiln_embedding(s.tokens, embedding_width(units), .embeddings_initializer = i.embeddings,
                                          .mask_zero = KILN_YES,
                                          .input_shape = KILN_SHAPE(s.length)),
                           kiln_bidirectional(recurrent(kiln_lstm_with, units, false, &i)),
                           kiln_dense(s.outputs, .kernel_initializer = i.dense_kernel,
                                      .bias_initializer = i.dense_bias));
}
