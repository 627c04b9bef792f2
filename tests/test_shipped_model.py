"""The bundle that ships: whole, honest about its data, as good as the README says, and right about the real infarct."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness import CHANGES, MUST_SWAP, in_box, inside, read
from htcore import services
from htcore.bundle import Bundle
from htcore.evaluation.report import METRICS
from htcore.inference.familiarity import Reference
from htcore.settings import Settings
from htcore.training.card import card_of
from htcore.transforms import reproject
from htcore.types import Assessment
from tests.studies import REAL_STUDY

README = Path(__file__).resolve().parents[1] / "README.md"
INFARCT_MM = np.array([[10.0, 60.0], [-20.0, 65.0], [5.0, 45.0]])
"""LPS box around the real study's infarct, from the note beside it: the patient's left temporo-occipital region."""


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return services.load_bundle_by_id(Settings().default_model, Settings())


@pytest.fixture(scope="module")
def real(bundle: Bundle) -> Assessment:
    if not REAL_STUDY.is_dir():
        pytest.skip("the real study is not beside the project")
    return services.assess(REAL_STUDY, bundle=bundle, device="cpu")


def test_it_says_that_it_is_simulated(bundle: Bundle) -> None:
    assert bundle.identity.simulated
    assert "simulated" in bundle.identity.training_data and "simulated" in bundle.card
    assert sum(path.stat().st_size for path in bundle.path.iterdir()) < 20e6


def test_its_validation_set_mirrors_the_papers_counts(bundle: Bundle) -> None:
    table = bundle.validation
    patients = table.groupby("patient_id")["ht"].first()
    assert (len(table), len(patients), int(patients.sum())) == (613, 474, 231)
    assert set(table["part"]) == {"validation"}


def test_the_readme_gives_the_figures_that_the_command_prints(bundle: Bundle) -> None:
    found = services.evaluate_stored(bundle).evaluation
    text = README.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (-?[\d.]+ \(.+?\)) \|", text, flags=re.MULTILINE))
    assert {"auc", "f1", "sensitivity", "specificity", "accuracy"} <= set(rows) <= set(METRICS)
    for name, cell in rows.items():
        figure = found.metrics[name]
        assert cell == f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})", name
    assert found.oracle is not None and found.oracle.image_auc is not None
    assert f"{found.oracle.model_auc / found.oracle.image_auc:.3f} of the best possible" in text
    joint = card_of(bundle)["measured"]["with_clinical_data"]
    assert f"the AUC on first scans is {joint['auc']:.3f} (`card`)" in text


def test_the_lesion_map_peaks_in_the_real_infarct(real: Assessment) -> None:
    assert real.evidence is not None
    assert real.evidence.lesion.side == "left"
    peak = np.array(real.evidence.lesion.peak_mm)
    assert ((peak >= INFARCT_MM[:, 0]) & (peak <= INFARCT_MM[:, 1])).all(), peak


@pytest.mark.parametrize("name", ["evidence_map", "lesion_map"])
def test_the_maps_peak_in_the_real_infarct_on_the_original_slices(real: Assessment, name: str) -> None:
    assert real.evidence is not None
    step = 4
    values = reproject(getattr(real.evidence, name), real.evidence.grid, real.volume, step)
    k, j, i = np.unravel_index(int(values.argmax()), values.shape)
    point = real.volume.affines[k] @ np.array([i * step, j * step, 0.0, 1.0])
    assert ((point[:3] >= INFARCT_MM[:, 0]) & (point[:3] <= INFARCT_MM[:, 1])).all(), point


@pytest.mark.parametrize("name", [None, *CHANGES])
def test_most_of_the_measured_lesion_and_of_the_evidence_lies_in_the_real_infarct(
    bundle: Bundle, real: Assessment, name: str | None
) -> None:
    """The lesion as measured, at its cut-off: what lies below it is spread thinly over the whole brain."""
    found = inside(bundle, real.volume, in_box(real.volume, INFARCT_MM), name)
    assert found.peaks and found.evidence >= 0.6
    assert found.lesion >= 0.6


@pytest.mark.parametrize("name", CHANGES)
def test_the_real_infarct_is_found_however_the_head_was_scanned(bundle: Bundle, real: Assessment, name: str) -> None:
    changed = read(bundle, CHANGES[name](real.volume, np.random.default_rng(0)))
    assert real.evidence is not None
    assert changed.side == ("right" if name == MUST_SWAP else "left")
    assert 0.5 < changed.lesion_ml / real.evidence.lesion.volume_ml < 2.0


def test_a_mirrored_real_study_has_the_same_risk(bundle: Bundle, real: Assessment) -> None:
    changed = read(bundle, CHANGES[MUST_SWAP](real.volume, np.random.default_rng(0)))
    assert real.risk is not None
    assert changed.probability == pytest.approx(real.risk.probability, abs=0.03)


def test_the_regions_name_the_real_infarct(real: Assessment) -> None:
    """Temporo-occipital on the left: most of it in the posterior artery's territory."""
    assert real.evidence is not None
    first = max(real.evidence.regions, key=lambda entry: entry.contribution)
    assert (first.name, first.side) == ("PCA", "left")
    assert real.risk is not None and first.probability_if_mirrored is not None
    assert first.probability_if_mirrored < real.risk.probability - 0.1
    assert not real.evidence.sides_disagree


def test_no_validation_scan_passes_for_another(bundle: Bundle) -> None:
    assert bundle.embedding is not None
    reference = Reference(bundle.embedding)
    same = np.stack([reference.same(row) for row in bundle.embedding])
    np.testing.assert_array_equal(same, np.eye(len(bundle.embedding), dtype=np.bool_))
