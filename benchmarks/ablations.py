"""What each part of the network is worth.

``python -m benchmarks.ablations --train CSV … --test CSV --model ID [--cache DIR] [--patients N] [--epochs E]
[--parts NUMBER …] [--work DIR] [--keep]``: the network learns from fresh weights from the first N patients, whole and
with a part left out or changed, each or those that are numbered. One seed each: differences of a few hundredths are
chance. ``--keep`` puts the table into the bundle's ``ablations.csv``, beside rows of other numbers of patients.
"""

from __future__ import annotations

import io

import pandas as pd

from benchmarks.learning import (
    ABLATIONS,
    OURS,
    compared,
    first_patients,
    learn,
    options,
    prepared,
    printed,
    score,
)
from htcore import services
from htcore.training.card import keep_learning
from htcore.training.loop import LoopParameters
from htcore.transforms import VERSION


def main() -> None:
    """Train each, compare, print; keep where asked to."""
    parser = options(__doc__)
    parts_help = "; ".join(f"{number} {recipe.name}" for number, recipe in enumerate(ABLATIONS, start=1))
    parser.add_argument("--parts", type=int, nargs="+", choices=range(1, len(ABLATIONS) + 1), help=parts_help)
    arguments = parser.parse_args()
    chosen = arguments.parts or range(1, len(ABLATIONS) + 1)
    training, test = prepared(arguments)
    few = first_patients(training, arguments.patients)
    loop = LoopParameters(epochs=arguments.epochs, threads=arguments.threads)
    scores = {}
    for recipe in (OURS, *(ABLATIONS[number - 1] for number in chosen)):
        network = learn(recipe, few, loop, arguments.work, lambda line: print(line, flush=True))
        scores[recipe.name] = score(recipe, network, test, arguments.threads)
    parts = compared(scores, test, OURS.name)
    print(f"{arguments.patients} patients, {arguments.epochs} epochs\n{printed(parts)}")
    if arguments.keep:
        bundle = services.load_bundle_by_id(arguments.model)
        named = parts.assign(model=parts["model"] + f", {arguments.patients} patients", preparation=VERSION)
        before = bundle.measurement("ablations.csv")
        if before is not None:
            former = pd.read_csv(io.BytesIO(before))
            named = pd.concat([named, former[~former["model"].isin(named["model"])]])
        keep_learning(bundle.path, "ablations.csv", named)


if __name__ == "__main__":
    main()
