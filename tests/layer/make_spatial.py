#!/usr/bin/env python3
"""Writes spatial_figures.h: what Keras makes of the same inputs, the gradients, and moving statistics.
KERAS_BACKEND=jax make_spatial.py"""
import json
import pathlib

import jax
import jax.numpy as jnp
import keras
import numpy as np

ROWS = 3
FIRST = {"data_format": "channels_first"}
L = keras.layers
PICTURE, FRONT, STEPS, VOLUME = (4, 3, 2), (2, 4, 3), (6, 4), (2, 3, 2, 2)
FRONT_STEPS, FRONT_VOLUME = (3, 5), (2, 2, 3, 2)

# name, layer, shape of one sample
LAYERS = [
    ("conv1d", L.Conv1D(3, 2, strides=2, activation="tanh"), STEPS),
    ("conv1d_causal", L.Conv1D(5, 3, padding="causal", dilation_rate=2, use_bias=False), STEPS),
    ("conv2d", L.Conv2D(3, 2), PICTURE),
    ("conv2d_same", L.Conv2D(17, (3, 2), strides=(2, 1), padding="same", kernel_regularizer="l2"), PICTURE),
    ("conv2d_first", L.Conv2D(4, 2, padding="same", groups=2, activation="sigmoid", **FIRST), FRONT),
    ("conv3d", L.Conv3D(3, 2, padding="same"), VOLUME),
    ("conv1d_transpose", L.Conv1DTranspose(3, 4, strides=3), STEPS),
    ("conv2d_transpose", L.Conv2DTranspose(3, 3, strides=2, padding="same"), PICTURE),
    ("conv2d_transpose_valid", L.Conv2DTranspose(2, (2, 3), strides=(3, 1)), PICTURE),
    ("conv2d_transpose_first", L.Conv2DTranspose(3, (4, 3), strides=(2, 3), padding="same", **FIRST), FRONT),
    ("conv3d_transpose", L.Conv3DTranspose(2, 2, strides=2), VOLUME),
    ("depthwise_conv1d", L.DepthwiseConv1D(3, depth_multiplier=2, activation="tanh"), STEPS),
    ("depthwise_conv2d", L.DepthwiseConv2D((3, 2), padding="same", depthwise_regularizer="l2"), PICTURE),
    ("depthwise_conv2d_strides", L.DepthwiseConv2D(2, strides=2, use_bias=False), PICTURE),
    ("depthwise_conv2d_first", L.DepthwiseConv2D(2, padding="same", dilation_rate=2, **FIRST), FRONT),
    ("separable_conv1d", L.SeparableConv1D(5, 2, padding="same", depth_multiplier=2), STEPS),
    ("separable_conv2d", L.SeparableConv2D(3, 2, strides=2, padding="same", activation="sigmoid"), PICTURE),
    ("separable_conv2d_first", L.SeparableConv2D(3, (2, 3), pointwise_regularizer="l2", **FIRST), FRONT),
    ("permute", L.Permute((3, 1, 2)), PICTURE),
    ("repeat_vector", L.RepeatVector(3), (4,)),
    ("max_pooling1d", L.MaxPooling1D(), STEPS),
    ("max_pooling2d", L.MaxPooling2D(), PICTURE),
    ("max_pooling2d_same", L.MaxPooling2D((3, 2), strides=(2, 1), padding="same"), PICTURE),
    ("max_pooling2d_first", L.MaxPooling2D(2, strides=1, **FIRST), FRONT),
    ("max_pooling3d", L.MaxPooling3D((2, 2, 1)), VOLUME),
    ("average_pooling1d", L.AveragePooling1D(3, strides=2, padding="same"), STEPS),
    ("average_pooling2d", L.AveragePooling2D((3, 2), strides=(2, 1), padding="same"), PICTURE),
    ("average_pooling2d_first", L.AveragePooling2D((2, 3), **FIRST), FRONT),
    ("average_pooling3d", L.AveragePooling3D(2), VOLUME),
    ("global_max_pooling1d", L.GlobalMaxPooling1D(), STEPS),
    ("global_max_pooling2d", L.GlobalMaxPooling2D(keepdims=True), PICTURE),
    ("global_max_pooling3d", L.GlobalMaxPooling3D(), VOLUME),
    ("global_average_pooling1d", L.GlobalAveragePooling1D(keepdims=True), STEPS),
    ("global_average_pooling2d", L.GlobalAveragePooling2D(), PICTURE),
    ("global_average_pooling2d_first", L.GlobalAveragePooling2D(keepdims=True, **FIRST), FRONT),
    ("global_average_pooling3d", L.GlobalAveragePooling3D(), VOLUME),
    ("zero_padding1d", L.ZeroPadding1D((2, 0)), STEPS),
    ("zero_padding2d", L.ZeroPadding2D(((1, 0), (0, 2))), PICTURE),
    ("zero_padding2d_first", L.ZeroPadding2D((0, 1), **FIRST), FRONT),
    ("cropping1d", L.Cropping1D(), STEPS),
    ("cropping2d", L.Cropping2D(((1, 0), (0, 1))), PICTURE),
    ("up_sampling1d", L.UpSampling1D(2), STEPS),
    ("up_sampling2d", L.UpSampling2D(), PICTURE),
    ("up_sampling2d_bilinear", L.UpSampling2D((2, 3), interpolation="bilinear"), PICTURE),
    ("resizing", L.Resizing(3, 5), PICTURE),
    ("resizing_nearest", L.Resizing(6, 2, interpolation="nearest", **FIRST), FRONT),
    ("resizing_crop", L.Resizing(2, 1, crop_to_aspect_ratio=True), PICTURE),
    ("resizing_pad", L.Resizing(5, 9, pad_to_aspect_ratio=True, fill_value=1.5), PICTURE),
    ("center_crop", L.CenterCrop(2, 2), PICTURE),
    ("center_crop_enlarged", L.CenterCrop(3, 5), PICTURE),
    ("spatial_dropout1d", L.SpatialDropout1D(0.5), STEPS),
    ("spatial_dropout2d", L.SpatialDropout2D(0.25, **FIRST), FRONT),
    ("gaussian_noise", L.GaussianNoise(0.5), STEPS),
    ("gaussian_dropout", L.GaussianDropout(0.5), STEPS),
    ("p_re_lu", L.PReLU(shared_axes=[1]), STEPS),
    ("p_re_lu_alone", L.PReLU("he_normal"), STEPS),
    ("softmax_axis", L.Softmax(axis=1), PICTURE),
    # Ranges of one number: what they draw is known.
    ("random_flip", L.RandomFlip("horizontal"), PICTURE),
    ("random_translation", L.RandomTranslation((0.3, 0.3), (-0.4, -0.4)), PICTURE, "moves"),
    ("random_translation_first", L.RandomTranslation((0.5, 0.5), 0.0, "constant", "nearest", fill_value=2.5, **FIRST),
     FRONT, "moves"),
    ("random_rotation", L.RandomRotation((0.1, 0.1), fill_mode="nearest"), PICTURE, "moves"),
    ("random_zoom", L.RandomZoom((0.4, 0.4), (-0.3, -0.3), "wrap"), PICTURE, "moves"),
    ("random_zoom_one", L.RandomZoom((-0.25, -0.25)), PICTURE, "moves"),
    ("random_contrast", L.RandomContrast(0.0, value_range=(-1.5, 2)), PICTURE, "training"),
    ("batch_normalization", L.BatchNormalization(), PICTURE, "training"),
    ("batch_normalization_vector", L.BatchNormalization(momentum=0.75, scale=False), (4,), "training"),
    ("batch_normalization_first", L.BatchNormalization(axis=1, epsilon=0.5, center=False), FRONT, "training"),
    ("batch_normalization_inference", L.BatchNormalization(), PICTURE),
    ("batch_normalization_frozen", L.BatchNormalization(trainable=False), PICTURE, "training"),
    ("conv1d_first", L.Conv1D(3, 2, padding="same", **FIRST), FRONT_STEPS),
    ("conv3d_first", L.Conv3D(2, 2, activation="tanh", **FIRST), FRONT_VOLUME),
    ("conv1d_transpose_first", L.Conv1DTranspose(3, 2, strides=2, **FIRST), FRONT_STEPS),
    ("conv3d_transpose_first", L.Conv3DTranspose(2, 2, padding="same", **FIRST), FRONT_VOLUME),
    ("depthwise_conv1d_first", L.DepthwiseConv1D(2, strides=2, **FIRST), FRONT_STEPS),
    ("separable_conv1d_first", L.SeparableConv1D(3, 2, padding="same", **FIRST), FRONT_STEPS),
    ("max_pooling1d_first", L.MaxPooling1D(2, padding="same", **FIRST), FRONT_STEPS),
    ("max_pooling3d_first", L.MaxPooling3D((1, 2, 2), **FIRST), FRONT_VOLUME),
    ("average_pooling1d_first", L.AveragePooling1D(2, **FIRST), FRONT_STEPS),
    ("average_pooling3d_first", L.AveragePooling3D(2, strides=1, **FIRST), FRONT_VOLUME),
    ("global_max_pooling1d_first", L.GlobalMaxPooling1D(**FIRST), FRONT_STEPS),
    ("global_max_pooling2d_first", L.GlobalMaxPooling2D(**FIRST), FRONT),
    ("global_max_pooling3d_first", L.GlobalMaxPooling3D(keepdims=True, **FIRST), FRONT_VOLUME),
    ("global_average_pooling1d_first", L.GlobalAveragePooling1D(**FIRST), FRONT_STEPS),
    ("global_average_pooling3d_first", L.GlobalAveragePooling3D(**FIRST), FRONT_VOLUME),
    ("cropping2d_first", L.Cropping2D(((1, 0), (0, 1)), **FIRST), FRONT),
    ("up_sampling2d_first", L.UpSampling2D((1, 2), **FIRST), FRONT),
    ("center_crop_first", L.CenterCrop(2, 2, **FIRST), FRONT),
    ("random_flip_first", L.RandomFlip("horizontal", **FIRST), FRONT),
    ("random_rotation_first", L.RandomRotation((0.1, 0.1), **FIRST), FRONT, "moves"),
    ("random_zoom_first", L.RandomZoom((0.4, 0.4), (-0.3, -0.3), **FIRST), FRONT, "moves"),
    ("random_contrast_first", L.RandomContrast(0.0, value_range=(-1.5, 2), **FIRST), FRONT, "training"),
    ("flatten_first", L.Flatten(**FIRST), FRONT),
    ("layer_normalization", L.LayerNormalization(), STEPS),
    ("layer_normalization_axes", L.LayerNormalization(axis=[1, 2], epsilon=0.5, center=False), PICTURE),
    ("group_normalization", L.GroupNormalization(2), STEPS),
    ("group_normalization_first", L.GroupNormalization(-1, axis=1, scale=False), FRONT),
]


def pattern(count, step, base):
    return np.array([((i * step) % base - base // 2) * 0.31 + 0.07 for i in range(count)], "float32")


def weight(i, variable):
    """As set_weights in test_spatial.c."""
    values = np.array([((k * 7 + i * 3) % 13 - 6) * 0.125 for k in range(int(np.prod(variable.shape)))], "float32")
    if "variance" in variable.path:
        values = np.abs(values) + np.float32(0.5)
    return values.reshape(variable.shape)


def numbers(array):
    return ", ".join("%.9gf" % v if "." in "%.9g" % v or "e" in "%.9g" % v else "%.9g.0f" % v
                     for v in np.asarray(array, "float32").ravel())


def main():
    out = ["/* Made by make_spatial.py with Keras %s. */" % keras.__version__, "", "#define SPATIAL_ROWS %d" % ROWS, ""]
    table = []
    for entry in LAYERS:
        name, layer, shape = entry[:3]
        training = len(entry) > 3
        moves = entry[3:] == ("moves",)  # Kiln has no gradient for it
        x = pattern(ROWS * int(np.prod(shape)), 11, 23).reshape((ROWS,) + shape)
        config = layer.get_config()  # building may change it
        layer.build((None,) + shape)
        for i, variable in enumerate(layer.weights):
            variable.assign(weight(i, variable))
        trainable = [v.value for v in layer.trainable_variables]
        fixed = [v.value for v in layer.non_trainable_variables]

        def call(trainable, x):
            told = {"training": training} if training or name.startswith("random_flip") else {}
            y, updated = layer.stateless_call(trainable, fixed, x, **told)
            w = pattern(int(np.prod(y.shape)), 7, 19).reshape(y.shape)
            return jnp.sum(y * w), (y, updated)

        (_, (y, updated)), (dw, dx) = jax.value_and_grad(call, argnums=(0, 1), has_aux=True)(trainable, jnp.array(x))
        moving = [v for v in updated if v.dtype == jnp.float32] if training and layer.trainable and layer.weights else []
        arrays = {"y": y, "dx": [] if moves else dx,
                  "dw": np.concatenate([np.ravel(d) for d in dw]) if dw else [],
                  "moving": np.concatenate([np.ravel(m) for m in moving]) if moving else []}
        fields = []
        for key, values in arrays.items():
            if len(np.ravel(values)):
                out.append("static const float %s_%s[] = {%s};" % (name, key, numbers(values)))
                fields.append(".%s = %s_%s" % (key, name, key))
        config.pop("dtype")
        config["name"] = name
        text = json.dumps({"class_name": type(layer).__name__, "config": config})
        table.append('    {"%s", "%s", %s, %s, {%d, {%s}}, {%d, {%s}}, %s},' % (
            name, type(layer).__name__, json.dumps(text), "true" if training else "false", len(shape),
            ", ".join(map(str, shape)), y.ndim - 1, ", ".join(map(str, y.shape[1:])), ", ".join(fields)))
    out += ["", "static const struct {", "    const char *name, *class_name, *json;", "    bool training;",
            "    kiln_shape input, output;", "    const float *y, *dx, *dw, *moving;", "} spatial_figures[] = {"]
    out += table + ["};", ""]
    pathlib.Path(__file__).with_name("spatial_figures.h").write_text("\n".join(out))


main()
