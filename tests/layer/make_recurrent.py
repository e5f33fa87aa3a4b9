#!/usr/bin/env python3
"""Writes recurrent_figures.h: what Keras makes of the same sequences, and the gradients.
KERAS_BACKEND=jax make_recurrent.py"""
import json
import pathlib

import jax
import jax.numpy as jnp
import keras
import numpy as np

ROWS = 3
L = keras.layers
STEPS = (6, 4)

# name, layer, shape of one sample
LAYERS = [
    ("embedding", L.Embedding(7, 5), (4,)),
    ("embedding_wide", L.Embedding(19, 17, mask_zero=True, embeddings_regularizer="l2"), (3, 2)),
    ("simple_rnn", L.SimpleRNN(5), STEPS),
    ("simple_rnn_sequences", L.SimpleRNN(3, "relu", use_bias=False, return_sequences=True), STEPS),
    ("simple_rnn_backwards", L.SimpleRNN(3, return_sequences=True, go_backwards=True), STEPS),
    ("simple_rnn_softmax", L.SimpleRNN(3, "softmax", recurrent_regularizer="l2"), STEPS),
    ("lstm", L.LSTM(5), STEPS),
    ("lstm_sequences", L.LSTM(3, return_sequences=True, unit_forget_bias=False, dropout=0.25), STEPS),
    ("lstm_backwards", L.LSTM(17, go_backwards=True, use_bias=False, recurrent_dropout=0.5), STEPS),
    ("lstm_hard", L.LSTM(3, "softsign", "hard_sigmoid", return_sequences=True, go_backwards=True), STEPS),
    ("lstm_long", L.LSTM(2, recurrent_initializer="glorot_uniform"), (64, 3)),
    ("gru", L.GRU(5), STEPS),
    ("gru_sequences", L.GRU(3, return_sequences=True, kernel_initializer="he_normal"), STEPS),
    ("gru_backwards", L.GRU(4, go_backwards=True, return_sequences=True, use_bias=False), STEPS),
    ("gru_before", L.GRU(5, reset_after=False), STEPS),
    ("gru_before_sequences", L.GRU(3, "relu", reset_after=False, use_bias=False, return_sequences=True), STEPS),
    ("time_distributed", L.TimeDistributed(L.Dense(3, "tanh")), STEPS),
    ("time_distributed_conv", L.TimeDistributed(L.Conv1D(3, 2)), (3, 4, 2)),
    ("time_distributed_lstm", L.TimeDistributed(L.Bidirectional(L.LSTM(3))), (2, 4, 3)),
    ("time_distributed_normalization", L.TimeDistributed(L.BatchNormalization(axis=1)), (2, 4, 3)),
    ("bidirectional", L.Bidirectional(L.LSTM(3)), STEPS),
    ("bidirectional_sequences", L.Bidirectional(L.GRU(3, return_sequences=True)), STEPS),
    ("bidirectional_sum", L.Bidirectional(L.LSTM(3, return_sequences=True), merge_mode="sum"), STEPS),
    ("bidirectional_ave", L.Bidirectional(L.SimpleRNN(3), merge_mode="ave"), STEPS),
    ("bidirectional_mul", L.Bidirectional(L.GRU(3), "mul"), STEPS),
    ("bidirectional_other", L.Bidirectional(L.LSTM(3, name="there"), backward_layer=L.GRU(2, go_backwards=True, name="back")), STEPS),
]


def pattern(count, step, base):
    return np.array([((i * step) % base - base // 2) * 0.31 + 0.07 for i in range(count)], "float32")


def rename(config):
    """As layers without a name are called."""
    for key in ("layer", "backward_layer"):
        if key in config:
            inner = config[key]["config"]
            inner.pop("dtype")
            inner["name"] = inner["name"].rstrip("0123456789").rstrip("_") if inner["name"][-1].isdigit() else inner["name"]
            config[key].pop("build_config", None)
            if config[key]["class_name"].startswith("Conv"):
                inner["name"] = "conv1d"
            rename(inner)


def weight(i, variable):
    """As set_weights in test_recurrent.c."""
    values = np.array([((k * 7 + i * 3) % 13 - 6) * 0.125 for k in range(int(np.prod(variable.shape)))], "float32")
    if "variance" in variable.path:
        values = np.abs(values) + np.float32(0.5)
    return values.reshape(variable.shape)


def numbers(array):
    return ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v
                     for v in np.asarray(array, "float32").ravel())


def main():
    out = ["/* Made by make_recurrent.py with Keras %s. */" % keras.__version__, "#include <kiln/values.h>", "", "#define RECURRENT_ROWS %d" % ROWS, ""]
    table = []
    for entry in LAYERS:
        name, layer, shape = entry[:3]
        whole = name.startswith("embedding")
        x = pattern(ROWS * int(np.prod(shape)), 11, 23).reshape((ROWS,) + shape)
        if whole:
            x = (np.arange(x.size) * 5 % 7).astype("float32").reshape(x.shape)
        config = layer.get_config()
        layer.build((None,) + shape)
        for i, variable in enumerate(layer.weights):
            variable.assign(weight(i, variable))
        trainable = [v.value for v in layer.trainable_variables]
        fixed = [v.value for v in layer.non_trainable_variables]

        def call(trainable, x):
            y, _ = layer.stateless_call(trainable, fixed, x)
            w = pattern(int(np.prod(y.shape)), 7, 19).reshape(y.shape)
            return jnp.sum(y * w), y

        (_, y), (dw, dx) = jax.value_and_grad(call, argnums=(0, 1), has_aux=True)(trainable, jnp.array(x))
        arrays = {"y": y, "dx": [] if whole else dx, "dw": np.concatenate([np.ravel(d) for d in dw]) if dw else []}
        fields = []
        for key, values in arrays.items():
            if len(np.ravel(values)):
                out.append("static const float %s_%s[] = {%s};" % (name, key, numbers(values)))
                fields.append(".%s = %s_%s" % (key, name, key))
        config.pop("dtype")
        config["name"] = name
        rename(config)
        text = json.dumps({"class_name": type(layer).__name__, "config": config})
        table.append('    {"%s", "%s", %s, {%d, {%s}}, {%d, {%s}}, %s},' % (
            name, type(layer).__name__, json.dumps(text), len(shape),
            ", ".join(map(str, shape)), y.ndim - 1, ", ".join(map(str, y.shape[1:])), ", ".join(fields)))
    out += ["", "static const struct {", "    const char *name, *class_name, *json;", "    kiln_shape input, output;", "    const float *y, *dx, *dw;", "} recurrent_figures[] = {"]
    out += table + ["};", ""]
    pathlib.Path(__file__).with_name("recurrent_figures.h").write_text("\n".join(out))


main()
