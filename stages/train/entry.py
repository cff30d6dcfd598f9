"""Where images enter a network: as 0..255, in the size of preprocess, which it scales or cuts.

The name of the input says what it takes: `image`, all of an image; `crop`, a part of one that was
not scaled; `view`, either. Where these are treated unlike, a second input, `is_whole`, says which
it is: 1 or 0, of shape [N, 1, 1, 1].
"""

import keras

from stages.networks.config import NetworkConfig


def enter(
    config: NetworkConfig, image_shape: tuple[int, ...]
) -> tuple[keras.KerasTensor | list[keras.KerasTensor], keras.KerasTensor]:
    """Return the input or inputs of a network, and what they become in `config.input_size`.

    Args:
        image_shape: height, width, 3 of a view.
    """
    name = {"whole": "image", "crops": "crop", "both": "view"}[config.views]
    image = keras.Input(image_shape, name=name)
    size = tuple(config.input_size or image_shape[:2])
    if size == image_shape[:2]:
        return image, image
    scale = keras.layers.Resizing(*size, antialias=True, name="scale")
    cut = keras.layers.CenterCrop(*size, name="cut")
    if config.views != "both":
        return image, (scale if config.views == "whole" else cut)(image)
    is_whole = keras.Input((1, 1, 1), name="is_whole")
    is_crop = keras.layers.Rescaling(-1, 1, name="is_crop")(is_whole)
    scaled = keras.layers.Multiply(name="if_whole")([scale(image), is_whole])
    middle = keras.layers.Multiply(name="if_crop")([cut(image), is_crop])
    return [image, is_whole], keras.layers.Add(name="enter")([scaled, middle])
