"""What networks see of an image: all of it in one size, and parts of it as they are."""

import io

import numpy as np
from PIL import Image, ImageOps

from stages.common.arrays import CROP, WHOLE
from stages.images.pixels import Decoded, UnreadableImageError, decode, pixels_digest, to_array
from stages.images.schema import DecodeParams
from stages.preprocess.schema import AlignParams, PreprocessParams

GAP = 3
"""So many times `image_size` are decoded at least, where nothing but the whole is wanted: to Pillow
(`Image.resize`, reducing_gap) that is in most cases as good as all pixels."""
LONGEST_JPEG = 65_500
"""Pixels of a side: libjpeg's JPEG_MAX_DIMENSION."""


class Preprocess:
    """Makes of an image what networks see of it, wherever they are trained or asked."""

    def __init__(self, params: PreprocessParams, decoding: DecodeParams):
        """Describe size, views and decoding."""
        self.height, self.width = params.image_size
        self.filter = Image.Resampling[params.resample.upper()]
        self.aspect, self.align = params.aspect, params.align
        self.decoding = decoding
        self.kinds = (WHOLE,) * params.whole + (CROP,) * params.crops
        """What each view is, in their order."""
        size = (self.height, self.width, 3)
        self.shape = (len(self.kinds), *size) if params.crops else size
        """Of the views of an image; one alone has no axis of its own."""

    def decode(self, file: bytes) -> Decoded:
        """Return an image `file` as `views` needs it: without crops and `align`, not all pixels.

        Raises:
            UnreadableImageError: it cannot be decoded.
        """
        needs_all = self.align or CROP in self.kinds
        least = None if needs_all else GAP * max(self.height, self.width)
        return decode(file, self.decoding, least)

    def see(self, file: bytes) -> np.ndarray:
        """Return the views of an image `file`, see `views`.

        Raises:
            UnreadableImageError: it cannot be decoded, or aligned.
        """
        return self.views(self.decode(file).rgb)

    def views(self, image: Image.Image) -> np.ndarray:
        """Return the views of an RGB `image`: uint8, `shape`, 0..255.

        Raises:
            UnreadableImageError: it cannot be aligned.
        """
        if self.align:
            image = aligned(image, self.align, self.filter)
        views = [self.resize(image)] if WHOLE in self.kinds else []
        views += crops(image, self.height, self.width, self.kinds.count(CROP))
        return np.stack(views).reshape(self.shape)

    def resize(self, image: Image.Image) -> np.ndarray:
        """Return all of an RGB `image` in the size of params: uint8, [height, width, 3], 0..255."""
        size = (self.width, self.height)
        if image.size == size:
            return to_array(image)
        match self.aspect:
            case "stretch":
                return to_array(image.resize(size, self.filter))
            case "crop":
                return to_array(ImageOps.fit(image, size, self.filter))
            case "pad":
                red, green, blue = self.decoding.background
                return to_array(ImageOps.pad(image, size, self.filter, (red, green, blue)))


def aligned(image: Image.Image, params: AlignParams, resample: Image.Resampling) -> Image.Image:
    """Return an RGB `image` of the shorter side of `params`, as a JPEG file of its quality has it.

    After that, neither size nor the tables of a file tell where it came from.

    Raises:
        UnreadableImageError: it would be too long for a JPEG file.
    """
    factor = params.shorter_side / min(image.size)
    size = [max(1, round(side * factor)) for side in image.size]
    if max(size) > LONGEST_JPEG:
        raise UnreadableImageError(
            f"aligned, {image.width}x{image.height} pixels would be {size[0]}x{size[1]}, more "
            f"than a JPEG file can have; leave it out, or set preprocess.align null"
        )
    if factor != 1:
        image = image.resize(size, resample)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=params.jpeg_quality)
    return Image.open(file, formats=["JPEG"])


def crops(image: Image.Image, height: int, width: int, number: int) -> list[np.ndarray]:
    """Return parts of an RGB `image`, not scaled: `number` of uint8, [height, width, 3], 0..255.

    Where they lie follows from the pixels alone. An image that is too small is mirrored at its
    borders.
    """
    if not number:
        return []
    random = np.random.default_rng(np.frombuffer(pixels_digest(image), "<u4"))
    missing = [max(0, height - image.height), max(0, width - image.width)]
    if any(missing):
        around = [(more // 2, more - more // 2) for more in missing]
        image = Image.fromarray(np.pad(to_array(image), [*around, (0, 0)], mode="symmetric"))
    tops = random.integers(0, image.height - height, number, endpoint=True)
    lefts = random.integers(0, image.width - width, number, endpoint=True)
    return [
        to_array(image.crop((left, top, left + width, top + height)))
        for top, left in zip(tops.tolist(), lefts.tolist(), strict=True)
    ]
