"""The backbone is PyTorch's network: by its shape, and by what it says of two photographs."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from stages.common.command import InputError
from tests.helpers import CODE, Project, make_backbone
from tools.backbone import __main__ as tool
from tools.backbone.efficientnet_lite import build

# By their places among ImageNet's 1,000 classes.
PALACE, BELL_COTE, DAISY, BEE = 698, 442, 985, 309
PYTORCH = {PALACE: 0.301613, BELL_COTE: 0.220366}, {DAISY: 0.232621, BEE: 0.048957}
"""What efficientnet_lite_pytorch 0.1.0 says of both photographs, as `square` makes them, in PyTorch
2.13 by the same weights."""


def square(photograph: np.ndarray) -> np.ndarray:
    """Return the middle of a photograph, at 224x224 pixels."""
    image = Image.fromarray(photograph)
    left, top = ((side - min(image.size)) // 2 for side in image.size)
    box = (left, top, left + min(image.size), top + min(image.size))
    return np.asarray(image.crop(box).resize((224, 224), Image.Resampling.BICUBIC))


@pytest.mark.usefixtures("tensorflow")
def test_it_has_the_layers_of_efficientnet_lite0() -> None:
    network = build()
    trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trained == 4_652_008, "as in efficientnet_lite_pytorch 0.1.0"
    names = ("stem_activation", "block_5_add", "block_11_add", "head_activation")
    features = keras.Model(network.inputs, [network.get_layer(name).output for name in names])
    shapes = [tuple(output.shape[1:]) for output in features([np.zeros((1, 224, 225, 3))])]
    assert shapes == [(112, 113, 32), (28, 29, 40), (14, 15, 112), (7, 8, 1280)]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_it_sees_what_pytorchs_network_sees_and_is_made_once_and_never_of_other_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_backbone(Project(tmp_path))
    network = keras.models.load_model(file, compile=False)
    photographs = np.stack([square(image) for image in load_sample_images().images])
    probabilities = network.predict(photographs, verbose=0)
    assert probabilities.argmax(axis=1).tolist() == [PALACE, DAISY]
    for found, expected in zip(probabilities, PYTORCH, strict=True):
        assert found[list(expected)] == pytest.approx(list(expected.values()), abs=1e-4)

    before = file.stat()
    printed = Project(tmp_path).run("python", "-m", "tools.backbone", env=CODE).stdout
    assert printed == f"{tool.PATH} is there, md5 {tool.MD5}\n"
    assert file.stat().st_mtime_ns == before.st_mtime_ns

    monkeypatch.chdir(tmp_path)
    other = bytearray(tool.fetch())
    other[len(other) // 2] ^= 1  # a weight of some block
    with pytest.raises(InputError, match=f"{tool.PATH}: expected md5 {tool.MD5}, found [0-9a-f]"):
        tool.write(bytes(other))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in file.parent.iterdir()] == [file.name]
