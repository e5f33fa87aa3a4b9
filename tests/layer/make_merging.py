#!/usr/bin/env python3
"""Writes merging_figures.h: what Keras's layers of several inputs make of the same inputs, and the gradients.
KERAS_BACKEND=jax make_merging.py"""
import json
import pathlib

import jax
import jax.numpy as jnp
import keras
import numpy as np

ROWS = 3
L = keras.layers

# name, layer, shapes of one sample
LAYERS = [
    ("add", L.Add(), (4, 5), (4, 5), (4, 5)),
    ("add_broadcast", L.Add(), (2, 3), (3,)),
    ("subtract", L.Subtract(), (4, 1), (1, 6)),
    ("multiply", L.Multiply(), (5,), (5,), (5,)),
    ("average", L.Average(), (2, 2, 3), (3,), (2, 3)),
    ("maximum", L.Maximum(), (4, 5), (4, 5)),
    ("minimum", L.Minimum(), (4, 5), (4, 1), (4, 5)),
    ("concatenate", L.Concatenate(), (4, 5), (4, 2), (4, 1)),
    ("concatenate_first", L.Concatenate(axis=1), (2, 16), (3, 16)),
    ("dot_vectors", L.Dot(axes=1), (7,), (7,)),
    ("dot", L.Dot(axes=(2, 1)), (4, 5), (5, 3)),
    ("dot_normalize", L.Dot(axes=-1, normalize=True), (4, 5), (5,)),
]


def pattern(count, step, base):
    return np.array([((i * step) % base - base // 2) * 0.31 + 0.07 for i in range(count)], "float32")


def numbers(array):
    return ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v
                     for v in np.asarray(array, "float32").ravel())


def shape_text(shape):
    return "{%d, {%s}}" % (len(shape), ", ".join(map(str, shape)))


def main():
    out = ["/* Made by make_merging.py with Keras %s. */" % keras.__version__, "", "#include <kiln/values.h>", "", "#define MERGING_ROWS %d" % ROWS, ""]
    table = []
    for name, layer, *shapes in LAYERS:
        inputs = [jnp.array(0.05 * i + pattern(ROWS * int(np.prod(s)), 11 + 2 * i, 23 + 6 * i).reshape((ROWS,) + s))
                  for i, s in enumerate(shapes)]

        def call(inputs):
            y = layer(inputs)
            return jnp.sum(y * pattern(int(np.prod(y.shape)), 7, 19).reshape(y.shape)), y

        (_, y), dx = jax.value_and_grad(call, has_aux=True)(inputs)
        config = layer.get_config()
        config.pop("dtype")
        config["name"] = name
        text = json.dumps({"class_name": type(layer).__name__, "config": config})
        out.append("static const float %s_y[] = {%s};" % (name, numbers(y)))
        out.append("static const float %s_dx[] = {%s};" % (name, numbers(np.concatenate([np.ravel(d) for d in dx]))))
        table.append('    {"%s", "%s", %s, %d, {%s}, %s, %s_y, %s_dx},' % (
            name, type(layer).__name__, json.dumps(text), len(shapes), ", ".join(map(shape_text, shapes)),
            shape_text(y.shape[1:]), name, name))
    out += ["", "static const struct {", "    const char *name, *class_name, *json;", "    int count;",
            "    kiln_shape inputs[3], output;", "    const float *y, *dx;", "} merging_figures[] = {"]
    out += table + ["};", ""]
    pathlib.Path(__file__).with_name("merging_figures.h").write_text("\n".join(out))


main()
