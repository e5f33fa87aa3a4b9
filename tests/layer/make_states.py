#!/usr/bin/env python3
"""Writes states_figures.h: what Keras makes of states that layers return, start with and keep, of stacked cells and of masks
on the way; and conv_lstm_figures.h. KERAS_BACKEND=torch make_states.py [conv]: the second alone."""
import json
import pathlib
import sys

import keras
import numpy as np
import torch

from make_recurrent import numbers, pattern, weight

ROWS, STEPS, FEATURES = 3, 6, 4
L, I = keras.layers, keras.Input


def x(name="x", rows=None):
    return I((STEPS, FEATURES), name=name) if rows is None else I(batch_shape=(rows, STEPS, FEATURES), name=name)


def models():
    a = x()
    yield "return_state", [a], L.LSTM(3, return_state=True, return_sequences=True)(a)
    a = x()
    yield "return_state_backwards", [a], L.GRU(3, return_state=True, go_backwards=True)(a)
    a, h, c = x(), I((2,), name="h"), I((2,), name="c")
    y, *s = L.LSTM(2, return_state=True, return_sequences=True, name="encoder")(a)
    g = L.GRU(2, return_state=True, name="gru")(y, initial_state=s[1])
    yield "started", [a, h, c], [L.LSTM(2, name="decoder", return_sequences=True)(y, initial_state=s), L.LSTM(2, name="other")(y, [h, c]),
                                 L.SimpleRNN(2, name="rnn", go_backwards=True)(a, initial_state=h), L.Add(name="add")([g[1], s[0]])]
    a = x()
    yield "both_none", [a], L.Bidirectional(L.LSTM(2, return_state=True, return_sequences=True), merge_mode=None, name="both")(
        L.Masking()(a))
    a = x()
    b = L.Bidirectional(L.GRU(2, return_state=True), merge_mode="mul", name="first")(a)
    yield "both_started", [a], [b[0], L.Bidirectional(L.GRU(2, return_sequences=True), merge_mode="ave", name="second")(
        a, initial_state=[b[1], b[2]])]
    # Keras hands no mask to a layer that starts with given states, and passes it on to those behind.
    a, h, c = x(), I((2,), name="h"), I((2,), name="c")
    m = L.Masking(name="masking")(a)
    y = L.LSTM(2, return_sequences=True, name="lstm")(m, initial_state=[h, c])
    yield "started_masked", [a, h, c], [
        y, L.GRU(2, name="behind")(y), L.SimpleRNN(2, name="rnn")(m, initial_state=h), L.RNN(
            [L.GRUCell(2), L.SimpleRNNCell(2)], name="cells")(m, initial_state=[h, c]),
        L.Bidirectional(L.GRU(2, return_sequences=True), name="both")(m, initial_state=[h, c])]
    a = x()
    yield "rnn", [a], [L.RNN(L.LSTMCell(3, dropout=0.25), name="one")(a), L.RNN(
        L.GRUCell(2, reset_after=False, use_bias=False), return_sequences=True, go_backwards=True, name="two")(a),
        L.RNN(L.SimpleRNNCell(2, "relu"), name="three")(a)]
    a, h, c, d = x(), I((3,), name="h"), I((3,), name="c"), I((2,), name="d")
    y, p, q = L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True, return_state=True, name="stack")(L.Masking()(a))
    z = L.RNN([L.LSTMCell(3, unit_forget_bias=False), L.SimpleRNNCell(2)], name="started", go_backwards=True)(a, initial_state=[[h, c], [d]])
    yield "stacked", [a, h, c, d], [y] + list(p) + [q, z]
    a = x()
    yield "stacked_nested", [a], L.RNN([L.LSTMCell(2), L.GRUCell(3)], return_state=True, name="stack")(a)
    a = x()
    yield "stacked_both", [a], L.Bidirectional(L.RNN([L.GRUCell(2), L.LSTMCell(3), L.LSTMCell(2)], return_sequences=True), name="both")(
        L.Masking()(a))


def kept():
    """Sequential models that keep states; they are given three batches, then reset, then one more."""
    yield "lstm", [x(rows=ROWS), L.LSTM(3, stateful=True, return_sequences=True), L.Dense(2)]
    yield "both", [x(rows=ROWS), L.Bidirectional(L.GRU(2, stateful=True, return_sequences=True)), L.SimpleRNN(3, stateful=True)]
    yield "masked", [x(rows=ROWS), L.Masking(), L.Bidirectional(L.LSTM(2, stateful=True), merge_mode="sum")]
    yield "stacked", [x(rows=ROWS), L.RNN([L.LSTMCell(3), L.GRUCell(2)], stateful=True, return_sequences=True), L.LSTM(2)]


def states_of(layer):
    if isinstance(layer, L.Bidirectional):
        return [layer.forward_layer.states, layer.backward_layer.states]
    return layer.states


def values(shape, number, batch=0):
    """A masked row and masked steps in the others."""
    out = pattern(int(np.prod(shape)), 11 + 2 * number, 23 + 2 * batch).reshape(shape)
    if len(shape) == 3 and number == 0:
        for row in range(ROWS):
            for step in range(STEPS):
                if (row * 3 + step) % 4 == 1 or row == 1:
                    out[row, step] = 0
    return out


def set_weights(model):
    for i, variable in enumerate(model.weights):
        variable.assign(weight(i, variable))


def conv():
    a = I((4, 7, 3), name="x")
    yield "conv1d", [a], L.ConvLSTM1D(2, 3, return_sequences=True)(a)
    a = I((3, 6, 2), name="x")
    yield "conv1d_strides", [a], L.ConvLSTM1D(3, 2, strides=2, padding="same", use_bias=False, go_backwards=True,
                                              return_sequences=True, return_state=True)(a)
    a = I((3, 5, 4, 2), name="x")
    yield "conv2d", [a], L.ConvLSTM2D(3, (3, 2), padding="same", dilation_rate=(2, 1), unit_forget_bias=False)(a)
    a, h, c = I((3, 2, 5, 4), name="x"), I((2, 3, 2), name="h"), I((2, 3, 2), name="c")
    yield "conv2d_first", [a, h, c], L.ConvLSTM2D(2, 3, data_format="channels_first", recurrent_activation="hard_sigmoid", return_sequences=True,
                                                  return_state=True, dropout=0.25)(a, initial_state=[h, c])


def figures(all_models, out):
    """The lines of a table, one for each model."""
    table = []
    for name, inputs, outputs in all_models:
        print(name, flush=True)
        model = keras.Model(inputs, outputs, name=name)
        set_weights(model)
        xs = [values((ROWS,) + i.shape[1:], k) for k, i in enumerate(inputs)]
        given = [torch.tensor(v, requires_grad=True) for v in xs]
        ys = model(given if len(given) > 1 else given[0])
        ys = keras.tree.flatten(ys)
        total(ys).backward()
        dw, dx = [slope(v.value) for v in model.trainable_variables], [slope(v) for v in given]
        ys = [y.detach().numpy() for y in ys]
        xs = [array(out, "%s_x%d" % (name, k), v) for k, v in enumerate(xs)]
        sizes = [int(np.prod(y.shape)) for y in ys]
        ys = [array(out, "%s_y%d" % (name, k), v) for k, v in enumerate(ys)]
        dw = array(out, "%s_dw" % name, np.concatenate([np.ravel(d) for d in dw]))
        dx = array(out, "%s_dx" % name, np.concatenate([np.ravel(d) for d in dx]))
        table.append("    {\"%s\", %s, %d, {%s}, %d, {%s}, {%s}, %s, %s}," % (
            name, json.dumps(model.to_json()), len(xs), ", ".join(xs), len(ys), ", ".join(map(str, sizes)), ", ".join(ys), dx, dw))
    return table


def total(ys):
    return sum((y * torch.tensor(pattern(int(np.prod(y.shape)), 7, 19).reshape(y.shape))).sum() for y in ys)


def slope(tensor):
    return np.zeros(tensor.shape, "float32") if tensor.grad is None else tensor.grad.numpy()


def array(out, name, data):
    out.append("static const float %s[] = {%s};" % (name, numbers(data)))
    return name


def write(name, out):
    head = ["/* Made by make_states.py with Keras %s. */" % keras.__version__, ""]
    pathlib.Path(__file__).with_name(name).write_text("\n".join(head + out))


def states():
    out = ["#define STATES_ROWS %d" % ROWS, ""]
    table = figures(models(), out)
    table_kept = []
    for name, layers in kept():
        model = keras.Sequential(layers, name=name)
        set_weights(model)
        xs, ys = [], []
        for batch in range(4):
            if batch == 3:
                for layer in model.layers:
                    if getattr(layer, "stateful", False): # its reset_state does not know states of states
                        keras.tree.map_structure(lambda v: v.assign(keras.ops.zeros_like(v)), states_of(layer))
            xs.append(values((ROWS, STEPS, FEATURES), 0, batch))
            ys.append(model(xs[-1]).detach().numpy())
        table_kept.append("    {\"%s\", %s, %d, %s, %s}," % (name, json.dumps(model.to_json()), ys[0].size, array(
            out, "kept_%s_x" % name, np.concatenate(xs)), array(out, "kept_%s_y" % name, np.concatenate(ys))))
    # Training with a state: the same by a model that is given the state and returns it.
    a, h, c = x(), I((3,)), I((3,))
    y, *s = L.LSTM(3, return_state=True)(a, initial_state=[h, c])
    twin = keras.Model([a, h, c], [L.Dense(2)(y)] + s)
    set_weights(twin)
    state, losses = [torch.zeros((ROWS, 3))] * 2, []
    target = torch.tensor(pattern(ROWS * 2, 7, 19).reshape(ROWS, 2))
    for batch in range(3):
        y, *state = twin([torch.tensor(values((ROWS, STEPS, FEATURES), 0, batch))] + state)
        state = [s.detach() for s in state]
        loss = ((y - target) ** 2).mean()
        twin.zero_grad()
        loss.backward()
        for v in twin.trainable_variables:
            v.assign(v.value.detach() - 0.5 * v.value.grad)
        losses.append(loss.item())
    array(out, "kept_losses", losses)
    out += ["", "static const figure states_figures[] = {"] + table + ["};", "",
            "/* Four batches one after the other; the states are set to 0 before the last. size: of a batch's output. */", "static const struct {",
            "    const char *name, *json;", "    size_t size;", "    const float *x, *y;", "} kept_figures[] = {"] + table_kept + ["};", ""]
    write("states_figures.h", out)


def main():
    if "conv" not in sys.argv[1:]:
        states()
    out = []
    table = figures(conv(), out)
    write("conv_lstm_figures.h", out + ["", "static const figure conv_lstm_figures[] = {"] + table + ["};", ""])


main()
