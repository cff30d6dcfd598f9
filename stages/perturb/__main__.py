"""perturb: change test images as happens to images on their way, and show networks the result.

In:  the data set that `source.path` names, and data/manifest.csv.
Out: data/perturbed/images.npy, [N, P, ...]: what networks see of N test images under P
     perturbations, the first of which changes nothing; labels.npy; perturbations.csv, a row a
     perturbation: kind, level; and with crops views.txt, what each view of an image is.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from stages.common.arrays import PERTURBATIONS, PERTURBED, write_views
from stages.common.command import command_line, run
from stages.common.files import replacing
from stages.common.manifest import read_used
from stages.common.params import read_block, read_value
from stages.images.parallel import add_processes_option
from stages.images.schema import DecodeParams
from stages.perturb.perturbations import perturbations, sample, see_perturbed
from stages.perturb.schema import RobustnessParams
from stages.preprocess.schema import PreprocessParams
from stages.preprocess.views import Preprocess
from stages.preprocess.write import Part, write


def main() -> None:
    parser = command_line("stages.perturb", __doc__)
    add_processes_option(parser)
    processes = parser.parse_args().processes
    params = read_block("robustness", RobustnessParams)
    preprocess = Preprocess(
        read_block("preprocess", PreprocessParams), read_block("decode", DecodeParams)
    )
    used = read_used()
    test = sample(used[used["split"] == "test"], params)
    levels = pd.DataFrame([(kind, level) for kind, level, _ in perturbations(params)])
    levels.columns = ["kind", "level"]
    see = partial(see_perturbed, preprocess=preprocess, params=params)
    with replacing(PERTURBED) as folder:
        part = Part(PERTURBED, folder, test)
        shape = (len(levels), *preprocess.shape)
        write(Path(read_value("source.path")), [part], see, shape, "perturb", processes)
        levels.to_csv(folder / PERTURBATIONS, index=False, lineterminator="\n")
        write_views(folder, preprocess.kinds)
    print(f"{len(test)} test images under {len(levels) - 1} perturbations")


if __name__ == "__main__":
    run(main)
