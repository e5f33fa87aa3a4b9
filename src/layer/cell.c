/* SimpleRNN's, LSTM's and GRU's cells over a sequence. The inputs' product of all time steps comes
 * before the loop; the loop has the recurrent product and the cell. Sequences are (steps, rows,
 * features) here, so that what one step reads and writes lies together. */
#include "layer/recurrent.h"

cell_kind cell_kind_of(const kiln_layer *cell)
{
    const layer_class *cls = cell->cls;
    return cls == &lstm_class || cls == &lstm_cell_class                 ? CELL_LSTM
           : cls == &gru_class || cls == &gru_cell_class                 ? CELL_GRU
           : cls == &conv_lstm1d_class || cls == &conv_lstm2d_class ? CELL_CONV_LSTM
                                                                         : CELL_SIMPLE;
}

int cell_gates(const kiln_layer *cell)
{
    cell_kind kind = cell_kind_of(cell);
    return kind == CELL_LSTM ? 4 : kind == CELL_GRU ? 3 : 1;
}

int cell_states(const kiln_layer *cell)
{
    cell_kind kind = cell_kind_of(cell);
    return kind == CELL_LSTM || kind == CELL_CONV_LSTM ? 2 : 1;
}

ir_weight *cell_state(const kiln_layer *cell, int state)
{
    size_t first = 0;
    while (!cell->weights[first]->state)
        first++;
    return &cell->weights[first + (size_t)state]->weight;
}

kiln_status cell_check_activation(const char *what, const char *source, int64_t units)
{
    kiln_shape from = {1, {units}}, to;
    if (source == NULL)
        return KILN_OK;
    KILN_TRY(activation_shape(source, from, &to));
    if (!ir_shape_equal(from, to))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s \"%s\" changes the number of units", what,
                         source);
    return KILN_OK;
}

kiln_status cell_check_rate(const char *what, double rate)
{
    if (!(rate >= 0 && rate <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is %g; it must be between 0 and 1", what, rate);
    return KILN_OK;
}

#define GATES 4

/* One call of a layer. */
typedef struct pass {
    const recurrent_config *c;
    ir_graph *g;
    int gates;
    int64_t rows, units;
    ir_id kernel, recurrent, bias; /* weights; bias IR_NONE: none */
    ir_id input;                   /* all gates' inputs (steps, rows, gates * units), or IR_NONE: */
    ir_id inputs[GATES];           /* one each, (steps, rows, units) */
    ir_id masks[GATES];            /* (rows, units): dropout of the state in front of each gate */
    ir_id recurrents[GATES];       /* the recurrent kernel's gates, where they are apart */
    ir_id mask;                    /* (steps, rows, 1), or IR_NONE */
    ir_id late_bias;               /* GRU: added to the product that the reset gate scales */
} pass;

ir_id cell_dropout(ir_graph *g, kiln_shape shape, double rate, uint32_t stream)
{
    ir_id kept = op_binary(g, F_GREATER_EQUAL, op_uniform(g, shape, stream), op_constant(g, rate));
    return op_affine(g, kept, rate < 1 ? 1 / (1 - rate) : 0, 0);
}

static ir_id gate_of(const pass *p, ir_id x, int gate)
{
    return x == IR_NONE
               ? IR_NONE
               : op_slice(p->g, x, p->g->items[x].shape.rank - 1, gate * p->units, p->units, 1);
}

/* The bias that the inputs' product takes. */
static ir_id early_bias(pass *p)
{
    ir_graph *g = p->g;
    if (p->bias == IR_NONE || g->items[p->bias].shape.rank == 1)
        return p->bias;
    /* GRU with two: the second one's gates z and r join the first, h waits for the reset gate. */
    kiln_shape one = {1, {p->gates * p->units}}, row = {2, {p->rows, p->units}};
    ir_id first = op_reshape(g, op_slice(g, p->bias, 0, 0, 1, 1), one),
          second = op_reshape(g, op_slice(g, p->bias, 0, 1, 1, 1), one);
    /* One for each row: its gradient is then summed once, after the loop. */
    p->late_bias = op_broadcast(g, gate_of(p, second, 2), row);
    return op_binary(g, F_ADD, first,
                     op_pad(g, op_slice(g, second, 0, 0, 2 * p->units, 1), 0, 0, p->units));
}

static kiln_status multiply_inputs(pass *p, layer_call *call, ir_id x, bool apart)
{
    ir_graph *g = p->g;
    const recurrent_config *c = p->c;
    kiln_shape shape = g->items[x].shape, one = shape;
    one.dims[0] = 1;
    bool drops = call->training && c->dropout > 0 && (c->dropout < 1 || p->gates == 1);
    ir_id bias = early_bias(p);
    int count = apart ? p->gates : 1;
    for (int i = 0; i < count; i++) {
        ir_id from = x, kernel = apart ? gate_of(p, p->kernel, i) : p->kernel;
        if (drops) {
            ir_id mask = cell_dropout(g, (kiln_shape){2, {shape.dims[1], shape.dims[2]}}, c->dropout,
                                   call->stream + (uint32_t)i);
            from = op_binary(g, F_MUL, x, op_reshape(g, mask, one));
        }
        ir_id y = op_matmul(g, from, kernel, false, false);
        if (p->bias != IR_NONE)
            y = op_binary(g, F_ADD, y, apart ? gate_of(p, bias, i) : bias);
        if (y == IR_NONE)
            return kiln_last_status();
        p->inputs[i] = y;
    }
    p->input = apart ? IR_NONE : p->inputs[0];
    return KILN_OK;
}

/* Inside the loop: gate i of this step's inputs. */
static ir_id step_input(const pass *p, int gate)
{
    return p->input == IR_NONE ? op_scan_slice(p->g, p->inputs[gate])
                               : gate_of(p, op_scan_slice(p->g, p->input), gate);
}

/* Inside: x through one gate's part of the recurrent kernel. */
static ir_id step_product(const pass *p, ir_id x, int gate)
{
    if (p->masks[gate] != IR_NONE)
        x = op_binary(p->g, F_MUL, x, p->masks[gate]);
    return op_matmul(p->g, x, p->recurrents[gate], false, false);
}

/* Inside: input plus recurrent product of each gate, all that do not wait for another gate. */
static void step_sums(const pass *p, ir_id h, int count, ir_id *sums)
{
    ir_graph *g = p->g;
    if (p->recurrents[0] != IR_NONE) { /* each by itself */
        for (int i = 0; i < count; i++)
            sums[i] = op_binary(g, F_ADD, step_input(p, i), step_product(p, h, i));
        return;
    }
    ir_id all = op_binary(g, F_ADD, op_scan_slice(g, p->input),
                          op_matmul(g, h, p->recurrent, false, false));
    for (int i = 0; i < count; i++)
        sums[i] = gate_of(p, all, i);
}

static ir_id activate(const pass *p, ir_id x, bool gate)
{
    return activation_apply(p->g, gate ? p->c->recurrent_activation : p->c->activation, x);
}

static ir_id step_simple(const pass *p, ir_id h)
{
    ir_id sum;
    step_sums(p, h, 1, &sum);
    return activate(p, sum, false);
}

static ir_id step_lstm(const pass *p, ir_id h, ir_id *carry)
{
    ir_graph *g = p->g;
    ir_id sums[GATES]; /* i f c o */
    step_sums(p, h, 4, sums);
    ir_id in = op_binary(g, F_MUL, activate(p, sums[0], true), activate(p, sums[2], false)),
          kept = op_binary(g, F_MUL, activate(p, sums[1], true), *carry);
    *carry = op_binary(g, F_ADD, kept, in);
    return op_binary(g, F_MUL, activate(p, sums[3], true), activate(p, *carry, false));
}

static ir_id step_gru(const pass *p, ir_id h)
{
    ir_graph *g = p->g;
    ir_id sums[GATES], waiting = IR_NONE; /* z r h */
    if (p->recurrents[0] != IR_NONE) {
        step_sums(p, h, 2, sums);
        if (p->c->reset_after)
            waiting = step_product(p, h, 2);
    } else if (p->c->reset_after) {
        ir_id x = op_scan_slice(g, p->input), y = op_matmul(g, h, p->recurrent, false, false);
        for (int i = 0; i < 2; i++)
            sums[i] = op_binary(g, F_ADD, gate_of(p, x, i), gate_of(p, y, i));
        waiting = gate_of(p, y, 2);
    } else { /* recurrent holds the gates z and r, recurrents[2] the last */
        ir_id x = op_scan_slice(g, p->input), y = op_matmul(g, h, p->recurrent, false, false);
        for (int i = 0; i < 2; i++)
            sums[i] = op_binary(g, F_ADD, gate_of(p, x, i), gate_of(p, y, i));
    }
    ir_id z = activate(p, sums[0], true), r = activate(p, sums[1], true);
    if (p->c->reset_after) {
        if (p->late_bias != IR_NONE)
            waiting = op_binary(g, F_ADD, waiting, p->late_bias);
        waiting = op_binary(g, F_MUL, r, waiting);
    } else {
        ir_id masked = p->masks[2] == IR_NONE ? h : op_binary(g, F_MUL, h, p->masks[2]);
        waiting = op_matmul(g, op_binary(g, F_MUL, r, masked), p->recurrents[2], false, false);
    }
    ir_id next = activate(p, op_binary(g, F_ADD, step_input(p, 2), waiting), false);
    /* z h + (1 - z) next */
    return op_binary(g, F_ADD, op_binary(g, F_MUL, z, h),
                     op_binary(g, F_MUL, op_affine(g, z, -1, 1), next));
}

static void part_recurrent(pass *p, layer_call *call, bool apart)
{
    ir_graph *g = p->g;
    const recurrent_config *c = p->c;
    kiln_shape row = {2, {p->rows, p->units}};
    bool drops =
        call->training && c->recurrent_dropout > 0 && (c->recurrent_dropout < 1 || p->gates == 1);
    for (int i = 0; i < p->gates; i++) {
        p->masks[i] =
            drops ? cell_dropout(g, row, c->recurrent_dropout, call->stream + (uint32_t)(p->gates + i))
                  : IR_NONE;
        p->recurrents[i] = apart || drops ? gate_of(p, p->recurrent, i) : IR_NONE;
    }
    if (p->gates == 3 && !c->reset_after && !apart) {
        p->recurrents[2] = gate_of(p, p->recurrent, 2);
        p->recurrent = op_slice(g, p->recurrent, 1, 0, 2 * p->units, 1);
    }
}

/* Inside: `next` where the mask counts this step, else `held`. */
static ir_id choose(const pass *p, ir_id mask, ir_id next, ir_id held)
{
    return mask == IR_NONE ? next : op_select(p->g, mask, next, held);
}

static kiln_status loop(const kiln_layer *cell, const pass *p, int64_t steps, cell_pass *run)
{
    ir_graph *g = p->g;
    cell_kind kind = cell_kind_of(cell);
    ir_id none = op_constant(g, 0),
          zero = op_broadcast(g, none, (kiln_shape){2, {p->rows, p->units}});
    bool lstm = kind == CELL_LSTM, zeros = p->mask != IR_NONE && run->zeros;
    KILN_TRY(op_scan_begin(g, steps, run->backwards));
    ir_id mask = p->mask == IR_NONE ? IR_NONE : op_scan_slice(g, p->mask);
    ir_id h = op_scan_state(g, run->initial[0] == IR_NONE ? zero : run->initial[0]),
          carry = IR_NONE;
    if (lstm)
        carry = op_scan_state(g, run->initial[1] == IR_NONE ? zero : run->initial[1]);
    ir_id next_carry = carry, shown = zeros ? op_scan_state(g, zero) : h;
    ir_id next = lstm               ? step_lstm(p, h, &next_carry)
                 : kind == CELL_GRU ? step_gru(p, h)
                                    : step_simple(p, h);
    kiln_status status = op_scan_update(g, h, choose(p, mask, next, h));
    if (status == KILN_OK && lstm)
        status = op_scan_update(g, carry, choose(p, mask, next_carry, carry));
    if (status == KILN_OK && zeros)
        status = op_scan_update(g, shown, choose(p, mask, next, none));
    if (status != KILN_OK) {
        g->scope = 0;
        return status;
    }
    KILN_TRY(op_scan_end(g));
    run->sequence = run->sequences ? op_scan_stack(g, op_scan_next(g, shown)) : IR_NONE;
    run->last = run->sequences ? IR_NONE : op_scan_final(g, shown);
    for (int i = 0; i < cell_states(cell); i++)
        run->states[i] = run->finals ? op_scan_final(g, i == 0 ? h : carry) : IR_NONE;
    return KILN_OK;
}

kiln_status cell_run(const kiln_layer *cell, layer_call *call, ir_id x, cell_pass *run)
{
    ir_graph *g = call->graph;
    const recurrent_config *c = cell->config;
    if (x == IR_NONE)
        return kiln_last_status();
    kiln_shape shape = g->items[x].shape;
    pass p = {.c = c,
              .g = g,
              .gates = cell_gates(cell),
              .rows = shape.dims[1],
              .units = c->units,
              .kernel = op_weight(g, &cell->weights[0]->weight),
              .recurrent = op_weight(g, &cell->weights[1]->weight),
              .bias = c->use_bias ? op_weight(g, &cell->weights[2]->weight) : IR_NONE,
              .mask = run->mask,
              .late_bias = IR_NONE};
    /* As in Keras: dropout of the state makes each gate draw for itself, of the inputs too. */
    bool apart = p.gates > 1 && call->training && c->recurrent_dropout > 0;
    KILN_TRY(multiply_inputs(&p, call, x, apart));
    part_recurrent(&p, call, apart);
    call->stream += 2 * (uint32_t)p.gates;
    KILN_TRY(loop(cell, &p, shape.dims[0], run));
    bool made = run->sequences ? run->sequence != IR_NONE : run->last != IR_NONE;
    return made ? KILN_OK : kiln_last_status();
}
