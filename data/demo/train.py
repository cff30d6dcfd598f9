"""Train one generator on views of the training photographs.

In: crops/learn.npy. Out: generators/<name>.weights.h5 (the running average of the weights) and
generators/<name>.csv (the loss, averaged over every hundred steps).
"""

import argparse
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from common import read_params
from network import build, matching_loss, set_up

REPORT_EVERY = 100


def learning_rate(step: int, config: dict) -> float:
    """Return the rate of a step: a linear warm-up, then half a cosine down to zero."""
    if step < config["warmup"]:
        return config["learning_rate"] * (step + 1) / config["warmup"]
    done = (step - config["warmup"]) / max(1, config["steps"] - config["warmup"])
    return config["learning_rate"] * 0.5 * (1.0 + math.cos(math.pi * done))


def train(views: np.ndarray, config: dict, seed: int) -> tuple[keras.Model, list[float]]:
    """Train a generator and return it with its averaged weights, and its loss curve.

    views: uint8 [N, S, S, 3]. Every view is mirrored left to right half of the time.
    """
    set_up(seed, config["threads"])
    if config["mixed_precision"]:
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = build(views.shape[1], config["channels"])
    average = [tf.Variable(weight.value, trainable=False) for weight in model.weights]
    optimiser = keras.optimizers.Adam(config["learning_rate"], beta_2=0.99, clipnorm=1.0)
    optimiser.build(model.trainable_variables)

    @tf.function
    def update(batch, noise_seed, decay):
        images = tf.cast(batch, tf.float32) / 127.5 - 1.0
        with tf.GradientTape() as tape:
            loss = matching_loss(model, images, noise_seed)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimiser.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for kept, weight in zip(average, model.weights, strict=True):
            kept.assign(decay * kept + (1.0 - decay) * weight.value)
        return loss

    rng = np.random.default_rng(seed)
    losses: list[float] = []
    curve: list[float] = []
    for step in range(config["steps"]):
        batch = views[rng.integers(0, len(views), config["batch_size"])]
        mirrored = rng.random(len(batch)) < 0.5
        batch[mirrored] = batch[mirrored, :, ::-1]
        optimiser.learning_rate.assign(learning_rate(step, config))
        # Early on the average must forget the random start faster than `ema` alone would.
        decay = tf.constant(min(config["ema"], (1.0 + step) / (10.0 + step)))
        losses.append(float(update(batch, tf.constant([seed, step]), decay)))
        if len(losses) == REPORT_EVERY or step + 1 == config["steps"]:
            curve.append(float(np.mean(losses)))
            print(f"step {step + 1}: loss {curve[-1]:.4f}", flush=True)
            losses = []
    for weight, kept in zip(model.weights, average, strict=True):
        weight.assign(kept)
    return model, curve


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="which of generator.seeds to train")
    parser.add_argument("--crops", type=Path, default=Path("crops"), help="folder to read")
    parser.add_argument("--out", type=Path, default=Path("generators"), help="folder to write")
    args = parser.parse_args()
    (config,) = read_params("generator")
    if args.name not in config["seeds"]:
        known = ", ".join(config["seeds"])
        raise SystemExit(f"generator.seeds has no {args.name!r}; it has {known}")
    model, curve = train(np.load(args.crops / "learn.npy"), config, config["seeds"][args.name])
    args.out.mkdir(parents=True, exist_ok=True)
    model.save_weights(args.out / f"{args.name}.weights.h5")
    rows = [f"{index},{loss:.6f}" for index, loss in enumerate(curve)]
    (args.out / f"{args.name}.csv").write_text("\n".join(["hundred,loss", *rows]) + "\n")


if __name__ == "__main__":
    main()
