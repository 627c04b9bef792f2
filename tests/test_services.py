"""One call turns a study into an assessment, or says why not."""

from __future__ import annotations

import gc
import io
import json
import threading
import weakref
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from htcore import services
from htcore.bundle import Bundle
from htcore.errors import BundleError, CohortError, DeadlineError, ReadError, RefusedError, StoppedError, UsageError
from htcore.limits import limited
from htcore.networks import LesionGatedResNet
from htcore.settings import Settings
from htcore.stages import STAGES
from htcore.training.cohort import CohortScan
from htcore.types import Assessment, Familiarity, Volume
from tests.phantom import head_volume
from tests.small_bundle import write_small_bundle
from tests.studies import HeadStudy

EXAMPLES = services.example_studies(Settings())


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    models = tmp_path_factory.mktemp("models")
    write_small_bundle(models / "small")
    return Settings(models_dir=models, default_model="small")


def test_examples_ship_and_have_plain_labels() -> None:
    assert [example.label for example in EXAMPLES] == ["Large left infarct", "Right infarct", "Very small infarct"]


def test_an_example_is_scored_with_evidence_that_adds_up(settings: Settings) -> None:
    stages: list[tuple[str, float]] = []
    opened = services.assess(EXAMPLES[0].path, settings=settings, progress=lambda *stage: stages.append(stage))
    assert [stage for stage, _ in stages] == list(STAGES)
    assert stages[0][1] == 0.0 and stages == sorted(stages, key=lambda entry: entry[1])
    assert opened.receipt.simulated and opened.quality.verdict == "ok"
    assert opened.risk is not None and opened.evidence is not None and opened.model is not None
    low, high = opened.risk.interval
    assert 0 < low <= opened.risk.probability <= high < 1
    total = sum(entry.contribution for entry in opened.evidence.slices) + opened.evidence.bias
    assert total == pytest.approx(opened.risk.logit, abs=1e-3)
    assert len(opened.evidence.slices) == opened.volume.shape[0]
    assert set(opened.timing_ms) == {"read", "prepare", "network", "explain", "total"}
    parts = sum(value for key, value in opened.timing_ms.items() if key != "total")
    assert opened.timing_ms["total"] == pytest.approx(parts, abs=1.0)


def test_the_regions_are_told_unless_left_out(settings: Settings) -> None:
    opened = services.assess(EXAMPLES[1].path, settings=settings)
    assert opened.evidence is not None
    assert {(entry.name, entry.side) for entry in opened.evidence.regions} >= {("M2", "left"), ("brainstem", "right")}
    assert len(opened.evidence.regions) == 28
    assert all(0 < entry.probability_if_mirrored < 1 for entry in opened.evidence.regions)  # type: ignore[operator]
    without = services.assess(EXAMPLES[1].path, settings=settings, regions=False)
    assert without.evidence is not None and without.evidence.regions == ()
    assert without.risk == opened.risk


def test_a_card_that_fails_at_the_regions_gives_way_to_the_cpu_and_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    networks, expected = Bundle.networks, services.assess(EXAMPLES[1].path, settings=settings)

    def on_the_cpu(bundle: Bundle, device: torch.device) -> tuple[LesionGatedResNet, ...]:
        asked.append(device.type)
        if asked == ["cuda", "cuda"]:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return networks(bundle, torch.device("cpu"))

    monkeypatch.setattr(Bundle, "networks", on_the_cpu)
    monkeypatch.setattr("htcore.inference.choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(services, "_device_name", lambda kind: kind)
    opened = services.assess(EXAMPLES[1].path, settings=settings)
    assert asked == ["cuda", "cuda", "cpu"] and opened.evidence is not None and expected.evidence is not None
    assert [finding.code for finding in opened.quality.findings].count("device_failed") == 1
    assert opened.evidence.regions == expected.evidence.regions and opened.risk == expected.risk


def test_the_risk_is_told_before_the_explanation_begins(settings: Settings) -> None:
    told: list[object] = []
    opened = services.assess(
        EXAMPLES[0].path, settings=settings, progress=lambda stage, _: told.append(stage), so_far=told.append
    )
    stages = [entry for entry in told if isinstance(entry, str)]
    read, scored = (entry for entry in told if isinstance(entry, Assessment))
    assert stages == list(STAGES)
    assert told.index(read) < told.index("preparing") and told.index("network") < told.index(scored)
    assert told.index(scored) < told.index("explaining")
    assert (read.risk, read.evidence, read.model) == (None, None, None)
    assert (scored.risk, scored.model, scored.evidence) == (opened.risk, opened.model, None)


@pytest.mark.parametrize("last", STAGES)
def test_after_a_stop_no_other_stage_begins(settings: Settings, last: str) -> None:
    stop, begun = threading.Event(), list[str]()

    def reached(stage: str, _: float) -> None:
        begun.append(stage)
        if stage == last:
            stop.set()

    with pytest.raises(StoppedError) as caught:
        services.assess(EXAMPLES[2].path, settings=settings, progress=reached, stop=stop)
    assert caught.value.code == "stopped" and begun[-1] == last


def test_after_a_stop_no_other_file_is_opened(settings: Settings) -> None:
    stop, opened = threading.Event(), list[str]()

    class Watched(io.BytesIO):
        def seek(self, offset: int, whence: int = 0) -> int:
            opened.append(self.name)
            if len(set(opened)) == 3:
                stop.set()
            return super().seek(offset, whence)

    files = []
    with zipfile.ZipFile(EXAMPLES[2].path) as archive:
        for name in archive.namelist():
            files.append((name, Watched(archive.read(name))))
            files[-1][1].name = name  # type: ignore[attr-defined]
    with pytest.raises(StoppedError):
        services.assess(files, settings=settings, stop=stop)
    assert len(set(opened)) == 3 < len(files)


def test_after_a_stop_the_network_does_not_run_again_and_the_study_is_freed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, seen = threading.Event(), list[weakref.ref[Volume]]()
    passes: list[bool] = []
    compute = LesionGatedResNet.shared_logit

    def watched(network: LesionGatedResNet, slices: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        passes.append(stop.is_set())
        if len(passes) == 2:
            stop.set()
        return compute(network, slices, place)

    monkeypatch.setattr(LesionGatedResNet, "shared_logit", watched)
    with pytest.raises(StoppedError):
        services.assess(
            EXAMPLES[2].path, settings=settings, stop=stop, so_far=lambda known: seen.append(weakref.ref(known.volume))
        )
    assert passes == [False] * 2  # the pass in which the stop came is finished, no third one begins
    gc.collect()
    assert len(seen) == 2 and seen[0]() is None


def test_what_takes_longer_than_it_may_is_given_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    begun: list[str] = []
    monkeypatch.setattr("htcore.limits.time", SimpleNamespace(monotonic=lambda: now[0]))

    def reached(stage: str, _: float) -> None:
        begun.append(stage)
        now[0] += 2.0

    with pytest.raises(DeadlineError, match="5 seconds"):
        services.assess(EXAMPLES[2].path, settings=replace(settings, deadline_s=5), progress=reached)
    assert begun == ["reading", "checking", "preparing"]


def test_streams_and_the_path_give_the_same_risk(settings: Settings) -> None:
    path = EXAMPLES[1].path
    stream = io.BytesIO(path.read_bytes())
    by_path = services.assess(path, settings=settings).risk
    by_stream = services.assess([("upload", stream)], settings=settings).risk
    assert by_path == by_stream


def test_a_refused_scan_has_no_risk(settings: Settings, tmp_path: Path) -> None:
    HeadStudy(slabs=((1, 5.0),)).write(tmp_path)
    opened = services.assess(tmp_path, settings=settings)
    assert opened.quality.verdict == "refuse"
    assert opened.risk is None and opened.evidence is None and opened.model is None


def test_a_scan_without_brain_is_refused_with_its_reason(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(volume: Volume) -> None:
        raise RefusedError("no brain", code="no_brain")

    monkeypatch.setattr("htcore.transforms.prepare", refuse)
    opened = services.assess(EXAMPLES[0].path, settings=settings)
    assert opened.quality.verdict == "refuse" and opened.risk is None
    assert opened.quality.findings[-1].code == "no_brain"


def test_nothing_to_read(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("not a scan")
    with pytest.raises(ReadError):
        services.assess(tmp_path, settings=settings)


@pytest.mark.parametrize("model_id", ["absent", "../small", "", ".hidden", "/small"])
def test_a_model_that_is_not_there(settings: Settings, model_id: str) -> None:
    with pytest.raises(BundleError) as caught:
        services.load_bundle_by_id(model_id, settings)
    assert caught.value.code == "bundle_missing"


def test_models_are_listed(settings: Settings) -> None:
    assert services.list_models(settings) == ("small",)


def test_mirrored_head_swaps_the_slices_contributions_little(settings: Settings) -> None:
    """Order of slices and sides come from the geometry alone: the same scan stored mirrored is the same scan."""
    from htcore.explain import explain
    from htcore.inference import predict
    from htcore.transforms import prepare

    bundle = services.load_bundle_by_id("small", settings)
    logits = []
    for flip in (False, True):
        volume = head_volume(flip_columns=flip)
        model_input = prepare(volume)
        result = predict(bundle, model_input)
        explain(result, model_input, volume)
        logits.append(result.logit)
    assert np.ptp(logits) < 0.2


def test_what_a_model_was_trained_on_is_told_without_loading_it(tmp_path: Path) -> None:
    write_small_bundle(tmp_path / "small")
    settings, config = Settings(models_dir=tmp_path), tmp_path / "small" / "config.json"
    assert services.told_training("small", settings) is not None
    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "simulated": False, "training_data": "9 scans, starting from a (3 scans)"}))
    assert services.told_training("small", settings) == (False, "9 scans, starting from a (3 scans)")
    config.write_text("{")
    assert services.told_training("small", settings) is services.told_training("nowhere", settings) is None


def test_a_cohort_is_scored_and_what_cannot_be_is_listed(settings: Settings, tmp_path: Path) -> None:
    bundle = services.load_bundle_by_id("small", settings)
    HeadStudy(slabs=((2, 5.0),)).write(tmp_path / "short")
    rows = ["patient_id,scan_id,path,ht"]
    rows += [f"p{i},s{i},{example.path.resolve()},{i % 2}" for i, example in enumerate(EXAMPLES)]
    rows += ["p8,s8,short,1"]
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n")
    seen: list[tuple[int, int]] = []
    done = services.evaluate_cohort(bundle, tmp_path / "cohort.csv", progress=lambda *step: seen.append(step))
    assert (done.evaluation.n_patients, done.evaluation.n_scans, done.evaluation.n_events) == (3, 3, 1)
    assert [(entry.scan_id, entry.code) for entry in done.refused] == [("s8", "too_few_slices")]
    assert seen[-1] == (4, 4)
    spread = services.evaluate_cohort(bundle, tmp_path / "cohort.csv", device="cpu", workers=2)
    assert [(entry.scan_id, entry.row) for entry in spread.refused] == [("s8", 5)]
    for name, interval in done.evaluation.metrics.items():
        found = spread.evaluation.metrics[name]
        expected = pytest.approx([interval.value, interval.low, interval.high], nan_ok=True)
        assert [found.value, found.low, found.high] == expected
    scan = CohortScan("p0", "s0", EXAMPLES[0].path, True)
    scored = services.score_scan(scan, 2, bundle)
    assert isinstance(scored, services.ScoredScan) and scored.simulated
    with pytest.raises(UsageError, match="device"):
        services.evaluate_cohort(bundle, tmp_path / "cohort.csv", device="abacus")


def test_a_stopped_scan_is_no_scan_left_out(settings: Settings) -> None:
    bundle, stop = services.load_bundle_by_id("small", settings), threading.Event()
    scan, begun = CohortScan("p0", "s0", EXAMPLES[0].path, True), list[str]()

    def reached(stage: str, share: float) -> None:
        begun.append(stage)
        stop.set()

    with pytest.raises(StoppedError), limited(60.0, stop):
        services.score_scan(scan, 2, bundle, progress=reached)
    assert begun == ["reading"]


def test_a_cohort_with_one_outcome_is_told(settings: Settings, tmp_path: Path) -> None:
    bundle = services.load_bundle_by_id("small", settings)
    rows = ["patient_id,scan_id,path,ht", *(f"p{i},s{i},{e.path.resolve()},0" for i, e in enumerate(EXAMPLES))]
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n")
    with pytest.raises(CohortError):
        services.evaluate_cohort(bundle, tmp_path / "cohort.csv")


def test_only_tables_and_scans_below_the_allowed_folder_are_scored(tmp_path: Path) -> None:
    outside, root = tmp_path / "elsewhere", tmp_path / "cohorts"
    for folder in (outside, root / "ward", root / "mixed"):
        folder.mkdir(parents=True)
        for name in "abc":
            (folder / f"{name}.zip").write_bytes(b"scan")
        rows = [f"p{name},s{name},{name}.zip,{int(name == 'a')}" for name in "abc"]
        (folder / "cohort.csv").write_text("\n".join(["patient_id,scan_id,path,ht", *rows]) + "\n")
    allowed = Settings(cohorts_dir=root)
    assert services.labelled_cohorts(Settings()) == {}
    assert services.labelled_cohorts(Settings(cohorts_dir=tmp_path / "absent")) == {}
    tables = services.labelled_cohorts(allowed)
    assert list(tables) == ["mixed", "ward"]
    assert len(services.labelled_scans(tables["ward"], allowed).scans) == 3
    for table, settings in ((outside / "cohort.csv", allowed), (tables["ward"], Settings())):
        with pytest.raises(UsageError, match="choose one of the list"):
            services.labelled_scans(table, settings)
    text = tables["mixed"].read_text()
    for path in ("../../elsewhere/a.zip", str(outside / "a.zip")):
        tables["mixed"].write_text(text.replace("a.zip", path))
        with pytest.raises(UsageError, match="row 2: the scan lies outside"):
            services.labelled_scans(tables["mixed"], allowed)
    tables["ward"].write_text(text.replace(",1", ",0"))
    with pytest.raises(CohortError, match="Too little to evaluate"):
        services.labelled_scans(tables["ward"], allowed)


def test_the_warning_of_an_unfamiliar_scan_claims_all_only_where_it_is_all() -> None:
    assert services._unfamiliar(Familiarity(0.98, ())) == ()
    (nearly,) = services._unfamiliar(Familiarity(612 / 613, ()))
    assert "less usual than more than 99% of the scans it was measured on" in nearly.message
    (itself,) = services._unfamiliar(Familiarity(1.0, (), "S1"))
    assert "less usual than all of the other patients' scans it was measured on" in itself.message
