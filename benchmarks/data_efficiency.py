"""What more patients bring: the network learns from fresh weights from the first N of a cohort.

``python -m benchmarks.data_efficiency --train CSV … --test CSV --model ID [--cache DIR] [--sizes N[:E] …] [--epochs E]
[--work DIR] [--keep]``: one seed each, with E epochs of its own where a size names them; far fewer steps than the
shipped model was given. ``--keep`` puts the table into the bundle as ``data_efficiency.csv``.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.learning import OURS, compared, first_patients, learn, options, prepared, score
from htcore import services
from htcore.training.card import keep_learning
from htcore.training.loop import LoopParameters
from htcore.transforms import VERSION


def main() -> None:
    """Train with each number of patients, compare with the most, print; keep where asked to."""
    parser = options(__doc__)
    parser.add_argument("--sizes", type=_size, nargs="+", default=[(100, None), (250, None), (474, None)])
    arguments = parser.parse_args()
    training, test = prepared(arguments)
    loop = LoopParameters(epochs=arguments.epochs, threads=arguments.threads)
    epochs = dict(sorted((size, own or arguments.epochs) for size, own in arguments.sizes))
    if len(epochs) < len(arguments.sizes):
        parser.error("a size is named twice")
    scores = {}
    for size, count in epochs.items():
        few = first_patients(training, size)
        network = learn(OURS, few, replace(loop, epochs=count), arguments.work, lambda line: print(line, flush=True))
        scores[str(size)] = score(OURS, network, test, arguments.threads)
    table = compared(scores, test, str(max(epochs)))
    table = table.drop(columns="patients").rename(columns={"model": "patients"}).astype({"patients": int})
    print(table.round(3).to_string(index=False))
    if arguments.keep:
        path = services.load_bundle_by_id(arguments.model).path
        kept = table.assign(epochs=list(epochs.values()), preparation=VERSION)
        keep_learning(path, "data_efficiency.csv", kept)


def _size(text: str) -> tuple[int, int | None]:
    """``474`` or ``474:20``: patients, and epochs where they are told."""
    patients, _, epochs = text.partition(":")
    return int(patients), int(epochs) if epochs else None


if __name__ == "__main__":
    main()
