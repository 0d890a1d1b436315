"""The 1D CNN of 1,128,488 parameters in Keras, as its authors wrote it, timed in a process of its own.

Called by `loop` with a file of arrays (features, labels), the batch size, and how many epochs to time;
prints one number a line: seconds of each epoch after the first.
"""

import sys
import time

import keras
import numpy as np
from keras import layers


def network(num_frames: int, num_classes: int) -> keras.Model:
    """baselines.md's third row: three blocks of convolution, pooling and batch normalisation, then 128, 32, classes."""
    model = keras.Sequential([keras.Input((num_frames, 1))])
    for channels in (64, 128, 256):
        model.add(layers.Conv1D(channels, 5, activation="relu"))
        model.add(layers.MaxPooling1D(2))
        model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    model.add(layers.Dense(128, activation="relu"))
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(32))
    model.add(layers.Dense(num_classes))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


class Clock(keras.callbacks.Callback):
    """Prints what each epoch after the first took."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        now = time.perf_counter()
        if epoch > 0:
            print(now - self.before)
        self.before = now


def main(path: str, batch_size: str, epochs: str) -> None:
    """Trains on the arrays of a file."""
    arrays = np.load(path, allow_pickle=False)
    model = network(arrays["features"].shape[1], int(arrays["labels"].max()) + 1)
    assert model.count_params() == 1_129_384, "trainable parameters and running statistics, as published"
    model.fit(
        arrays["features"], arrays["labels"], batch_size=int(batch_size), epochs=1 + int(epochs), shuffle=True,
        verbose=0, callbacks=[Clock()],
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
