/* What the recurrent layers share. */
#ifndef LAYER_RECURRENT_H
#define LAYER_RECURRENT_H

#include "layer/layer.h"

/* Stands first in the configuration of each recurrent layer (layer_class.is_recurrent). */
typedef struct recurrent_options {
    bool return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask;
} recurrent_options;

#define RECURRENT_FLAG(FIELD)                                                                      \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_BOOL, .offset = offsetof(recurrent_options, FIELD)           \
    }
#define RECURRENT_OPTIONS                                                                          \
    RECURRENT_FLAG(return_sequences), RECURRENT_FLAG(return_state), RECURRENT_FLAG(go_backwards),  \
        RECURRENT_FLAG(stateful), RECURRENT_FLAG(unroll), RECURRENT_FLAG(zero_output_for_mask)

static inline recurrent_options *recurrent_options_in(const kiln_layer *layer)
{
    return layer->config;
}

recurrent_options recurrent_options_of(kiln_choice return_sequences, kiln_choice return_state,
                                       kiln_choice go_backwards, kiln_choice stateful,
                                       kiln_choice zero_output_for_mask);

/* Of SimpleRNN, LSTM and GRU, and of their cells (whose options are not their own: RNN sets
 * stateful). */
typedef struct recurrent_config {
    recurrent_options options;
    int64_t units;
    char *activation, *recurrent_activation;
    char *kernel_initializer, *recurrent_initializer, *bias_initializer;
    char *kernel_regularizer, *recurrent_regularizer, *bias_regularizer, *activity_regularizer;
    char *kernel_constraint, *recurrent_constraint, *bias_constraint;
    double dropout, recurrent_dropout;
    bool use_bias, unit_forget_bias, reset_after;
} recurrent_config;

extern const layer_class simple_rnn_class, lstm_class, gru_class, simple_rnn_cell_class,
    lstm_cell_class, gru_cell_class, conv_lstm1d_class, conv_lstm2d_class;

/* ---- cells (cell.c); `cell` is a layer of one of the classes above ---- */
#define CELL_MAX_STATES 2

typedef enum cell_kind { CELL_SIMPLE, CELL_LSTM, CELL_GRU, CELL_CONV_LSTM } cell_kind;
cell_kind cell_kind_of(const kiln_layer *cell);
int cell_gates(const kiln_layer *cell);
/* States that go from step to step: h, and an LSTM's c. */
int cell_states(const kiln_layer *cell);
/* Where a stateful one keeps them. */
ir_weight *cell_state(const kiln_layer *cell, int state);

/* One cell over a sequence. */
typedef struct cell_pass {
    bool backwards;
    bool zeros;     /* masked steps show 0, not what was before */
    bool sequences; /* wanted: all steps' outputs, else the last one's */
    bool finals;    /* wanted: the states after the last step */
    ir_id mask;     /* (steps, rows, 1), or IR_NONE */
    ir_id initial[CELL_MAX_STATES]; /* IR_NONE: 0 */
    /* Results, IR_NONE where they are not wanted: */
    ir_id sequence; /* (steps, rows, units), by time */
    ir_id last, states[CELL_MAX_STATES];
} cell_pass;

/* x (steps, rows, features); conv_lstm.c has the other one. */
kiln_status cell_run(const kiln_layer *cell, layer_call *call, ir_id x, cell_pass *run);
kiln_status conv_cell_run(const kiln_layer *layer, layer_call *call, ir_id x, cell_pass *run);

/* For check(): a rate of dropout, and an activation that keeps the number of units. */
kiln_status cell_check_rate(const char *what, double rate);
kiln_status cell_check_activation(const char *what, const char *source, int64_t units);
/* What to multiply by: 0 for a part `rate` of the elements. */
ir_id cell_dropout(ir_graph *g, kiln_shape shape, double rate, uint32_t stream);

/* ---- layers of cells, one behind the other (recurrent.c) ---- */
#define RECURRENT_MAX_CELLS LAYER_MAX_INNER

/* Shapes for an input sequence and the states it starts with, if they are given. */
kiln_status recurrent_shapes(const kiln_layer *layer, int cells, kiln_layer *const *cell, int count,
                             const kiln_shape *inputs, kiln_shape *output);
/* The same by the shapes of the states, and of what a step makes. */
kiln_status recurrent_shapes_of(const kiln_layer *layer, int states, const kiln_shape *state,
                                kiln_shape step, int count, const kiln_shape *inputs,
                                kiln_shape *output);
/* The layer's outputs: the sequence or its last step, then the states with return_state. */
kiln_status recurrent_call(kiln_layer *layer, layer_call *call, int cells, kiln_layer *const *cell,
                           int count, const ir_id *inputs, ir_id *output);
/* Batch and steps change places. */
ir_id recurrent_swap(ir_graph *g, ir_id x);
/* The mask of a sequence as (steps, rows, 1...), of the input's rank, or IR_NONE. */
kiln_status recurrent_mask(layer_call *call, ir_id input, ir_id *mask);

#endif
