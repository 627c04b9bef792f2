"""The commands: ``python -m htcore …``. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections import Counter
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from htcore import serialise, terminal
from htcore.errors import UsageError
from htcore.processes import share_cores
from htcore.settings import Settings, fix_folders
from htcore.ui.words import (
    caveats,
    interval_percent,
    joint_sentence,
    lesion_sentence,
    percent,
    simulated_warning,
    volume_words,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
_INTERRUPTED = 130
_NOTICE = "Research use only."

Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")]
Study = Annotated[Path, typer.Argument(metavar="PATH", help="DICOM file, folder, ZIP or NIfTI.")]
Cohort = Annotated[Path, typer.Option(help="cohort.csv")]


class Device(StrEnum):
    """Where the network runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class ScanFormat(StrEnum):
    """How simulated scans are written."""

    dicom = "dicom"
    nifti = "nifti"


class Preset(StrEnum):
    """Cohorts with fixed counts."""

    zhang2026 = "zhang2026"


class ClassWeights(StrEnum):
    """Whether the rarer outcome counts more."""

    none = "none"
    balanced = "balanced"


@app.callback()
def main() -> None:
    """Risk of hemorrhagic transformation from a plain head CT. Research use only: not a medical device."""


@app.command()
def inspect(path: Study, as_json: Json = False) -> None:
    """Read a study; print what was found, its geometry, and whether it may be scored."""
    from htcore import services

    with terminal.errors(as_json):
        volume, receipt, quality = services.inspect_study(path)
        found = serialise.inspection_json(volume, receipt, quality)
        if as_json:
            terminal.print_json(found)
        else:
            typer.echo(volume_words(volume))
            matter = (
                f"{name.replace('_', ' ')} {hu:.0f}" for name, hu in found["volume"]["hu"].items() if hu is not None
            )
            typer.echo(f"median HU: {', '.join(matter)}")
            for record in receipt.series:
                chosen = "chosen" if record.chosen else "left out"
                typer.echo(
                    f"series {record.number}: {record.modality}, {record.n_images} images, {chosen}: {record.reason}"
                )
            for left in receipt.left_out:
                typer.echo(f"left out: {left.count} × {left.reason}")
            terminal.print_quality(quality, volume)
        terminal.exit_if_refused(quality)


@app.command()
def predict(
    path: Study,
    as_json: Json = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the maps as NIfTI and prediction.json; new, empty, or of an earlier run."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Id of a model bundle.")] = None,
    device: Annotated[Device, typer.Option()] = Device.auto,
    deadline: Annotated[
        int | None, typer.Option(metavar="SECONDS", min=1, help="Give the study up after so long; 600 by default.")
    ] = None,
    clinical: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Known of the patient, e.g. nihss=14; repeatable.")
    ] = None,
) -> None:
    """Score one study, with its reasons."""
    share_cores()
    from htcore import services
    from htcore.training.card import history

    with terminal.errors(as_json):
        known = _covariates(clinical or [])
        bundle = services.load_bundle_by_id(model or Settings.from_environment().default_model) if known else None
        settings = Settings.from_environment()
        if deadline is not None:
            settings = replace(settings, deadline_s=deadline)
        opened = services.assess(path, model_id=model, bundle=bundle, device=device.value, settings=settings)
        if bundle is not None:
            opened = services.with_clinical(opened, bundle, known)
        if out is not None:
            serialise.write_prediction(opened, out)
        if as_json:
            terminal.print_json(serialise.prediction_json(opened))
        else:
            terminal.print_quality(opened.quality, opened.volume)
            if opened.risk is not None and opened.model is not None and opened.evidence is not None:
                risk = opened.risk
                typer.echo(
                    f"risk of hemorrhagic transformation {percent(risk.probability, risk.limits)} "
                    f"(interval {interval_percent(risk)}), "
                    f"{risk.category} of {risk.threshold:.0%}"
                )
                if opened.clinical is not None:
                    typer.echo(joint_sentence(opened.clinical, risk, simulated=opened.model.score_simulated))
                typer.echo(lesion_sentence(opened.evidence.lesion))
                if opened.evidence.sides_disagree:
                    typer.echo("The evidence map and the lesion map point to different sides: trust neither alone.")
                typer.echo(f"model {opened.model.id}, {history(opened.model.training_data)}. {_NOTICE}")
                warning = simulated_warning(opened.model)
                if warning is not None and not opened.receipt.simulated:
                    typer.echo(warning)
        terminal.exit_if_refused(opened.quality)


@app.command("predict-batch")
def predict_batch(
    cohort: Annotated[Path, typer.Option(help="CSV with scan_id and path; any cohort.csv will do.")],
    out: Annotated[Path, typer.Option(help="Folder for predictions.csv; the same folder goes on where it stopped.")],
    model: Annotated[str | None, typer.Option(help="Id of a model bundle.")] = None,
    workers: Annotated[int, typer.Option(help="Processes on this machine.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask scheduler, tcp://…, instead.")] = None,
    device: Annotated[Device, typer.Option()] = Device.cpu,
) -> None:
    """Score many studies; what cannot be read or is refused becomes a row and stops nothing."""
    share_cores()
    from htcore.batch import TABLE, score_many

    with terminal.errors(False):
        try:
            with terminal.bar("scoring") as tell:
                rows = score_many(
                    cohort,
                    out,
                    model_id=model or Settings.from_environment().default_model,
                    device=device.value,
                    workers=workers,
                    scheduler=scheduler,
                    progress=tell,
                )
        except KeyboardInterrupt:
            terminal.messages.print("Stopped. What was scored is kept: the same command goes on from there.")
            raise typer.Exit(_INTERRUPTED) from None
        counts = Counter(row.status for row in rows)
        typer.echo(
            f"{counts['scored']} scored, {counts['refused']} refused, {counts['failed']} failed: "
            f"{TABLE} in the given folder. {_NOTICE}"
        )


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="New folder.")],
    patients: Annotated[int, typer.Option(help="Number of patients.")] = 474,
    seed: Annotated[int, typer.Option()] = 1,
    format_: Annotated[ScanFormat, typer.Option("--format")] = ScanFormat.nifti,
    preset: Annotated[Preset | None, typer.Option(help="zhang2026: 474 patients, 231 events, 613 scans.")] = None,
    matrix: Annotated[int | None, typer.Option(help="Pixels a side; 160 for NIfTI, 512 for DICOM.")] = None,
    prevalence: Annotated[float | None, typer.Option(help="Share of patients who bleed.")] = None,
    repeat_share: Annotated[float, typer.Option(help="Share of patients scanned twice.")] = 0.0,
    workers: Annotated[int, typer.Option()] = 2,
) -> None:
    """Write a simulated cohort: scans, cohort.csv, truth.csv, lesion masks."""
    from htcore.simulation import CohortParameters, simulate_cohort

    with terminal.errors(False):
        given: dict[str, Any] = {} if prevalence is None else {"prevalence": prevalence}
        parameters = CohortParameters(
            patients=patients,
            seed=seed,
            preset=None if preset is None else "zhang2026",
            format=format_.value,
            matrix=matrix,
            repeat_share=repeat_share,
            **given,
        )
        try:
            with terminal.bar("simulating") as tell:
                made = simulate_cohort(parameters, out, workers=workers, progress=tell)
        except KeyboardInterrupt:
            terminal.messages.print("Stopped. The finished scans are kept: the same command goes on from there.")
            raise typer.Exit(_INTERRUPTED) from None
        typer.echo(f"{made.patients} simulated patients, {made.events} with HT, {made.scans} scans")
        if made.oracle_image_auc is not None and made.oracle_full_auc is not None:
            typer.echo(
                f"AUC of the true risk over these patients: {made.oracle_image_auc:.3f} given the image, "
                f"{made.oracle_full_auc:.3f} given everything"
            )


@app.command()
def train(
    cohort: Cohort,
    out: Annotated[Path, typer.Option(help="New folder: models/ID.")],
    validation: Annotated[Path | None, typer.Option(help="Another cohort.csv, never trained on.")] = None,
    epochs: Annotated[int, typer.Option()] = 12,
    batch_size: Annotated[int, typer.Option()] = 8,
    learning_rate: Annotated[float, typer.Option()] = 2e-3,
    seed: Annotated[int, typer.Option()] = 0,
    threads: Annotated[int | None, typer.Option(help="Threads of the network; torch's own choice by default.")] = None,
    calibration_share: Annotated[float, typer.Option(help="Share of patients kept aside to calibrate.")] = 0.2,
    selection_share: Annotated[
        float, typer.Option(help="Share of the other patients that choose the epoch; 0 keeps the last epoch.")
    ] = 0.15,
    folds: Annotated[int | None, typer.Option(help="Networks, each of which leaves other patients out.")] = None,
    init: Annotated[Path | None, typer.Option(help="Start from the weights of this model: models/ID.")] = None,
    wider: Annotated[int, typer.Option(min=1, help="Times as many features as usual, or as that model has.")] = 1,
    class_weights: Annotated[
        ClassWeights, typer.Option(help="balanced: patients with and without HT count alike.")
    ] = ClassWeights.none,
    blend: Annotated[float, typer.Option(help="With --init: share of the new weights, the rest the model's.")] = 1.0,
    offset_hu: Annotated[float, typer.Option(help="Scans are shifted by so many HU at random (one SD).")] = 2.5,
    noise_hu: Annotated[float, typer.Option(help="Noise is added, up to so many HU.")] = 2.0,
    rim_erosion: Annotated[
        float, typer.Option(help="Share of scans whose brain mask loses its outermost pixel.")
    ] = 0.3,
    rim_hu: Annotated[float, typer.Option(help="The brain's rim is brightened, up to so many HU.")] = 4.0,
    known_risk: Annotated[bool, typer.Option(help="Simulated scans teach their true risk, not the outcome.")] = False,
    patience: Annotated[int, typer.Option(help="Stop after so many epochs without gain on those patients.")] = 5,
    cache: Annotated[Path | None, typer.Option(help="Folder of prepared scans; beside the cohort by default.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare scans.")] = 2,
    device: Annotated[Device, typer.Option()] = Device.auto,
    mixed_precision: Annotated[bool, typer.Option(help="bfloat16 on devices made for it.")] = True,
) -> None:
    """Train on labelled scans and write a model bundle; called again after an interruption, it goes on."""
    from htcore.training.batches import Augmentation
    from htcore.training.distributed import is_first
    from htcore.training.loop import LoopParameters
    from htcore.training.run import Listener, TrainingParameters
    from htcore.training.run import train as run_training

    with terminal.errors(False):
        loop = LoopParameters(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            seed=seed,
            threads=threads,
            patience=patience,
            class_weights=class_weights.value,
            mixed_precision=mixed_precision,
            augmentation=Augmentation(offset_hu=offset_hu, noise_hu=noise_hu, rim_erosion=rim_erosion, rim_hu=rim_hu),
        )
        parameters = TrainingParameters(
            loop=loop,
            wider=wider,
            validation_cohort=validation,
            calibration_share=calibration_share,
            selection_share=selection_share,
            folds=folds,
            start_from=init,
            blend=blend,
            device=device.value,
            cache=cache,
            workers=workers,
            known_risk=known_risk,
        )
        with terminal.stages() as tell:
            bundle = run_training(
                parameters, cohort, out, Listener(tell, terminal.print_epoch, terminal.print_left_out)
            )
        if is_first():
            typer.echo(bundle.card)


@app.command()
def recalibrate(
    cohort: Cohort,
    out: Annotated[Path, typer.Option(help="New folder: models/ID.")],
    model: Annotated[str | None, typer.Option(help="Id of the model bundle whose weights stay.")] = None,
    validation: Annotated[Path | None, typer.Option(help="Another cohort.csv, which calibrates nothing.")] = None,
    seed: Annotated[int, typer.Option()] = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of prepared scans; beside the cohort by default.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that prepare scans.")] = 2,
    device: Annotated[Device, typer.Option()] = Device.auto,
) -> None:
    """Fit what a model's score means on labelled scans of one's own; its weights stay."""
    from htcore import services
    from htcore.training.recalibrate import RecalibrationParameters
    from htcore.training.recalibrate import recalibrate as run_recalibration
    from htcore.training.run import Listener

    with terminal.errors(False):
        bundle = services.load_bundle_by_id(model or Settings.from_environment().default_model)
        parameters = RecalibrationParameters(
            seed=seed, validation_cohort=validation, cache=cache, workers=workers, device=device.value
        )
        with terminal.stages() as tell:
            listener = Listener(tell, refused=terminal.print_left_out)
            made = run_recalibration(parameters, bundle.path, cohort, out, listener)
        typer.echo(made.card)


@app.command()
def evaluate(
    cohort: Annotated[Path | None, typer.Option(help="cohort.csv; the model's stored validation by default.")] = None,
    model: Annotated[str | None, typer.Option(help="Id of a model bundle.")] = None,
    as_json: Json = False,
    workers: Annotated[int, typer.Option(min=1, help="Processes that score a cohort.")] = 1,
    device: Annotated[Device, typer.Option()] = Device.auto,
) -> None:
    """Score labelled scans, or take the stored validation predictions; print all metrics with 95% intervals."""
    from htcore import services
    from htcore.evaluation import to_json
    from htcore.training.card import history

    with terminal.errors(as_json):
        bundle = services.load_bundle_by_id(model or Settings.from_environment().default_model)
        if cohort is None:
            done = services.evaluate_stored(bundle)
        else:
            with terminal.bar("scoring", visible=not as_json) as tell:
                done = services.evaluate_cohort(bundle, cohort, device.value, tell, workers)
        found = to_json(done.evaluation)
        found["model"] = {"id": bundle.identity.id, "weights_sha256": bundle.identity.weights_sha256}
        found["part"] = done.part
        found["left_out"] = [{"scan_id": entry.scan_id, "code": entry.code} for entry in done.refused]
        if as_json:
            terminal.print_json(found)
            return
        typer.echo(f"{found['n_patients']} patients, {found['n_scans']} scans, {found['n_events']} with HT")
        parts = {name: interval for name, interval in found["calibration"].items() if name != "groups"}
        for name, interval in {**found["metrics"], **parts}.items():
            value, low, high = (terminal.number(interval[key]) for key in ("value", "low", "high"))
            typer.echo(f"{name:26s} {value} ({low}–{high})")
        if (ceiling := done.evaluation.oracle) is not None and ceiling.image_auc is not None:
            typer.echo(
                f"best possible from the image (simulator's truth, first scans): AUC {ceiling.image_auc:.3f}; "
                f"the model on these scans {ceiling.model_auc:.3f}, {ceiling.model_auc / ceiling.image_auc:.3f} of it"
            )
        if cohort is not None:
            typer.echo(f"left out: {len(done.refused)} scans")
        told = caveats(done.part, found["n_scans"], found["n_events"], started=bundle.started)
        typer.echo("".join(f"{text}\n" for text in told), nl=False)
        typer.echo(f"model {bundle.identity.id}, {history(bundle.identity.training_data)}. {_NOTICE}")


@app.command()
def card(
    model: Annotated[str | None, typer.Option(help="Id of a model bundle.")] = None,
    as_json: Json = False,
) -> None:
    """Print a model's card, measured anew from the files of its bundle."""
    from htcore import services
    from htcore.training.card import card_of, render

    with terminal.errors(as_json):
        values = card_of(services.load_bundle_by_id(model or Settings.from_environment().default_model))
        if as_json:
            terminal.print_json(values)
        else:
            typer.echo(render(values), nl=False)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; this machine alone by default.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535)] = None,
    example: Annotated[str | None, typer.Option(help="Example study that a new tab opens with.")] = None,
) -> None:
    """Start the dashboard."""
    from htcore import services

    with terminal.errors(False):
        settings = Settings.from_environment()
        examples = [study.id for study in services.example_studies()]
        if example is not None and example not in examples:
            raise UsageError(f"There is no example study of that name: {', '.join(examples) or 'none is installed'}.")
        address, number = host or settings.host, settings.port if port is None else port
        _check_free(address, number)
        typer.echo(f"Dashboard at http://{address}:{number} (stop it with Ctrl+C). {_NOTICE}", err=True)
        fix_folders()
        os.chdir(Path(__file__).resolve().parent.parent)
        share_cores()
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        if example is not None:
            os.environ["HTCORE_EXAMPLE"] = example
        # This process becomes the server: whoever stops it stops the server, and no child is left behind.
        os.execv(sys.executable, [*command, "--server.address", address, "--server.port", str(number)])


def _covariates(given: list[str]) -> dict[str, float]:
    """``["nihss=14"]`` → ``{"nihss": 14.0}``."""
    known = {}
    for entry in given:
        name, _, value = entry.partition("=")
        try:
            known[name.strip()] = float(value)
        except ValueError:
            raise UsageError("Clinical data are given as NAME=VALUE with a number, for example nihss=14.") from None
    return known


def _check_free(address: str, port: int) -> None:
    """Say before the start what the server would say in its own words."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        remedy = (
            f"Port {port} is taken, perhaps by a dashboard that runs already: give another one with --port."
            if taken
            else "The dashboard cannot listen there: give an address of this machine with --host and a free --port."
        )
        raise UsageError(remedy, code="port_taken" if taken else "address") from error
