"""How many images a second are trained on, with Keras as `train` does it and in plain PyTorch.

The same network, batch size, optimizer and number of threads; images of noise that lie in memory;
no augmentation and no validation. PyTorch once in its own order of axes and once with channels
last, of which the better one counts. Prints a Markdown table of medians over runs that take turns,
each in a process of its own. PyTorch is no dependency: first `pip install torch`.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import REPOSITORY, machine
from stages.common.command import command_line

STEPS = 96
"""Of an epoch; the first one is not counted."""


def config_of(variant: str, threads: int) -> dict[str, Any]:
    """Return the configuration of a recipe, trained for two short epochs."""
    from stages.common.params import read_yaml
    from stages.configure.resolve import resolve

    params = read_yaml(REPOSITORY / "params.yaml")
    config = resolve(params["train"], params["recipes"], {variant: {"recipe": variant}})[variant]
    none = resolve(params["train"], {}, {"none": {}})["none"]["augmentation"]
    changes = {"epochs": 2, "steps_per_epoch": STEPS, "validation_steps": 1, "augmentation": none}
    return config | changes | {"warmup_epochs": 0.0, "schedule": "constant", "threads": threads}


def noise(batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (16 * batch_size, 32, 32, 3), np.uint8)
    return images, (np.arange(len(images)) % 2).astype(np.uint8)


def with_keras(config: dict[str, Any]) -> float:
    from stages.common.arrays import Split
    from stages.networks.config import ModelConfig
    from stages.networks.runtime import keras, set_up
    from stages.train.model import CNNModel

    chosen = ModelConfig.model_validate(config)
    set_up(chosen.seed, chosen.threads, chosen.instruction_set)
    images, labels = noise(chosen.batch_size)
    model = CNNModel(chosen, (32, 32, 3))
    begins: list[float] = []
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begins.append(time.perf_counter()),
        on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter()),
    )
    plain_fit = keras.Model.fit

    def fit(self: Any, *arguments: Any, callbacks: list[Any], **options: Any) -> Any:
        return plain_fit(self, *arguments, callbacks=[*callbacks, clock], **options)

    keras.Model.fit = fit
    with tempfile.TemporaryDirectory() as scratch:
        split = Split(images, labels)
        model.fit(split, split, Path(scratch) / "curves.csv")
    return STEPS * chosen.batch_size / (ends[-1] - begins[-1])


def with_pytorch(config: dict[str, Any], channels_last: bool) -> float:
    import torch

    torch.manual_seed(config["seed"])
    torch.set_num_threads(config["threads"])
    order = torch.channels_last if channels_last else torch.contiguous_format
    network = _network(config).to(memory_format=order)
    optimizer = torch.optim.Adam(network.parameters(), lr=config["learning_rate"])
    loss = torch.nn.CrossEntropyLoss()
    size = config["batch_size"]
    images, labels = noise(size)

    def epoch() -> None:
        for step in range(STEPS):
            numbers = np.arange(step * size, (step + 1) * size) % len(images)
            pixels = torch.from_numpy(images[numbers]).permute(0, 3, 1, 2)
            x = pixels.to(torch.float32, memory_format=order) / 255
            y = torch.from_numpy(labels[numbers].astype(np.int64))
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()

    epoch()
    start = time.perf_counter()
    epoch()
    return STEPS * size / (time.perf_counter() - start)


def _network(config: dict[str, Any]) -> Any:
    """Return the network of `stages.train.network`, in PyTorch; of what `vgg` and its like use."""
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, channels = nn.ModuleList(), 3
            for layer in config["conv_layers"]:
                filters, size = layer["filters"], layer["kernel_size"]
                convolution = nn.Conv2d(channels, filters, size, padding="same", bias=False)
                self.layers.append(nn.Sequential(convolution, nn.BatchNorm2d(filters)))
                channels = filters
            self.end = nn.Sequential(nn.Dropout(config["dropout"]), nn.Linear(channels, 2))

        def forward(self, x: Any) -> Any:
            entered = []
            for layer, of_layer in zip(config["conv_layers"], self.layers, strict=True):
                entered.append(x)
                x = of_layer(x)
                if layer["shortcut"]:
                    x = x + entered[-layer["shortcut"]]
                x = nn.functional.relu(x)
                if layer["pool"] > 1:
                    x = nn.functional.max_pool2d(x, layer["pool"])
            return self.end(x.mean((2, 3)))

    return Network()


def measure(how: str, config: dict[str, Any]) -> float:
    """Return images a second, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.throughput", "--one", how]
    command += ["--config", json.dumps(config)]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"error: {how} failed:\n{result.stderr[-2000:]}")
    return float(result.stdout.splitlines()[-1])


def main() -> None:
    parser = command_line("benchmarks.throughput", __doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each (default: 3)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        config = json.loads(arguments.config)
        last = arguments.one == "channels last"
        print(with_keras(config) if arguments.one == "Keras" else with_pytorch(config, last))
        return
    if not find_spec("torch"):
        sys.exit("error: there is no PyTorch; pip install torch")
    print(f"{machine()}; medians of {arguments.runs} runs\n")
    print(
        "| network | threads | Keras, images/s | PyTorch, images/s | with channels last | ratio |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for variant in ("small", "full"):
        for threads in (1, 2):
            config = config_of(variant, threads)
            seen: dict[str, list[float]] = {"Keras": [], "PyTorch": [], "channels last": []}
            for _ in range(arguments.runs):
                for how, rates in seen.items():
                    rates.append(measure(how, config))
            middle = {how: statistics.median(rates) for how, rates in seen.items()}
            best = max(middle["PyTorch"], middle["channels last"])
            rates_in_words = " | ".join(f"{rate:,.0f}" for rate in middle.values())
            ratio = middle["Keras"] / best
            print(f"| {variant} | {threads} | {rates_in_words} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
