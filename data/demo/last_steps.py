"""The last steps of every image of the archive, REAL and FAKE alike."""

import io

import numpy as np
from PIL import Image


def to_bytes(images: np.ndarray) -> np.ndarray:
    """Round images in -1..1 to uint8 0..255, clipping what lies outside."""
    return np.clip(np.rint((images + 1.0) * 127.5), 0, 255).astype(np.uint8)


def to_jpeg(image: np.ndarray, jpeg: dict) -> bytes:
    """Encode uint8 [H, W, 3] as JPEG, without any metadata. The last step of both classes."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(
        buffer, "JPEG", quality=jpeg["quality"], subsampling=jpeg["subsampling"], optimize=False
    )
    return buffer.getvalue()
