from __future__ import annotations

import ast
import re
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from htcore import quality
from htcore.dicom import read_study
from htcore.types import Finding, QualityReport, StudyReceipt, Volume
from tests.studies import BONE_HU, BRAIN_HU, REAL_STUDY, HeadStudy, other

HEAD = HeadStudy(noise_hu=3.0, thickness_mm=6.0)
PLAIN = StudyReceipt("dicom", 26, (), (), "0" * 64)


def _volume(study: HeadStudy = HEAD) -> Volume:
    count = len(study.offsets_mm())
    return Volume(study.hu(), study.affines(), np.full(count, study.thickness_mm or 1.0))


def _with(volume: Volume, hu: np.ndarray) -> Volume:
    return Volume(hu.astype(np.int16), volume.affines, volume.thickness_mm)


def _finding(report: QualityReport, code: str) -> Finding | None:
    return next((finding for finding in report.findings if finding.code == code), None)


def _severity(volume: Volume, code: str, receipt: StudyReceipt = PLAIN) -> str | None:
    finding = _finding(quality.check(volume, receipt), code)
    return finding.severity if finding is not None else None


def test_an_ordinary_head_has_no_findings() -> None:
    assert quality.check(_volume(), PLAIN).findings == ()


@pytest.mark.parametrize(("count", "severity"), [(7, "refuse"), (8, None), (1, "refuse")])
def test_too_few_slices(count: int, severity: str | None) -> None:
    study = other(HEAD, slabs=((count, 15.0),), thickness_mm=15.0)
    assert _severity(_volume(study), "too_few_slices") == severity


def test_tilt_is_told_in_degrees() -> None:
    finding = _finding(quality.check(_volume(other(HEAD, tilt_deg=-18.5)), PLAIN), "tilt")
    assert finding is not None and finding.severity == "info" and "18.5°" in finding.message
    assert _severity(_volume(other(HEAD, tilt_deg=0.5)), "tilt") is None
    assert _severity(_volume(other(HEAD, tilt_deg=80.0)), "not_axial") == "refuse"


def test_two_slabs_are_told_and_are_no_gap() -> None:
    report = quality.check(_volume(other(HEAD, slabs=((14, 4.0), (14, 7.0)), slab_gap_mm=1.0, thickness_mm=4.0)), PLAIN)
    finding = _finding(report, "uneven_spacing")
    assert (
        finding is not None
        and "14 slices 4.0 mm apart, after a step of 1.00 mm 14 slices 7.0 mm apart" in finding.message
    )
    assert _finding(report, "missing_slices") is None
    assert report.verdict == "ok"


def test_a_missing_slice_is_a_gap() -> None:
    volume = _volume()
    kept = np.delete(np.arange(26), 12)
    gappy = Volume(volume.hu[kept], volume.affines[kept], volume.thickness_mm[kept])
    finding = _finding(quality.check(gappy, PLAIN), "missing_slices")
    assert finding is not None and finding.severity == "warn"
    assert finding.message == "Slices are missing in 1 place, the step there is 12.0 mm: send them all."
    kept = np.delete(np.arange(26), [6, 12])
    two = Volume(volume.hu[kept], volume.affines[kept], volume.thickness_mm[kept])
    found = _finding(quality.check(two, PLAIN), "missing_slices")
    assert found is not None and "missing in 2 places, the widest step is 12.0 mm" in found.message


@pytest.mark.parametrize("every", [1, 2])
def test_every_second_slice_missing_is_a_gap_though_all_steps_are_alike(every: int) -> None:
    volume = _volume()
    sparse = Volume(volume.hu[::every], volume.affines[::every], volume.thickness_mm[::every])
    found = _finding(quality.check(sparse, PLAIN), "missing_slices")
    assert (found is None) == (every == 1)
    assert found is None or "up to 6.0 mm thick but lie up to 12.0 mm apart" in found.message


@pytest.mark.parametrize(("thickness", "severity"), [(7.0, None), (8.0, "warn")])
def test_thick_slices(thickness: float, severity: str | None) -> None:
    found = _finding(quality.check(_volume(other(HEAD, thickness_mm=thickness)), PLAIN), "thick_slices")
    assert (None if found is None else found.severity) == severity
    assert found is None or found.message.startswith("Slices are up to 8 mm thick, more than 7.5 mm:")


@pytest.mark.parametrize("scale", [0.4, 1.8])
def test_a_body_of_the_wrong_size_is_no_head(scale: float) -> None:
    volume = _volume()
    affines = volume.affines.copy()
    affines[:, :3, :2] *= scale
    assert _severity(Volume(volume.hu, affines, volume.thickness_mm), "not_a_head") == "refuse"


def test_an_empty_picture_is_refused() -> None:
    assert quality.check(_with(_volume(), np.full((26, 100, 96), -1000)), PLAIN).verdict == "refuse"


def test_a_stripped_skull_is_refused() -> None:
    volume = _volume()
    stripped = np.where(volume.hu > 300, -1000, volume.hu)
    assert _severity(_with(volume, stripped), "skull_missing") == "refuse"


@pytest.mark.parametrize(("slices", "severity"), [(10, "refuse"), (14, "warn"), (20, None)])
def test_brain_coverage(slices: int, severity: str | None) -> None:
    study = other(HEAD, slabs=((slices, 5.0),), thickness_mm=5.0)
    assert _severity(_volume(study), "brain_not_covered") == severity


def test_values_that_are_not_hounsfield() -> None:
    volume = _volume()
    assert _severity(_with(volume, volume.hu + 1024), "hu_implausible") == "refuse"
    windowed = np.clip((volume.hu - 40) * 255.0 / 80 + 128, 0, 255)
    assert quality.check(_with(volume, windowed), PLAIN).verdict == "refuse"
    bright = np.where(volume.hu < 300, np.where(volume.hu > -500, volume.hu + 40, volume.hu), BONE_HU)
    assert _severity(_with(volume, bright), "hu_implausible") == "refuse"
    assert BRAIN_HU + 40 > quality.MAX_BRAIN_HU


@pytest.mark.parametrize(
    ("changes", "code", "severity"),
    [
        ({"contrast_agent": "IOHEXOL"}, "contrast_tag", "refuse"),
        ({"age_years": 17.9}, "child", "refuse"),
        ({"age_years": 18.0}, "child", None),
        ({"age_years": None}, "child", None),
        ({"inferred_intercept": -1024.0}, "rescale_inferred", "warn"),
        ({"inferred_intercept": None}, "rescale_inferred", None),
        ({"kernel": "BONEPLUS"}, "sharp_kernel", "warn"),
        ({"kernel": "H60s"}, "sharp_kernel", "warn"),
        ({"kernel": "STD+"}, "sharp_kernel", None),
        ({"kernel": "H31s"}, "sharp_kernel", None),
        ({"simulated": True}, "simulated", "info"),
    ],
)
def test_what_the_file_declares(changes: dict[str, object], code: str, severity: str | None) -> None:
    assert _severity(_volume(), code, replace(PLAIN, **changes)) == severity  # type: ignore[arg-type]


def test_noise_of_a_sharp_kernel() -> None:
    assert _severity(_volume(other(HEAD, noise_hu=30.0)), "sharp_kernel") == "warn"
    assert _severity(_volume(other(HEAD, noise_hu=8.0)), "sharp_kernel") is None


def test_nothing_is_changed() -> None:
    volume = _volume()
    before = volume.hu.copy()
    quality.check(volume, PLAIN)
    np.testing.assert_array_equal(volume.hu, before)


@pytest.mark.skipif(not REAL_STUDY.is_dir(), reason="the real study is not on this machine")
def test_real_study_may_be_scored(tmp_path: Path) -> None:
    volume, receipt = read_study(REAL_STUDY)
    start = time.process_time()
    report = quality.check(volume, receipt)
    assert time.process_time() - start < 1.0
    assert report.verdict == "ok"
    assert {finding.code for finding in report.findings} == {"tilt", "uneven_spacing"}


def test_thin_slices_are_judged_as_fast_and_the_same() -> None:
    thin = _volume(other(HEAD, slabs=((260, 0.6),), thickness_mm=0.6))
    start = time.process_time()
    assert quality.check(thin, PLAIN).findings == ()
    assert time.process_time() - start < 1.0


def test_mr_values_are_refused() -> None:
    volume = _volume()
    mr = np.where(volume.hu > 300, 20, np.where(volume.hu > -500, volume.hu * 20, 0))
    assert quality.check(_with(volume, mr), PLAIN).verdict == "refuse"


def test_doubled_slices_are_told() -> None:
    volume = _volume()
    index = np.sort(np.append(np.arange(26), 12))
    doubled = Volume(volume.hu[index], volume.affines[index], volume.thickness_mm[index])
    found = _finding(quality.check(doubled, PLAIN), "doubled_slices")
    assert found is not None and found.severity == "warn" and found.message.startswith("1 slice lies where")
    assert _finding(quality.check(volume, PLAIN), "doubled_slices") is None


def test_slices_far_apart_are_no_head_and_cost_nothing() -> None:
    volume = _volume()
    affines = volume.affines.copy()
    affines[-1, 2, 3] += 1e6
    start = time.process_time()
    assert _severity(Volume(volume.hu, affines, volume.thickness_mm), "not_a_head") == "refuse"
    assert time.process_time() - start < 1.0


def test_huge_pixels_stay_within_the_memory() -> None:
    volume = _volume()
    affines = volume.affines.copy()
    affines[:, :3, :2] *= 1000.0
    assert quality.check(Volume(volume.hu, affines, volume.thickness_mm), PLAIN).verdict == "refuse"


def _codes() -> dict[str, set[str]]:
    """Every code that the package and the preparation can yield, with its severities, read from their source."""
    root = Path(quality.__file__).parent
    out: dict[str, set[str]] = {}
    for path in root.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding":
                code, severity = node.args[0], node.args[1]
                assert isinstance(code, ast.Constant), "a code is written out where it is yielded"
                out.setdefault(code.value, set()).update(re.findall(r"info|warn|refuse", ast.unparse(severity)))
    return out | {"no_brain": {"refuse"}, "head_turned": {"refuse"}}


def test_the_documentation_lists_every_code_with_its_severities() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
    listed = {
        row[0]: set(row[1].split(", "))
        for row in re.findall(r"^\| `(\w+)` \| ([a-z, ]+?) \|", text, flags=re.MULTILINE)
    }
    codes = _codes()
    assert len(codes) > 18
    assert listed == codes
