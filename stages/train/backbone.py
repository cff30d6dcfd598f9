"""A pretrained network, read from its file: what it makes of images are features."""

from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import keras

from stages.networks.config import Backbone
from stages.train.unfit import UnfitError

BUILT_IN = ("keras.src.layers.", "keras.src.models.", "keras.src.ops.")
"""Where Keras has what any file may hold; what its `applications` add, only their code can load."""


def features(backbone: Backbone, x: keras.KerasTensor) -> keras.KerasTensor:
    """Return the features of `x`: the outputs of the layers, feature maps averaged, side by side.

    Args:
        x: images, 0..255: [N, height, width, 3].

    Returns:
        [N, D].

    Raises:
        UnfitError: see `load`; or it takes images of another size.
    """
    network = load(backbone)
    network.trainable = backbone.trainable
    for layer in _layers(network):
        # Statistics of few images would undo those of many: https://keras.io/guides/transfer_learning
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = False
    try:
        maps = network(x)
    except ValueError as error:
        raise UnfitError(
            f"backbone: {backbone.weights} takes images of {network.input_shape[1:]}, "
            f"found {x.shape[1:]}; set input_size"
        ) from error
    pooled = [
        keras.layers.GlobalAveragePooling2D(name=f"average_{number}")(values)
        if len(values.shape) == 4
        else values
        for number, values in enumerate(maps if isinstance(maps, list) else [maps], start=1)
    ]
    return keras.layers.Concatenate(name="features")(pooled) if len(pooled) > 1 else pooled[0]


def load(backbone: Backbone) -> keras.Model:
    """Return the network in the file of `backbone`, with the outputs of its layers.

    Raises:
        UnfitError: the file is missing, another one, or no Keras model; a layer needs code of its
            own, or is not there.
    """
    path = Path(backbone.weights)
    try:
        found = md5(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnfitError(
            f"backbone.weights: {path}: {error.strerror}; `make backbone` makes "
            "data/backbones/efficientnet-lite0.h5, and `dvc pull` fetches one that is shared"
        ) from None
    if found != backbone.md5:
        raise UnfitError(f"backbone.md5: must be that of {path}, {found}, found {backbone.md5}")
    try:
        network = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # whatever a file may make Keras raise
        reason = " ".join(str(error).split())[:300]
        raise UnfitError(
            f"backbone.weights: {path}: not a Keras model of built-in layers: {reason}"
        ) from None
    for layer in _layers(network):
        if not type(layer).__module__.startswith(BUILT_IN):
            raise UnfitError(
                f"backbone.weights: {path}: layer {layer.name} ({type(layer).__name__}) needs code "
                "of its own to be loaded; allowed are Keras's layers"
            )
    if len(network.inputs) != 1:
        raise UnfitError(
            f"backbone.weights: {path}: must take images alone, found {len(network.inputs)} inputs"
        )
    known = {layer.name: layer.output for layer in network.layers}
    for name in backbone.layers:
        if name not in known:
            raise UnfitError(
                f"backbone.layers: no layer '{name}' in {path}; "
                f"the last ones are {', '.join(list(known)[-5:])}"
            )
        rank = len(getattr(known[name], "shape", ()))
        if rank not in (2, 4):
            raise UnfitError(
                f"backbone.layers: '{name}' in {path} must give feature maps or features, "
                f"[N, height, width, D] or [N, D], found {rank} axes"
            )
    return keras.Model(network.inputs, [known[name] for name in backbone.layers], name="backbone")


def _layers(network: keras.Model) -> Iterator[keras.Layer]:
    """Yield each layer of `network`, and of networks in it."""
    for layer in network.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
