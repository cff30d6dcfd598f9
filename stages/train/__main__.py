"""train: fit one variant's network.

In:  configs/<variant>.yaml, data/processed/train and data/processed/validation.
Out: models/<variant>.h5 and its training curves, plots/training/<variant>.csv, which grow with
     every epoch.

A variant with a backbone reads it from the file that its configuration names, if that has the MD5
that stands there.

Killed at any moment, it goes on from its last finished epoch the next time, with the same bytes in
the end; until then, checkpoints/<variant>.h5 holds that state. Of a backbone that is not trained,
checkpoints/<variant>.features holds the features of the images so far.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.common.arrays import Split, load_split
from stages.common.command import InputError, command_line, run
from stages.common.files import naming, replacing
from stages.networks.config import CONFIGS, FrozenConfig, ModelConfig, read_config
from stages.networks.runtime import configure, start
from stages.train.checkpoint import CHECKPOINTS, Checkpoint, Rows, origin
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
        if isinstance(config, FrozenConfig):
            start(seed=0)
            _fit_frozen(config, train, validation, variant)
        else:
            with naming_lost_workers(config):
                _fit(config, train, validation, variant)
    except UnfitError as error:
        raise InputError(f"{CONFIGS / variant}.yaml: {error}") from None


def _fit(config: ModelConfig, train: Split, validation: Split, variant: str) -> None:
    strategy = strategy_for(config)
    start(config.seed)
    model = CNNModel(config, train.images.shape[-3:], strategy)
    with tempfile.TemporaryDirectory() as scratch:
        # Of several workers, only the first one's outputs are kept.
        root = Path() if is_chief(config) else Path(scratch)
        with _outputs(variant, root) as (file, curves):
            kept = root / CHECKPOINTS / f"{variant}.h5"
            of = origin(config, train, validation)
            checkpoint = Checkpoint(kept, of, curves, model.early_stopping)
            model.fit(train, validation, curves, checkpoint)
            model.save(file)
        checkpoint.remove()


def _fit_frozen(config: FrozenConfig, train: Split, validation: Split, variant: str) -> None:
    from stages.train.frozen import FrozenModel  # it imports scikit-learn, which takes a second

    model = FrozenModel(config, train.images.shape[-3:])
    kept = Rows(CHECKPOINTS / f"{variant}.features", origin(config, train, validation))
    with _outputs(variant, Path()) as (file, curves):
        model.fit(train, validation, curves, kept)
        model.save(file)
    kept.remove()


@contextmanager
def _outputs(variant: str, root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield where to write network and curves below `root`.

    The curves grow where they stay, so that they can be watched.
    """
    curves = root / f"plots/training/{variant}.csv"
    with replacing(root / f"models/{variant}.h5") as network, naming(curves):
        curves.parent.mkdir(parents=True, exist_ok=True)
        curves.unlink(missing_ok=True)  # it may be a link into DVC's cache
        yield network, curves


if __name__ == "__main__":
    run(main)
