#!/usr/bin/env python3
"""Writes timeseries_figures.h: the windows that Keras's timeseries_dataset_from_array cuts.
KERAS_BACKEND=tensorflow make_timeseries.py (or any backend beside TensorFlow)"""
import pathlib

import keras
import numpy as np

# rows, features, rows of targets (0: none), features of targets, and what Keras is called with
CASES = [
    ("plain", 9, 1, 0, 0, dict(sequence_length=4)),
    ("targets", 9, 1, 9, 1, dict(sequence_length=4)),
    ("next_row", 12, 2, 9, 1, dict(sequence_length=3)),
    ("stride", 20, 3, 20, 2, dict(sequence_length=5, sequence_stride=3)),
    ("rate", 23, 2, 23, 1, dict(sequence_length=4, sampling_rate=3)),
    ("rate_and_stride", 40, 1, 34, 1, dict(sequence_length=5, sampling_rate=2, sequence_stride=4)),
    ("start", 15, 2, 15, 2, dict(sequence_length=4, start_index=5)),
    ("end", 15, 2, 15, 1, dict(sequence_length=4, end_index=11)),
    ("part", 30, 1, 30, 1, dict(sequence_length=3, sampling_rate=2, sequence_stride=2, start_index=4, end_index=22)),
    ("whole", 6, 2, 0, 0, dict(sequence_length=6)),
    ("apart", 26, 2, 26, 1, dict(sequence_length=4, sequence_stride=7)),
]


def rows(count, features, offset):
    """Row r, feature f: 10 r + f, so that each number says where it lies."""
    return np.arange(count, dtype=np.float32)[:, None] * 10 + np.arange(features, dtype=np.float32) + offset


def numbers(values):
    return ", ".join("%d" % v for v in np.asarray(values).ravel())


def main():
    out = ["/* Made by make_timeseries.py with Keras %s. */" % keras.__version__,
           "typedef struct timeseries_figure {",
           "    const char *name;",
           "    int64_t rows, features, target_rows, target_features;",
           "    int64_t length, stride, rate, start, end, samples;",
           "    const float *x, *y;",
           "} timeseries_figure;", "",
           "static const timeseries_figure timeseries_figures[] = {"]
    for name, count, features, target_count, target_features, arguments in CASES:
        data = rows(count, features, 0)
        targets = rows(target_count, target_features, 5) if target_count else None
        batches = list(keras.utils.timeseries_dataset_from_array(data, targets, batch_size=64, **arguments))
        x = np.concatenate([np.asarray(b[0] if target_count else b) for b in batches])
        y = np.concatenate([np.asarray(b[1]) for b in batches]) if target_count else None
        out.append('    {"%s", %d, %d, %d, %d, %d, %d, %d, %d, %d, %d,' % (
            name, count, features, target_count, target_features, arguments["sequence_length"],
            arguments.get("sequence_stride", 0), arguments.get("sampling_rate", 0),
            arguments.get("start_index", 0), arguments.get("end_index", 0), len(x)))
        out.append("     (const float[]){%s}," % numbers(x))
        out.append("     %s}," % ("(const float[]){%s}" % numbers(y) if y is not None else "NULL"))
    out.append("};")
    path = pathlib.Path(__file__).with_name("timeseries_figures.h")
    path.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
