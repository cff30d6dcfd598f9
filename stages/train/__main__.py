"""train: fit one variant's network.

In:  configs/<variant>.yaml, data/processed/train and data/processed/validation.
Out: models/<variant>.h5 and its training curves, plots/training/<variant>.csv.

Killed at any moment, it goes on from its last finished epoch the next time, with the same bytes in
the end; until then, checkpoints/<variant>.h5 holds that state.
"""

import tempfile
from pathlib import Path

from stages.common.arrays import Split, load_split
from stages.common.command import InputError, command_line, run
from stages.common.files import replacing
from stages.networks.config import CONFIGS, read_config
from stages.networks.runtime import configure, start
from stages.train.checkpoint import CHECKPOINTS, Checkpoint, origin
from stages.train.distribute import is_chief, naming_lost_workers, strategy_for
from stages.train.model import CNNModel
from stages.train.unfit import UnfitError


def main() -> None:
    parser = command_line("stages.train", __doc__)
    parser.add_argument("variant", help="a name in configs/, without .yaml")
    variant = parser.parse_args().variant
    config = read_config(variant)
    train, validation = load_split("train"), load_split("validation")
    configure(config.threads, config.instruction_set)
    try:
        with naming_lost_workers(config):
            strategy = strategy_for(config)
            start(config.seed)
            model = CNNModel(config, train.images.shape[1:], strategy)
            _train_and_write(model, train, validation, variant)
    except UnfitError as error:
        raise InputError(f"{CONFIGS / variant}.yaml: {error}") from None


def _train_and_write(model: CNNModel, train: Split, validation: Split, variant: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        # Of several workers, only the first one's outputs are kept.
        root = Path() if is_chief(model.config) else Path(scratch)
        network_path = root / f"models/{variant}.h5"
        curves_path = root / f"plots/training/{variant}.csv"
        with replacing(network_path) as file, replacing(curves_path) as curves:
            kept = root / CHECKPOINTS / f"{variant}.h5"
            checkpoint = Checkpoint(kept, origin(model.config, train, validation), curves)
            model.fit(train, validation, curves, checkpoint)
            model.save(file)
        checkpoint.remove()


if __name__ == "__main__":
    run(main)
