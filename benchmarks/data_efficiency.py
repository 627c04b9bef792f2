"""What more patients bring: the network learns from fresh weights from the first N of a cohort.

``python -m benchmarks.data_efficiency --train CSV --test CSV --model ID [--cache DIR] [--sizes N …] [--epochs E]
[--work DIR] [--keep]``: one seed each, all with so many epochs; far fewer steps than the shipped model was given.
``--keep`` puts the table into the bundle as ``data_efficiency.csv``.
"""

from __future__ import annotations

from benchmarks.learning import OURS, compared, csv_bytes, first_patients, learn, options, prepared, score
from htcore import services
from htcore.bundle import add_measurement
from htcore.training.loop import LoopParameters
from htcore.transforms import VERSION


def main() -> None:
    """Train with each number of patients, compare with the most, print; keep where asked to."""
    parser = options(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 250, 474])
    arguments = parser.parse_args()
    training, test = prepared(arguments)
    loop = LoopParameters(epochs=arguments.epochs, threads=arguments.threads)
    scores = {}
    for size in sorted(arguments.sizes):
        few = first_patients(training, size)
        network = learn(OURS, few, loop, arguments.work, lambda line: print(line, flush=True))
        scores[str(size)] = score(OURS, network, test, arguments.threads)
    table = compared(scores, test, str(max(arguments.sizes)))
    table = table.drop(columns="patients").rename(columns={"model": "patients"}).astype({"patients": int})
    print(table.round(3).to_string(index=False))
    if arguments.keep:
        path = services.load_bundle_by_id(arguments.model).path
        kept = table.assign(epochs=arguments.epochs, preparation=VERSION)
        add_measurement(path, "data_efficiency.csv", csv_bytes(kept))


if __name__ == "__main__":
    main()
