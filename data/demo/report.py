"""Measure the archive: short cuts, copies, and how far a base and a stronger network get.

In: demo.zip, crops/learn.npy. Out: report.json, contact_sheet.png (both classes of every split)
and nearest.png (the FAKE images closest to a training view, above that view).
"""

import argparse
import io
import json
import os
import zipfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from keras import layers
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from common import CLASSES, SPLITS, read_params
from network import set_up

BINS = 16


def read_split(path: Path, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a split's images uint8 [N, S, S, 3], labels int [N] and file sizes int [N]."""
    images, labels, sizes = [], [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(name for name in archive.namelist() if name.endswith(".jpg")):
            folder, label, _ = name.split("/")
            if folder == split:
                content = archive.read(name)
                images.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
                labels.append(CLASSES.index(label))
                sizes.append(len(content))
    return np.stack(images), np.array(labels), np.array(sizes)


def colour_histogram(images: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the share of pixels in each of 16 bins of each channel: float64 [N, 48]."""
    bins = images.reshape(len(images), -1, 3) // (256 // BINS)
    return np.stack(
        [(bins == value).mean(axis=1) for value in range(BINS)],
        axis=1,
    ).reshape(len(images), -1)


def file_size(images: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return the number of bytes of the JPEG file: float64 [N, 1]."""
    return sizes[:, None].astype(np.float64)


def mean_and_variance(images: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return mean and variance of each channel: float64 [N, 6]."""
    pixels = images.reshape(len(images), -1, 3).astype(np.float64)
    return np.concatenate([pixels.mean(axis=1), pixels.var(axis=1)], axis=1)


SHORT_CUTS = {
    "colour_histogram": colour_histogram,
    "file_size": file_size,
    "mean_and_variance": mean_and_variance,
}


def short_cuts(data: dict) -> dict[str, dict[str, float]]:
    """Return the accuracy of a logistic regression on each short cut, fitted on train."""
    scores = {}
    for name, features in SHORT_CUTS.items():
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
        images, labels, sizes = data["train"]
        model.fit(features(images, sizes), labels)
        scores[name] = {
            split: model.score(features(data[split][0], data[split][2]), data[split][1])
            for split in ("validation", "test")
        }
    return scores


def nearest(images: np.ndarray, views: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance to the nearest view or mirrored view, and that view's row.

    images: uint8 [N, S, S, 3]; views: uint8 [M, S, S, 3]. The distance is the root mean squared
    difference over all pixels and channels, in grey levels: float64 [N]; the row, int [N], counts
    mirrored views from M on.
    """
    flat = np.concatenate([views, views[:, :, ::-1]]).reshape(2 * len(views), -1)
    flat = flat.astype(np.float32)
    squares = np.einsum("ij,ij->i", flat, flat)
    distances, rows = [], []
    for part in np.array_split(images.reshape(len(images), -1).astype(np.float32), 8):
        # |a - b|^2 = |a|^2 - 2ab + |b|^2 finds the nearest; its distance is then taken exactly.
        best = np.argmin(squares - 2.0 * part @ flat.T, axis=1)
        difference = part.astype(np.float64) - flat[best]
        distances.append(np.sqrt((difference**2).mean(axis=1)))
        rows.append(best)
    return np.concatenate(distances), np.concatenate(rows)


def spread(distances: np.ndarray) -> dict[str, float]:
    """Return the least, the first percentile and the median of some distances."""
    return {
        "least": float(distances.min()),
        "percentile_1": float(np.percentile(distances, 1)),
        "median": float(np.median(distances)),
    }


def base_network(size: int) -> keras.Model:
    """Two convolutions, each with pooling, then a wide dense layer: the study's base model."""
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(512, activation="relu"),
            layers.Dense(2, activation="softmax"),
        ]
    )


def stronger_network(size: int) -> keras.Model:
    """Five convolutions with batch normalisation, in the manner of VGG, and mirrored images."""
    network = [keras.Input((size, size, 3)), layers.Rescaling(1 / 255)]
    network.append(layers.RandomFlip("horizontal"))
    for width, pool in ((32, False), (32, True), (64, False), (64, True), (128, False)):
        network.append(layers.Conv2D(width, 3, padding="same", use_bias=False))
        network += [layers.BatchNormalization(), layers.Activation("relu")]
        if pool:
            network.append(layers.MaxPooling2D())
    network += [layers.GlobalAveragePooling2D(), layers.Dense(2, activation="softmax")]
    return keras.Sequential(network)


NETWORKS = {"base": (base_network, 20), "stronger": (stronger_network, 30)}


def network_scores(data: dict, seeds: list[int]) -> dict[str, dict]:
    """Return each network's accuracy on validation and test, for every seed and on average."""
    scores: dict[str, dict] = {}
    for name, (build, epochs) in NETWORKS.items():
        runs: dict[str, list[float]] = {"validation": [], "test": []}
        for seed in seeds:
            keras.utils.set_random_seed(seed)
            model = build(data["train"][0].shape[1])
            model.compile(
                optimizer=keras.optimizers.Adam(1e-3),
                loss="sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            model.fit(*data["train"][:2], batch_size=32, epochs=epochs, verbose=0)
            for split, accuracies in runs.items():
                images, labels, _ = data[split]
                accuracies.append(model.evaluate(images, labels, verbose=0)[1])
        scores[name] = {"parameters": model.count_params(), "epochs": epochs}
        for split, accuracies in runs.items():
            scores[name][split] = float(np.mean(accuracies))
            scores[name][f"{split}_runs"] = accuracies
    return scores


def tile(rows: list[np.ndarray], scale: int, gap: int = 1) -> Image.Image:
    """Lay images out in rows, enlarged without smoothing. Each row: uint8 [N, S, S, 3]."""
    size = rows[0].shape[1]
    width = max(map(len, rows)) * (size + gap) + gap
    sheet = np.full((len(rows) * (size + gap) + gap, width, 3), 255, np.uint8)
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = gap + y * (size + gap), gap + x * (size + gap)
            sheet[top : top + size, left : left + size] = image
    image = Image.fromarray(sheet)
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def contact_sheet(data: dict, columns: int = 16) -> Image.Image:
    """One row of each split's REAL images, an empty row, one row of each split's FAKE images."""
    rows = []
    for label in range(len(CLASSES)):
        for split in SPLITS:
            images, labels, _ = data[split]
            rows.append(images[labels == label][:columns])
        rows.append(np.full((columns, *images.shape[1:]), 255, np.uint8))
    return tile(rows[:-1], scale=2)


def rounded(value):
    """Round every number in nested dictionaries and lists to 4 decimals."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=Path("demo.zip"))
    parser.add_argument("--crops", type=Path, default=Path("crops"))
    parser.add_argument("--out", type=Path, default=Path("."), help="folder to write")
    args = parser.parse_args()
    (config,) = read_params("report")
    set_up(config["seeds"][0], config["threads"])
    data = {split: read_split(args.archive, split) for split in SPLITS}
    views = np.load(args.crops / "learn.npy")

    fake = {split: data[split][0][data[split][1] == 1] for split in SPLITS}
    real = {split: data[split][0][data[split][1] == 0] for split in SPLITS}
    found = {split: nearest(fake[split], views) for split in SPLITS}
    report = {
        "archive": {
            "bytes": args.archive.stat().st_size,
            "images": {
                split: {"REAL": len(real[split]), "FAKE": len(fake[split])} for split in SPLITS
            },
        },
        "short_cuts": short_cuts(data),
        "networks": network_scores(data, config["seeds"]),
        "distance_to_nearest_training_view": {
            "views": len(views),
            "FAKE": {split: spread(found[split][0]) for split in SPLITS},
            "REAL": {split: spread(nearest(real[split], views)[0]) for split in SPLITS},
        },
    }
    (args.out / "report.json").write_text(json.dumps(rounded(report), indent=2) + "\n")
    contact_sheet(data).save(args.out / "contact_sheet.png", optimize=True)

    everything = np.concatenate(list(fake.values()))
    distances = np.concatenate([found[split][0] for split in SPLITS])
    rows = np.concatenate([found[split][1] for split in SPLITS])
    closest = np.argsort(distances, kind="stable")[:16]
    both = np.concatenate([views, views[:, :, ::-1]])
    tile([everything[closest], both[rows[closest]]], scale=2).save(
        args.out / "nearest.png", optimize=True
    )


if __name__ == "__main__":
    main()
