"""What Keras does in test_keras.py: run by the Python that has Keras, twice, since starting it takes seconds.

    keras_side.py make FOLDER    makes each model, trains it for some steps, saves it with its data and what it
                                 predicts, and trains on: CASE.keras, CASE.h5, CASE.weights.h5, CASE.npz, made.json
    keras_side.py check FOLDER   opens what Kiln wrote (CASE.kiln.keras ...), predicts and trains on: checked.json
"""
import json
import os
import pathlib
import sys

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling takes most of the time: as little optimizing as may be, and what `make` compiled serves `check`.
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
os.environ["JAX_COMPILATION_CACHE_DIR"] = os.path.join(sys.argv[2], "compiled")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

import keras
import numpy as np

L, O = keras.layers, keras.optimizers
ROWS = 48


def mlp():
    model = keras.Sequential([
        L.Input((6, 5)), L.Rescaling(0.5, offset=-0.25), L.Flatten(), L.Dense(16, activation="gelu", name="wide"),
        L.Dense(12, activation="tanh", kernel_regularizer="l2"), L.Dense(4, activation="softmax")], name="mlp")
    model.compile(O.Adam(0.01, amsgrad=True), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, classes(4)


def momentum():
    """A schedule: there is no variable for the learning rate."""
    model = keras.Sequential([L.Input((7,)), L.Normalization(name="norm"), L.Dense(9), L.LeakyReLU(0.2), L.Dense(2)])
    model.get_layer("norm").adapt(inputs(model))
    model.compile(O.SGD(O.schedules.CosineDecay(0.05, 30), momentum=0.9, nesterov=True), keras.losses.Huber(), metrics=["mae"])
    return model, numbers(2)


def centered():
    model = keras.Sequential([L.Input((7,)), L.Dense(8, activation="relu", trainable=False), L.Dense(8, activation="elu"), L.Dense(1)])
    model.compile(O.RMSprop(0.002, momentum=0.5, centered=True, clipnorm=1.0), "mse")
    return model, numbers(1)


def accumulated():
    model = keras.Sequential([L.Input((5,)), L.Dense(6, activation="swish"), L.Dense(3)])
    model.compile(O.AdamW(0.01, weight_decay=0.02, gradient_accumulation_steps=2),
                  keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1))
    return model, lambda n, draw: np.eye(3, dtype="float32")[draw.integers(0, 3, n)]


def adagrad():
    model = keras.Sequential([L.Input((5,)), L.Dense(6, activation="sigmoid"), L.Dense(1, activation="sigmoid")])
    model.compile(O.Adagrad(0.05), "binary_crossentropy", metrics=["accuracy"])
    return model, classes(2)


def normalized():
    """Moving statistics; the layers that normalize, and pooling."""
    model = keras.Sequential([
        L.Input((6, 6, 4)), L.BatchNormalization(momentum=0.8), L.MaxPooling2D(2), L.LayerNormalization(),
        L.GroupNormalization(2), L.AveragePooling2D(2, padding="same"), L.Flatten(), L.Dense(3)])
    model.compile(O.SGD(0.05, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, classes(3)


def two_inputs():
    """Layers of a class in another order than they are called in, and one that is shared."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    late = L.Dense(5, activation="tanh", name="late")
    shared, early = L.Dense(4, activation="relu", name="shared"), L.Dense(4, activation="tanh", name="early")
    deep = shared(early(shared(right)))
    model = keras.Model([left, right], late(keras.layers.Concatenate()([shared(left), deep])), name="two")
    model.compile(O.Adam(0.01), "mse")
    return model, numbers(5)


def residual():
    """A way past two convolutions, and one past a narrower pair through a convolution of its own."""
    x = keras.Input((8, 8, 3))
    y = start = L.Conv2D(8, 3, padding="same", use_bias=False)(x)
    y = L.Activation("relu")(L.BatchNormalization()(y))
    y = L.BatchNormalization(momentum=0.9)(L.Conv2D(8, 3, padding="same", use_bias=False)(y))
    y = wide = L.ReLU()(L.Add()([start, y]))
    y = L.Conv2D(16, 3, strides=2, padding="same", activation="relu")(y)
    y = L.Add()([L.Conv2D(16, 1, strides=2, padding="same")(wide), L.Conv2D(16, 3, padding="same")(y)])
    y = L.Dense(3)(L.GlobalAveragePooling2D()(L.ReLU()(y)))
    model = keras.Model(x, y, name="residual")
    model.compile(O.SGD(0.02, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=["accuracy"])
    return model, classes(3)


def inception():
    """Branches side by side; maximum pooling behind a convolution, and of a map that is used again."""
    x = keras.Input((8, 8, 2))
    start = L.Conv2D(16, 3, activation="relu", padding="same")(x)
    branches = [L.Conv2D(4, 1, activation="relu")(start),
                L.Conv2D(6, 3, padding="same", activation="tanh")(L.Conv2D(3, 1)(start)),
                L.Conv2D(5, 1)(L.MaxPooling2D(3, strides=1, padding="same")(start))]
    y = L.Concatenate()(branches)
    y = L.Concatenate(axis=-1)([L.MaxPooling2D()(y), L.MaxPooling2D()(start)])
    y = L.Conv2D(16, 3, activation="relu")(y)
    y = L.Dense(2)(L.Flatten()(L.MaxPooling2D()(y)))
    model = keras.Model(x, y)
    model.compile(O.Adam(0.005), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model, classes(2)


def merging():
    """Every layer that merges, and broadcasting."""
    a, b = keras.Input((4, 6), name="a"), keras.Input((6,), name="b")
    p, q = L.Dense(6, activation="tanh")(a), L.Dense(6, activation="tanh")(b)
    repeated = L.RepeatVector(4)(q)
    merged = [L.Add()([p, q]), L.Subtract()([p, repeated]), L.Multiply()([p, q, repeated]), L.Average()([a, p, repeated]),
              L.Maximum()([p, repeated]), L.Minimum()([p, a])]
    y = L.Concatenate(axis=1)(merged)
    dots = [L.Dot(axes=(2, 1))([y, q]), L.Flatten()(L.Dot(axes=2, normalize=True)([p, repeated])),
            L.Flatten()(L.Permute((2, 1))(L.Dot(axes=(1, 2))([y, L.Permute((2, 1))(y)]))), L.Dot(axes=1)([q, b])]
    model = keras.Model([a, b], L.Dense(3)(L.Concatenate()(dots)))
    model.compile(O.Adam(0.001), "mse")
    return model, numbers(3)


def goals():
    """Two outputs, each with a loss, a weight and metrics of its own."""
    x = keras.Input((6,), name="x")
    y = L.Dense(8, activation="tanh")(x)
    model = keras.Model(x, [L.Dense(3, name="kind")(y), L.Dense(2, name="size")(y)], name="goals")
    model.compile(O.Adam(0.01), [keras.losses.SparseCategoricalCrossentropy(from_logits=True), "mse"],
                  loss_weights=[1.0, 0.25], metrics=[["accuracy"], ["mae", "mse"]])
    return model, lambda n, draw: [classes(3)(n, draw), numbers(2)(n, draw)]


def one_goal():
    """Two outputs, one of which is not trained."""
    x = keras.Input((6,), name="x")
    model = keras.Model(x, [L.Dense(3, name="kind")(x), L.Dense(2, name="size")(x)], name="one_goal")
    model.compile(O.SGD(0.1), [None, "mse"], metrics=[None, ["mae"]])
    return model, lambda n, draw: [numbers(3)(n, draw), numbers(2)(n, draw)]


def nested():
    """Models as layers: one applied twice, one with two outputs, one in one, one that is frozen."""
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    inner = keras.Sequential([L.Input((4,)), L.Dense(3, activation="tanh"), L.Dense(2, kernel_regularizer="l2")], name="inner")
    start = keras.Input((2,), name="start")
    wide = L.Dense(3, name="wide")(start)
    deep = keras.Sequential([L.Input((3,)), L.Dense(3, activation="tanh", name="down")])
    pair = keras.Model(start, [wide, deep(L.BatchNormalization(momentum=0.9)(wide))], name="pair")
    frozen = keras.Sequential([L.Input((4,)), L.Dense(3, activation="tanh"), L.BatchNormalization()], name="frozen")
    frozen.trainable = False
    a, b = inner(left), inner(right)
    p, q = pair(a)
    model = keras.Model([left, right], L.Dense(2)(L.Concatenate()([q, b, p, frozen(left)])), name="outer")
    model.compile(O.Adam(0.01), "mse")
    return model, numbers(2)


def chained():
    """Sequential models in a Sequential one: an encoder and a decoder."""
    encoder = keras.Sequential([L.Input((6, 6, 2)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization()], name="encoder")
    decoder = keras.Sequential([L.Input((4, 4, 4)), L.Conv2DTranspose(2, 3)], name="decoder")
    model = keras.Sequential([L.Input((6, 6, 2)), encoder, decoder])
    model.compile(O.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    return model, lambda n, draw: draw.normal(size=(n, 6, 6, 2)).astype("float32")


def recurrent():
    """Both directions, both kinds of GRU, a mask on the way, and cells in a stack."""
    x = keras.Input((7, 5))
    y = L.Masking(0.0)(L.ReLU()(x))
    y = L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="ave")(y)
    y = L.Bidirectional(L.GRU(3, return_sequences=True, reset_after=False))(y)
    y = L.RNN([L.SimpleRNNCell(4), L.LSTMCell(3)], return_sequences=True)(y)
    y = L.TimeDistributed(L.Dense(4, activation="tanh"))(y)
    model = keras.Model(x, L.Dense(2)(L.GRU(5, go_backwards=True)(y)))
    model.compile(O.Adam(0.01, clipnorm=0.5), "mse", metrics=["mae"])
    return model, numbers(2)


def stateful():
    """States that go on from one batch to the next, in both directions. Keras on JAX begins each batch of a training at
    zero all the same: one epoch is compared."""
    model = keras.Sequential([
        L.Input(batch_shape=(ROWS, 6, 3)), L.Bidirectional(L.LSTM(4, stateful=True, return_sequences=True)),
        L.SimpleRNN(4, stateful=True, return_sequences=True), L.GRU(3, stateful=True), L.Dense(2)])
    model.compile(O.Adam(0.01), "mse")
    return model, numbers(2)


def convolved():
    """Convolutions over time."""
    model = keras.Sequential([
        L.Input((4, 6, 5, 2)), L.ConvLSTM2D(3, 3, padding="same", return_sequences=True), L.ConvLSTM2D(2, 2), L.Flatten(),
        L.Dense(2)])
    model.compile(O.RMSprop(0.01), "mse")
    return model, numbers(2)


def pictured():
    """Layers of pictures; those that draw do so without effect."""
    x = keras.Input((9, 8, 3))
    y = L.Rescaling(0.5)(x)
    for random in (L.RandomRotation(0.0), L.RandomZoom(0.0), L.RandomTranslation(0.0, 0.0), L.RandomContrast(0.0)):
        y = random(y)
    y = L.ZeroPadding2D(((1, 0), (0, 2)))(L.Resizing(8, 8)(y))
    y = L.Cropping2D(((0, 1), (1, 1)))(y)
    y = L.PReLU(shared_axes=[1, 2])(L.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(y))
    y = L.ELU()(L.SeparableConv2D(6, 3, strides=2, padding="same")(y))
    y = L.SpatialDropout2D(0.0)(L.UpSampling2D(2)(L.GaussianNoise(0.0)(y)))
    y = L.CenterCrop(6, 6)(L.Conv2D(8, 3, groups=2, dilation_rate=2, padding="same")(y))
    y = L.Conv2DTranspose(4, 3, strides=2, padding="same", activation="tanh")(y)
    y = L.Concatenate()([L.GlobalMaxPooling2D()(y), L.GlobalAveragePooling2D()(y)])
    model = keras.Model(x, L.Softmax()(L.Dense(3)(y)), name="pictured")
    model.compile(O.Adam(0.005), "sparse_categorical_crossentropy")
    return model, classes(3)


def stepped():
    """Layers of steps, and of volumes."""
    x = keras.Input((12, 4))
    y = L.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu")(x)
    y = L.Conv1DTranspose(4, 3, strides=2, padding="same")(L.MaxPooling1D(2)(y))
    y = L.ReLU(max_value=2.0, negative_slope=0.1)(L.AveragePooling1D(3, strides=2, padding="same")(y))
    y = L.UpSampling1D(2)(L.Cropping1D((1, 0))(L.ZeroPadding1D(1)(y)))
    y = L.SeparableConv1D(4, 3)(L.DepthwiseConv1D(2, padding="same")(L.SpatialDropout1D(0.0)(y)))
    z = L.Conv3D(3, 2, activation="tanh")(L.Reshape((3, 4, 2, 2))(L.Cropping1D(0)(x)))
    z = L.Conv3DTranspose(2, 2)(L.MaxPooling3D((2, 1, 1))(z))
    y = L.Concatenate()([L.Flatten()(y), L.Flatten()(z), L.GlobalAveragePooling1D()(y), L.GlobalMaxPooling1D()(y)])
    model = keras.Model(x, L.Dense(2)(y))
    model.compile(O.Adam(0.005), "mse")
    return model, numbers(2)


def frames():
    """Models within TimeDistributed, for any number of steps: one with moving statistics, one that is frozen."""
    x = keras.Input((None, 6, 6, 1))
    seen = keras.Sequential([L.Input((6, 6, 1)), L.Conv2D(3, 3, activation="relu", activity_regularizer="l2"),
                             L.BatchNormalization(momentum=0.8), L.MaxPooling2D(), L.Flatten(), L.Dense(4, activation="tanh")],
                            name="seen")
    start = keras.Input((6, 6, 1))
    still = keras.Model(start, L.GlobalAveragePooling2D()(L.Add()([L.Conv2D(2, 3)(start), L.Conv2D(2, 3)(start)])), name="still")
    still.trainable = False
    y = L.Concatenate()([L.TimeDistributed(seen, name="each")(x), L.TimeDistributed(still)(x)])
    model = keras.Model(x, L.Dense(2)(L.LSTM(3)(y)))
    model.compile(O.Adam(0.01), "mse")
    return model, numbers(2)


def mixed():
    """Half between layers, but for the last; Keras puts the optimizer in one that scales the loss."""
    keras.config.set_dtype_policy("mixed_float16")
    model = keras.Sequential([L.Input((6, 6, 2)), L.Conv2D(4, 3, activation="relu"), L.BatchNormalization(), L.Flatten(),
                              L.Dense(12, activation="tanh"), L.Dense(3, dtype="float32")])
    keras.config.set_dtype_policy("float32")
    model.compile(O.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model, classes(3)


CASES = [recurrent, stateful, frames, convolved, pictured, stepped, nested, chained, goals, one_goal, mlp, momentum, centered, accumulated, adagrad, normalized, two_inputs, residual, inception, merging, mixed]


def classes(count):
    return lambda n, draw: draw.integers(0, count, n).astype("int32")


def numbers(width):
    return lambda n, draw: draw.normal(size=(n, width)).astype("float32")


def inputs(model):
    draw = np.random.default_rng(3)
    made = [draw.normal(size=(ROWS,) + tuple(n or 4 for n in i.shape[1:])).astype("float32") for i in model.inputs]
    return made if len(made) > 1 else made[0]


def train(model, x, y, epochs):
    """One batch of all rows an epoch: shuffling cannot matter. States begin at zero, as in a model that was read."""
    for layer in model.layers:
        if getattr(layer, "stateful", False):
            layer.reset_state()
    return model.fit(x, y, batch_size=ROWS, epochs=epochs, shuffle=False, verbose=0).history


def predictions(model, x):
    """By output, where there are several."""
    made = model.predict(x, batch_size=ROWS, verbose=0)
    return [part.tolist() for part in made] if isinstance(made, list) else made.tolist()


def state(model):
    return {"predictions": predictions(model, inputs(model)),
            "iterations": int(getattr(model.optimizer, "inner_optimizer", model.optimizer)._iterations),
            "variables": [np.asarray(v).ravel().tolist() for v in model.optimizer.variables]}


def make(folder):
    made = {}
    for case in CASES:
        keras.backend.clear_session()
        keras.utils.set_random_seed(7)
        model, targets = case()
        x, y = inputs(model), targets(ROWS, np.random.default_rng(5))
        name = case.__name__
        train(model, x, y, 5)
        model.save(folder / (name + ".keras"))
        model.save(folder / (name + ".h5"))
        model.save_weights(folder / (name + ".weights.h5"))
        (folder / (name + ".json")).write_text(model.to_json())
        several = isinstance(x, list)  # arrays by the names of inputs and outputs, where there are several
        columns = {i.name: v for i, v in zip(model.inputs, x)} if several else {"x": x}
        targets = y if isinstance(y, list) else [y]
        for k, values in enumerate(targets):
            named = several or len(targets) > 1
            columns[model.output_names[k] if named else "y"] = values
        if case is one_goal:  # Keras wants a target for it, Kiln does not
            del columns["kind"]
        np.savez(folder / (name + ".npz"), **columns)
        made[name] = dict(state(model), jit_compile=model.jit_compile)
        epochs = 1 if case is stateful else 5
        courses = [train(model, x, y, epochs) for _ in range(2)]
        made[name]["epochs"] = epochs
        made[name]["history"] = {figure: courses[0][figure] + courses[1][figure] for figure in courses[0]}
    (folder / "made.json").write_text(json.dumps(made))


def check(folder):
    checked, made = {}, json.loads((folder / "made.json").read_text())
    for case in CASES:
        name = case.__name__
        model = keras.models.load_model(folder / (name + ".kiln.keras"))
        assert model.jit_compile == made[name]["jit_compile"], name
        arrays = np.load(folder / (name + ".npz"))
        x, names = inputs(model), [] if "y" in arrays else model.output_names
        y = [arrays[n] if n in arrays else np.zeros((ROWS, 3)) for n in names] or arrays["y"]
        checked[name] = state(model)
        checked[name]["history"] = train(model, x, y, made[name]["epochs"])
        architecture = keras.models.model_from_json((folder / (name + ".kiln.json")).read_text())
        architecture.load_weights(folder / (name + ".kiln.weights.h5"))
        checked[name]["weights"] = predictions(architecture, x)
    (folder / "checked.json").write_text(json.dumps(checked))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
