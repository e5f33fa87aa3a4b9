/* What the recurrent layers share. */
#ifndef LAYER_RECURRENT_H
#define LAYER_RECURRENT_H

#include "layer/layer.h"

typedef struct recurrent_config {
    int64_t units;
    char *activation, *recurrent_activation;
    char *kernel_initializer, *recurrent_initializer, *bias_initializer;
    char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
    double dropout, recurrent_dropout;
    bool use_bias, unit_forget_bias, reset_after;
    bool return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask;
} recurrent_config;

extern const layer_class simple_rnn_class, lstm_class, gru_class;

static inline bool is_recurrent(const kiln_layer *layer)
{
    return layer->cls == &simple_rnn_class || layer->cls == &lstm_class || layer->cls == &gru_class;
}

#endif
