#!/usr/bin/env python3
"""Writes recurrent_figures.h: what Keras makes of the same sequences, and the gradients.
KERAS_BACKEND=jax make_recurrent.py"""
import json
import pathlib

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
    ("masking", L.Masking(0.07), STEPS),
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


def masked():
    """Models in which masks travel, with the shape of one sample of each input."""
    I, S = keras.Input, keras.Sequential
    yield "masked_last", S([I(STEPS), L.Masking(), L.LSTM(3)])
    yield "masked_sequences", S([I(STEPS), L.Masking(), L.Bidirectional(L.GRU(3, return_sequences=True)), L.LayerNormalization(),
                                 L.SimpleRNN(3, return_sequences=True, go_backwards=True), L.TimeDistributed(L.Dense(2))])
    yield "masked_mean", S([I((6,)), L.Embedding(7, 4, mask_zero=True), L.BatchNormalization(), L.Dense(3, "tanh"),
                            L.GlobalAveragePooling1D()])
    yield "masked_tokens", S([I((6,)), L.Embedding(7, 4, mask_zero=True), L.LSTM(3, return_sequences=True, zero_output_for_mask=True),
                              L.Dense(4, "softmax")])
    yield "mask_ends", S([I(STEPS), L.Masking(), L.Reshape((6, 2, 2)), L.Reshape((6, 4)), L.LSTM(3)])
    yield "masked_inside", S([I((2, 3)), L.TimeDistributed(L.Embedding(7, 3, mask_zero=True)), L.TimeDistributed(L.LSTM(2))])
    x = I(STEPS, name="x")
    a, b = L.Masking()(x), L.Masking(name="other")(L.Rescaling(1.0, offset=0.24)(x))
    y = L.Concatenate()([L.Maximum()([a, b]), L.Add()([b, a]), L.Minimum()([a, x])])
    y = L.Concatenate(axis=1)([y, L.Concatenate()([a, b, x])])
    yield "masked_merging", keras.Model(x, L.SimpleRNN(2, return_sequences=True)(y), name="merging")


def model_input(name, model):
    shape = (ROWS,) + model.input_shape[1:]
    if model.input_shape[1:] in ((6,), (2, 3)):
        return (np.arange(np.prod(shape)) * 5 % 7 * (np.arange(np.prod(shape)) % 4 != 1)).astype("float32").reshape(shape)
    x = pattern(int(np.prod(shape)), 11, 23).reshape(shape)
    for row in range(ROWS):
        for step in range(shape[1]):
            if (row * 3 + step) % 4 == 1:
                x[row, step] = 0 if step % 2 else -0.24
    return x


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
    import jax
    import jax.numpy as jnp

    out = ["/* Made by make_recurrent.py with Keras %s. */" % keras.__version__, "#include <kiln/values.h>", "", "#include <stdbool.h>", "", "#define RECURRENT_ROWS %d" % ROWS, ""]
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
    models = []
    for name, model in masked():
        x = model_input(name, model)
        for i, variable in enumerate(model.weights):
            variable.assign(weight(i, variable))
        trainable, fixed = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]
        training = name == "masked_mean"

        def call(trainable):
            y, _ = model.stateless_call(trainable, fixed, x, training=training)
            return jnp.sum(y * pattern(int(np.prod(y.shape)), 7, 19).reshape(y.shape)), y

        (_, y), dw = jax.value_and_grad(call, has_aux=True)(trainable)
        arrays = {"x": x, "y": y, "dw": np.concatenate([np.ravel(d) for d in dw])}
        for key, values in arrays.items():
            out.append("static const float %s_%s[] = {%s};" % (name, key, numbers(values)))
        tokens = name == "masked_tokens"
        target = np.arange(ROWS * 6).reshape(ROWS, 6) % 4 if tokens else pattern(y.size, 7, 19).reshape(y.shape)
        model.compile(loss="sparse_categorical_crossentropy" if tokens else "mse", metrics=["accuracy" if tokens else "mae"])
        logs = model.evaluate(x, target, verbose=0, return_dict=True)
        models.append('    {"%s", %s, %s, {%d, {%s}}, %s, %s_x, %s_y, %s_dw, %.9g, %.9g},' % (
            name, json.dumps(model.to_json()), "true" if training else "false", y.ndim - 1,
            ", ".join(map(str, y.shape[1:])), "true" if tokens else "false", name, name, name, logs["loss"],
            logs["accuracy" if tokens else "mae"]))
    out += ["", "/* Models in which masks travel; loss and metric (accuracy, or mean absolute error) by evaluate(). */",
            "static const struct {", "    const char *name, *json;", "    bool training;", "    kiln_shape output;",
            "    bool tokens;", "    const float *x, *y, *dw;", "    double loss, metric;", "} masked_figures[] = {"]
    out += models + ["};"]
    out += ["", "static const struct {", "    const char *name, *class_name, *json;", "    kiln_shape input, output;", "    const float *y, *dx, *dw;", "} recurrent_figures[] = {"]
    out += table + ["};", ""]
    pathlib.Path(__file__).with_name("recurrent_figures.h").write_text("\n".join(out))


if __name__ == "__main__":
    main()
