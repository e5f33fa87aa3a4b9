#!/usr/bin/env python3
"""Writes figures.h and layer_figures.h: what Keras makes of the same inputs. KERAS_BACKEND=jax make_figures.py"""
import pathlib

import jax
import jax.numpy as jnp
import keras
import numpy as np

ROWS, COLUMNS = 3, 8
X = np.array([((i * 7) % 24 - 11.5) * 0.53 + 0.07 for i in range(24)], "float32").reshape(ROWS, COLUMNS)
# The gradient of sum(y * W): a direction that tells the outputs apart.
W = np.array([((i * 5) % 11 - 5) * 0.25 for i in range(24)], "float32").reshape(ROWS, COLUMNS)

a = keras.activations
L = keras.layers
ACTIVATIONS = [
    ("linear", a.linear),
    ("relu", a.relu),
    ("relu(0.25)", lambda x: a.relu(x, negative_slope=0.25)),
    ("relu(max_value=3)", lambda x: a.relu(x, max_value=3)),
    ("relu(max_value=6)", lambda x: a.relu(x, max_value=6)),
    ("relu(negative_slope=0.125, max_value=2.5)", lambda x: a.relu(x, 0.125, 2.5)),
    ("relu(threshold=1.25)", lambda x: a.relu(x, threshold=1.25)),
    ("relu(negative_slope=0.5, max_value=4, threshold=1.25)", lambda x: a.relu(x, 0.5, 4, 1.25)),
    ("relu6", a.relu6),
    ("leaky_relu", a.leaky_relu),
    ("leaky_relu(negative_slope=0.01)", lambda x: a.leaky_relu(x, 0.01)),
    ("softmax", a.softmax),
    ("log_softmax", a.log_softmax),
    ("sparsemax", a.sparsemax),
    ("elu", a.elu),
    ("elu(alpha=0.5)", lambda x: a.elu(x, 0.5)),
    ("celu", a.celu),
    ("celu(2)", lambda x: a.celu(x, 2.0)),
    ("selu", a.selu),
    ("gelu", a.gelu),
    ("gelu(approximate=true)", lambda x: a.gelu(x, approximate=True)),
    ("glu", a.glu),
    ("silu", a.silu),
    ("swish", a.silu),
    ("hard_silu", a.hard_silu),
    ("hard_swish", a.hard_silu),
    ("mish", a.mish),
    ("sigmoid", a.sigmoid),
    ("log_sigmoid", a.log_sigmoid),
    ("hard_sigmoid", a.hard_sigmoid),
    ("sparse_sigmoid", a.sparse_sigmoid),
    ("tanh", a.tanh),
    ("tanh_shrink", a.tanh_shrink),
    ("hard_tanh", a.hard_tanh),
    ("softplus", a.softplus),
    ("sparse_plus", a.sparse_plus),
    ("squareplus", a.squareplus),
    ("squareplus(b=2)", lambda x: a.squareplus(x, 2)),
    ("softsign", a.softsign),
    ("soft_shrink", a.soft_shrink),
    ("soft_shrink(1.5)", lambda x: a.soft_shrink(x, 1.5)),
    ("hard_shrink", a.hard_shrink),
    ("hard_shrink(threshold=1.5)", lambda x: a.hard_shrink(x, 1.5)),
    ("threshold(threshold=1.5, default_value=-2)", lambda x: a.threshold(x, 1.5, -2.0)),
    ("exponential", a.exponential),
]

r = keras.regularizers
REGULARIZERS = [
    ("l1", r.L1()),
    ("l1(0.25)", r.L1(0.25)),
    ("l2", r.L2()),
    ("l2(l2=0.125)", r.L2(0.125)),
    ("l1_l2(l1=0.5, l2=0.25)", r.L1L2(0.5, 0.25)),
    ("l1_l2(l2=0.25)", r.L1L2(l2=0.25)),
    ("l1_l2", r.L1L2(0.01, 0.01)),
    ("orthogonal_regularizer", r.OrthogonalRegularizer()),
    ("orthogonal(factor=2, mode=columns)", r.OrthogonalRegularizer(2.0, "columns")),
]

# name, class, shape of one sample, layer; weights are WEIGHT(i, k) of the i-th weight's k-th element.
r_l1 = keras.regularizers.L1(0.5)
LAYERS = [
    ("flatten", "Flatten", (2, 4), L.Flatten()),
    ("reshape", "Reshape", (2, 4), L.Reshape((4, -1))),
    ("dense", "Dense", (8,), L.Dense(5, activation="tanh")),
    ("dense_no_bias", "Dense", (8,), L.Dense(3, use_bias=False)),
    ("dense_rank_3", "Dense", (2, 4), L.Dense(3)),
    ("dense_glu", "Dense", (8,), L.Dense(6, activation="glu")),
    ("dense_activity", "Dense", (8,), L.Dense(4, activation="relu", activity_regularizer=r_l1)),
    ("dense_penalties", "Dense", (8,), L.Dense(4, kernel_regularizer="l2", bias_regularizer=r_l1)),
    ("activation", "Activation", (8,), L.Activation("silu")),
    ("re_lu", "ReLU", (8,), L.ReLU(max_value=3.0, negative_slope=0.25, threshold=0.5)),
    ("leaky_re_lu", "LeakyReLU", (8,), L.LeakyReLU()),
    ("elu", "ELU", (8,), L.ELU(0.5)),
    ("softmax", "Softmax", (8,), L.Softmax()),
    ("dropout", "Dropout", (8,), L.Dropout(0.5)),
    ("rescaling", "Rescaling", (8,), L.Rescaling(0.25, offset=-1.5)),
    ("normalization", "Normalization", (2, 4), L.Normalization()),
    ("normalization_all", "Normalization", (2, 4), L.Normalization(axis=None)),
    ("normalization_given", "Normalization", (4, 2),
     L.Normalization(mean=[0.5, -1.5], variance=[4.0, 0.0])),
    ("normalization_invert", "Normalization", (4, 2),
     L.Normalization(mean=[0.5, -1.5], variance=[4.0, 9.0], invert=True)),
]


def layer_figures(layer, shape):
    """The output and the losses for X, a batch of three."""
    x = X.reshape((ROWS,) + shape)
    layer.build((None,) + shape)
    if isinstance(layer, L.Normalization):
        if layer.input_mean is None:
            layer.adapt(x)
    else:
        layer.set_weights([
            np.array([((k * 7 + i * 3) % 13 - 6) * 0.125 for k in range(w.size)], "float32").reshape(w.shape)
            for i, w in enumerate(layer.get_weights())])
    y = np.asarray(layer(x))
    return y, float(sum(layer.losses)) if layer.losses else 0.0


def numbers(array):
    return ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v
                     for v in np.asarray(array, "float32").ravel())


def main():
    out = ["/* Made by make_figures.py with Keras %s. */" % keras.__version__, "",
           "#define ROWS %d" % ROWS, "#define COLUMNS %d" % COLUMNS,
           "static const float figures_x[] = {%s};" % numbers(X),
           "static const float figures_w[] = {%s};" % numbers(W), "",
           "static const struct {", "    const char *spec;", "    int columns;",
           "    float y[ROWS * COLUMNS], dx[ROWS * COLUMNS];", "} activation_figures[] = {"]
    for spec, f in ACTIVATIONS:
        y = f(jnp.array(X))
        w = W[:, : y.shape[1]]
        dx = jax.grad(lambda x: jnp.sum(f(x) * w))(jnp.array(X))
        out.append('    {"%s", %d, {%s}, {%s}},' % (spec, y.shape[1], numbers(y), numbers(dx)))
    out += ["};", "", "static const struct {", "    const char *spec;", "    float penalty, dx[ROWS * COLUMNS];",
            "} regularizer_figures[] = {"]
    for spec, f in REGULARIZERS:
        value, dx = jax.value_and_grad(lambda x: f(x))(jnp.array(X))
        out.append('    {"%s", %s, {%s}},' % (spec, numbers(value), numbers(dx)))
    out += ["};", ""]
    pathlib.Path(__file__).with_name("figures.h").write_text("\n".join(out))

    out = ["/* Made by make_figures.py with Keras %s. */" % keras.__version__, "",
           "#define ROWS %d" % ROWS, "#define COLUMNS %d" % COLUMNS,
           "static const float figures_x[] = {%s};" % numbers(X), "",
           "static const struct {", "    const char *name, *class_name;", "    int rank;",
            "    int shape[3];", "    float loss, y[ROWS * COLUMNS];", "} layer_figures[] = {"]
    for name, class_name, shape, layer in LAYERS:
        y, loss = layer_figures(layer, shape)
        out.append('    {"%s", "%s", %d, {%s}, %s, {%s}},' % (
            name, class_name, y.ndim, ", ".join(map(str, y.shape)), numbers(loss), numbers(y)))
    out += ["};", ""]
    pathlib.Path(__file__).with_name("layer_figures.h").write_text("\n".join(out))


main()
