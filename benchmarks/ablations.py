"""What each part of the network is worth, and what more patients would bring.

``python -m benchmarks.ablations --train CSV --test CSV --model ID [--cache DIR] [--patients N] [--sizes N …]
[--epochs E] [--work DIR] [--keep]``: the network learns from fresh weights from the first N patients, whole and with a
part left out, and from other numbers of patients. One seed each: differences of a few hundredths are chance.
``--keep`` puts the tables into the bundle as ``ablations.csv`` and ``data_efficiency.csv``.
"""

from __future__ import annotations

import pandas as pd

from benchmarks.learning import ABLATIONS, OURS, Logits, Recipe, compared, learn, options, prepared, printed, score
from htcore import services
from htcore.bundle import add_measurement
from htcore.training.loop import LoopParameters
from htcore.transforms import VERSION


def main() -> None:
    """Train each, compare, print; keep where asked to."""
    parser = options(__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100])
    arguments = parser.parse_args()
    training, test = prepared(arguments)
    order = list(dict.fromkeys(entry.scan.patient_id for entry in training))
    loop = LoopParameters(epochs=arguments.epochs, threads=arguments.threads)

    def learnt(recipe: Recipe, patients: int) -> Logits:
        kept = set(order[:patients])
        few = tuple(entry for entry in training if entry.scan.patient_id in kept)
        network = learn(recipe, few, loop, arguments.work, lambda line: print(line, flush=True))
        return score(recipe, network, test, arguments.threads)

    scores = {recipe.name: learnt(recipe, arguments.patients) for recipe in (OURS, *ABLATIONS)}
    by_size = {arguments.patients: scores[OURS.name]}
    by_size |= {patients: learnt(OURS, patients) for patients in arguments.sizes if patients != arguments.patients}
    parts = compared(scores, test, OURS.name)
    sizes = compared({str(patients): values for patients, values in by_size.items()}, test, str(arguments.patients))
    sizes = sizes.drop(columns="patients").rename(columns={"model": "patients"}).astype({"patients": int})
    print(f"{arguments.patients} patients, {arguments.epochs} epochs\n{printed(parts)}")
    print(sizes.sort_values("patients").round(3).to_string(index=False))
    if arguments.keep:
        path = services.load_bundle_by_id(arguments.model).path
        for name, table in (("ablations.csv", parts), ("data_efficiency.csv", sizes.sort_values("patients"))):
            add_measurement(path, name, _csv(table.assign(preparation=VERSION)))


def _csv(table: pd.DataFrame) -> bytes:
    return table.round(4).to_csv(index=False).encode()


if __name__ == "__main__":
    main()
