"""Would the tests notice? Breaks one line at a time on purpose and runs the tests that should fail then.

``python -m benchmarks.breaking``; in a copy of the working tree, which is left as it is.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.targets import judge

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("htcore", "tests", "models", "pages", "benchmarks", "docs", "app.py", "README.md", "pyproject.toml")


@dataclass(frozen=True)
class Break:
    """``line`` of ``file`` becomes ``broken``, which ``tests`` should notice; ``meaning`` says what goes wrong."""

    meaning: str
    file: str
    line: str
    broken: str
    tests: str


BREAKS = (
    Break(
        "the gantry's tilt has the wrong sign",
        "htcore/types.py",
        "np.arctan2(normal[1], normal[2])",
        "np.arctan2(-normal[1], normal[2])",
        "tests/dicom/test_read.py",
    ),
    Break(
        "left and right are exchanged in the mirrored differences",
        "htcore/transforms/channels.py",
        "tissue - tissue[..., ::-1], 0.0",
        "tissue[..., ::-1] - tissue, 0.0",
        "tests/transforms/test_canonical.py",
    ),
    Break(
        "the alignment favours a side",
        "htcore/transforms/symmetry.py",
        "for side in (1.0, -1.0))",
        "for side in (1.0,))",
        "tests/transforms/test_canonical.py",
    ),
    Break(
        "fresh blood is not seen",
        "htcore/quality/blood.py",
        "    if clot is None:\n        return\n",
        "    if clot is not None:\n        return\n    if clot is None:\n        return\n",
        "tests/quality/test_blood.py",
    ),
    Break(
        "the network is asked for one side only",
        "htcore/inference/predict.py",
        "float(output.logit.mean())",
        "float(output.logit[0])",
        "tests/inference/test_predict.py",
    ),
    Break(
        "another prevalence moves the risk the wrong way",
        "htcore/inference/calibrate.py",
        "- logit(before) + logit(after)",
        "+ logit(before) - logit(after)",
        "tests/inference/test_calibrate.py",
    ),
    Break(
        "a region that is absent keeps its difference from the mirror image",
        "htcore/explain/shapley.py",
        "        made[:, list(MIRRORED)] *= ~mirrored\n",
        "",
        "tests/explain/test_shapley.py",
    ),
    Break(
        "intervals resample scans, not patients",
        "htcore/evaluation/bootstrap.py",
        "self._weights[1:] = drawn[:, validation.patient]",
        "self._weights[1:] = np.random.default_rng(seed).multinomial("
        "validation.n_scans, np.full(validation.n_scans, 1 / validation.n_scans), size=n_resamples)",
        "tests/evaluation/test_evaluation.py",
    ),
    Break(
        "DeLong's variance divides by the wrong count",
        "htcore/evaluation/delong.py",
        "of_negatives.var(ddof=1) / of_negatives.size",
        "of_negatives.var(ddof=1) / of_positives.size",
        "tests/evaluation/test_delong.py",
    ),
    Break(
        "a patient may lie in two parts",
        "htcore/training/cohort.py",
        "            if shared:\n",
        "            if False:\n",
        "tests/training/test_cohort.py",
    ),
    Break(
        "a hospital's patient numbers stay in the model",
        "htcore/training/contents.py",
        "        kept = without_identifiers(kept)\n",
        "        pass\n",
        "tests/training/test_run.py",
    ),
    Break(
        "a model's changed byte goes unnoticed",
        "htcore/hashed.py",
        "if found[name] not in allowed:",
        "if name not in hashes:",
        "tests/test_bundle.py",
    ),
    Break(
        "a study is handed to any session that has its token",
        "htcore/ui/server.py",
        "served.expired or not _allowed(request, served):",
        "served.expired:",
        "tests/ui/test_server.py",
    ),
)


def outcome(tests: str, copy: Path) -> int:
    """Pytest's exit code: 0 all passed, 1 some failed; anything else: they could not run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-cov", "-p", "no:cacheprovider", tests]
    return subprocess.run(command, cwd=copy, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def notice(entry: Break, copy: Path) -> bool:
    """Whether the tests pass on the whole line and fail on the broken one."""
    target = copy / entry.file
    whole = target.read_text(encoding="utf-8")
    if whole.count(entry.line) != 1:
        raise SystemExit(f"{entry.file} has the line to break {whole.count(entry.line)} times: mend the list")
    if outcome(entry.tests, copy) != 0:
        raise SystemExit(f"{entry.tests} does not pass as it is: mend that first")
    target.write_text(whole.replace(entry.line, entry.broken), encoding="utf-8")
    try:
        return outcome(entry.tests, copy) == 1
    finally:
        target.write_text(whole, encoding="utf-8")


def main() -> None:
    """Break, print, judge."""
    noticed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder) / name)
        for entry in BREAKS:
            seen = notice(entry, Path(folder))
            noticed += seen
            word = "noticed" if seen else "NOT NOTICED"
            print(f"{word:12s}{entry.meaning} ({entry.file}; {entry.tests})", flush=True)
    judge("broken on purpose and noticed by the tests", noticed, len(BREAKS), at_least=True)


if __name__ == "__main__":
    main()
