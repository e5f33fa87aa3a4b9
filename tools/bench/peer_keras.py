"""The MNIST program in Keras, as its tutorials write it: [KERAS_BACKEND=jax] peer_keras.py BATCH EPOCHS [cnn]

A window is an epoch. With the same arguments it is also the whole program that `kiln fit mlp mnist` is timed against."""
import os
import sys
import time

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import keras
import numpy as np

import peer

batch, epochs = int(sys.argv[1]), int(sys.argv[2])
x, y, x_test, y_test = peer.mnist(np)
keras.utils.set_random_seed(1)
if sys.argv[3:] == ['cnn']:
    x, x_test = x[..., None], x_test[..., None]
    model = keras.Sequential([
        keras.layers.Input((28, 28, 1)),
        keras.layers.Conv2D(32, (3, 3), activation='relu'),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, (3, 3), activation='relu'),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10),
    ])
else:
    model = keras.Sequential([
        keras.layers.Input((28, 28)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation='relu'),
        keras.layers.Dropout(0.2),
        keras.layers.Dense(10),
    ])
model.compile(optimizer='adam', loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
              metrics=['accuracy'])


class Clock(keras.callbacks.Callback):
    first, times = None, []

    def on_train_batch_end(self, batch, logs=None):
        if Clock.first is None:
            Clock.first = peer.age()

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        Clock.times.append((time.perf_counter() - self.start) / -(-len(x) // batch))


model.fit(x, y, batch_size=batch, epochs=epochs, verbose=2, callbacks=[Clock()])
accuracy = model.evaluate(x_test, y_test, verbose=2)[1]
peer.report('Keras %s on %s' % (keras.__version__, {'tensorflow': 'TensorFlow', 'jax': 'JAX'}[keras.backend.backend()]),
            Clock.times[1:] or Clock.times, Clock.first, accuracy)
