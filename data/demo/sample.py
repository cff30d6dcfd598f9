"""Draw the FAKE images of each split from the two generators.

In: generators/{a,b}.weights.h5, crops/learn.npy. Out: samples/{train,validation,test}.npy, uint8
[N, S, S, 3], and samples/*_view.npy, int32 [N]: the row of crops/learn.npy that an image started
from, or -1 where it started at pure noise. Generator b draws the test split, a the other two.
"""

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from common import GENERATOR, SPLITS, class_counts, read_params, save_arrays
from last_steps import to_bytes
from network import build, set_up, time_features
from views import contrast


def make_velocity(model: keras.Model):
    """Return the model as a compiled function (images [N, S, S, 3], time []) -> velocity."""

    @tf.function
    def velocity(images, time):
        features = time_features(tf.fill([tf.shape(images)[0]], time))
        return model([images, features], training=False)

    return velocity


def integrate(velocity, start: np.ndarray, begin: float, steps: int) -> np.ndarray:
    """Follow the flow from time ``begin`` to 1 with Heun's second-order method.

    start: float32 [N, S, S, 3], pure noise where ``begin`` is 0. Returns images in about -1..1.
    """
    images = tf.constant(start)
    width = (1.0 - begin) / steps
    for step in range(steps):
        now = begin + step * width
        first = velocity(images, tf.constant(now, tf.float32))
        second = velocity(images + width * first, tf.constant(now + width, tf.float32))
        images = images + width * 0.5 * (first + second)
    return images.numpy()


def starts(
    views: np.ndarray, config: dict, begin: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return starting images, float32 [batch, S, S, 3], and the views they came from, int32.

    Where ``begin`` is 0 they are noise, and the view is -1; else they are the path's point
    (1 - begin) noise + begin view, as in training. A ``noise_scale`` below 1 draws from the middle
    of the noise only, a "reduced temperature" (Kingma & Dhariwal, "Glow", 2018): tamer samples.
    """
    batch = config["batch_size"]
    noise = rng.standard_normal((batch, *views.shape[1:]), dtype=np.float32)
    noise *= np.float32(config["noise_scale"])
    if begin == 0.0:
        return noise, np.full(batch, -1, np.int32)
    chosen = rng.choice(len(views), batch, replace=False).astype(np.int32)
    images = views[chosen].astype(np.float32) / 127.5 - 1.0
    return (1.0 - begin) * noise + np.float32(begin) * images, chosen


def draw(
    velocity, views: np.ndarray, count: int, begin: float, config: dict, least: float, rng
) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``count`` images that pass the contrast rule of the REAL images.

    Returns uint8 [count, S, S, 3] and int32 [count], the views they started from.
    """
    kept, origins = [np.zeros((0, *views.shape[1:]), np.uint8)], [np.zeros(0, np.int32)]
    while sum(map(len, kept)) < count:
        start, origin = starts(views, config, begin, rng)
        images = to_bytes(integrate(velocity, start, begin, config["steps"]))
        passed = contrast(images) >= least
        if not passed.any():
            raise SystemExit("no sample reached crops.min_contrast: is the generator trained?")
        kept.append(images[passed])
        origins.append(origin[passed])
    return np.concatenate(kept)[:count], np.concatenate(origins)[:count]


def draw_all(folder: Path, views: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of the module's docstring, by name. views: uint8 [N, S, S, 3]."""
    images, crops, generator, config = read_params("images", "crops", "generator", "sample")
    set_up(config["seed"], generator["threads"])
    model = build(views.shape[1], generator["channels"])
    velocity = make_velocity(model)
    arrays = {}
    for index, split in enumerate(SPLITS):
        rng = np.random.default_rng([config["seed"], index])
        model.load_weights(folder / f"{GENERATOR[split]}.weights.h5")
        count = class_counts(images[split])["FAKE"]
        from_crop = round(count * config["from_crop_share"])
        parts = [
            draw(velocity, views, number, begin, config, crops["min_contrast"], rng)
            for number, begin in ((count - from_crop, 0.0), (from_crop, config["from_crop_time"]))
        ]
        arrays[split], arrays[f"{split}_view"] = map(np.concatenate, zip(*parts, strict=True))
        print(f"{split}: {count} images from generator {GENERATOR[split]}", flush=True)
    return arrays


def main() -> None:
    """Parse the command line and sample."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generators", type=Path, default=Path("generators"))
    parser.add_argument("--crops", type=Path, default=Path("crops"))
    parser.add_argument("--out", type=Path, default=Path("samples"), help="folder to write")
    args = parser.parse_args()
    save_arrays(args.out, draw_all(args.generators, np.load(args.crops / "learn.npy")))


if __name__ == "__main__":
    main()
