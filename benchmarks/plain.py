"""Plain residual networks beside the lesion-gated one, each tuned on patients that neither taught nor measured it.

``python -m benchmarks.plain --train CSV … --test CSV --model ID [--rates R …] [--patients N] [--epochs E] [--cache DIR]
[--work DIR] [--keep]``: each network learns from fresh weights from the first cohort's first N patients, once with each
learning rate; the rate whose AUC is highest on that cohort's other patients is taken, and the second cohort is scored
with it. The lesion-gated network keeps its own rate. ``--keep`` puts the scores into the bundle's ``baselines.csv``,
beside those of other models that it holds: the second cohort has to be the bundle's validation set.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.learning import (
    OURS,
    PLAIN_NETWORKS,
    Logits,
    Recipe,
    compared,
    first_patients,
    keep_scores,
    learn,
    options,
    prepared,
    printed,
    score,
)
from htcore import services
from htcore.evaluation.delong import delong_interval
from htcore.training.loop import LoopParameters


def main() -> None:
    """Learn, choose, score, compare, print; keep where asked to."""
    parser = options(__doc__)
    parser.add_argument("--rates", type=float, nargs="+", default=[5e-4, 2e-3])
    arguments = parser.parse_args()
    training, test = prepared(arguments)
    few = first_patients(training, arguments.patients)
    taught = {entry.scan.patient_id for entry in few}
    choosing = tuple(entry for entry in training if entry.scan.patient_id not in taught)
    if not choosing:
        parser.error(f"the first cohort has no more than {arguments.patients} patients: none is left to choose by")
    labels = np.array([entry.scan.ht for entry in choosing])
    loop = LoopParameters(epochs=arguments.epochs, threads=arguments.threads)

    def tuned(recipe: Recipe, rates: list[float]) -> Logits:
        """The test scans' logits with the rate that ranks the choosing patients best."""
        best, logits = -1.0, np.zeros(0)
        for rate in rates:
            network = learn(recipe, few, replace(loop, learning_rate=rate), arguments.work / f"{rate:g}", say)
            if len(rates) == 1:
                return score(recipe, network, test, arguments.threads)
            area = delong_interval(labels, score(recipe, network, choosing, arguments.threads)).value
            say(f"{recipe.name}, learning rate {rate:g}: AUC {area:.3f} on {len(choosing)} scans to choose by")
            if area > best:
                best, logits = area, score(recipe, network, test, arguments.threads)
        return logits

    scores = {recipe.name: tuned(recipe, arguments.rates) for recipe in PLAIN_NETWORKS}
    scores[OURS.name] = tuned(OURS, [loop.learning_rate])
    print(f"{arguments.patients} patients, {arguments.epochs} epochs\n{printed(compared(scores, test, OURS.name))}")
    if arguments.keep:
        named = {f"{name}, {arguments.patients} patients": values for name, values in scores.items()}
        keep_scores(services.load_bundle_by_id(arguments.model), test, named)


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
