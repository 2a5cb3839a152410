"""Real Keras models, saved in every format, for tests: `python keras_files.py DIRECTORY` makes them there.

Keras 2's are given as what it wrote: it is not installed, and lives on in such files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

# What tf-keras 2.15 writes of a convolution with its normalisation, and Keras of TensorFlow 2.3 of a recurrent network.
KERAS_2_FUNCTIONAL: dict[str, Any] = {
    "module": "keras.src.engine.functional",
    "class_name": "Functional",
    "registered_name": "Functional",
    "config": {
        "name": "model",
        "layers": [
            {
                "module": "keras.layers",
                "class_name": "InputLayer",
                "config": {"batch_input_shape": [None, 16, 16, 3], "dtype": "float32", "name": "input_1"},
                "registered_name": None,
                "name": "input_1",
                "inbound_nodes": [],
            },
            {
                "module": "keras.layers",
                "class_name": "DepthwiseConv2D",
                "config": {
                    "name": "block/conv",
                    "dtype": "float32",
                    "kernel_size": [3, 3],
                    "groups": 1,
                    "depthwise_initializer": {"class_name": "Constant", "module": "tensorflow.ops", "config": {}},
                },
                "registered_name": None,
                "name": "block/conv",
                "inbound_nodes": [[["input_1", 0, 0, {}]]],
            },
            {
                "module": "keras.layers",
                "class_name": "BatchNormalization",
                "config": {"name": "norm", "dtype": "float32", "axis": [3]},
                "registered_name": None,
                "name": "norm",
                "inbound_nodes": [[["block/conv", 0, 0, {}]]],
            },
        ],
        "input_layers": [["input_1", 0, 0]],
        "output_layers": [["norm", 0, 0]],
    },
}
KERAS_2_SEQUENTIAL: dict[str, Any] = {
    "class_name": "Sequential",
    "config": [
        {
            "class_name": "Bidirectional",
            "config": {
                "name": "both",
                "batch_input_shape": [None, 5, 3],
                "layer": {"class_name": "LSTM", "config": {"name": "lstm", "units": 4, "time_major": False}},
            },
        },
        {"class_name": "Dense", "config": {"name": "dense", "units": 2, "activation": "relu"}},
    ],
    "keras_version": "2.4.0",
    "backend": "tensorflow",
}


def layer(class_name: str, module: str | None = "keras.layers", **fields: Any) -> str:
    """The configuration of a Sequential with one layer of this class."""
    first = {"class_name": class_name, "module": module, "config": {"name": "x"}, **fields}
    return json.dumps({"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": [first]}})


def make(directory: Path) -> None:
    """Save `model.keras`, `model.h5`, `saved/`, `model.tflite`, all of one model, in another process."""
    subprocess.run([sys.executable, __file__, str(directory)], check=True, timeout=300, capture_output=True)


def _make(directory: Path) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import numpy as np
    import tensorflow as tf

    image = keras.Input((16, 16, 3))
    hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(8, 3)(image))
    hidden = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(hidden))
    vector = keras.Input((300,))
    # Wide enough that its weights outweigh by far what describes it.
    wide = keras.layers.Dense(300, activation="relu")(keras.layers.Dense(3000)(vector))
    both = keras.layers.Multiply()([keras.layers.Dense(8)(wide), hidden])
    model = keras.Model([image, vector], keras.layers.Dense(4, activation="softmax")(both))
    model.set_weights([np.random.default_rng(0).random(w.shape, np.float32) for w in model.get_weights()])
    model.save(directory / "model.keras")
    model.save(directory / "model.h5")
    model.export(directory / "saved")
    (directory / "model.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())


if __name__ == "__main__":
    _make(Path(sys.argv[1]))
