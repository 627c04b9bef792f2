"""The model card: its numbers from the bundle's files, and the text from its numbers."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from htcore.bundle import Bundle, Calibration, add_measurement, replace_card
from htcore.errors import CohortError
from htcore.evaluation import ValidationSet, are_simulated, evaluate, to_json
from htcore.evaluation.delong import delong_difference, delong_interval
from htcore.training.cache import RefusedScan

SCHEMA = "htcore.card/1"
PURPOSE = "Estimates the risk of hemorrhagic transformation from a plain head CT of an acute ischemic stroke."
LIMITS = ("decisions about patients", "children", "contrast CT", "scans after treatment")
CAVEATS = {
    "calibration": "Calibration and threshold were fitted on these same patients: a fair measure needs a validation "
    "cohort.",
    "out-of-fold": "Each patient was predicted by the one network that never saw them and calibrated on the other "
    "folds; the threshold was chosen on them. The model itself answers with the mean of its networks, which these "
    "figures do not measure.",
    "validation": "These patients took no part in this model's training or calibration.",
}
"""What bounds the figures, by the part that the measured patients had in the training."""
STARTED = (
    "Patients who trained the model that this one started from, or one before it, would make these figures too good: "
    "the bundle holds no names to check it by."
)
"""What bounds them too where the weights were another model's first."""
_NAMES = {
    "auc": "AUC",
    "auprc": "average precision",
    "f1": "F1",
    "ppv": "positive predictive value",
    "npv": "negative predictive value",
    "brier": "Brier score",
    "calibration_slope": "calibration slope",
    "calibration_intercept": "calibration intercept",
}


_LEARNING = (("data_efficiency", "data_efficiency.csv", "patients"), ("ablations", "ablations.csv", "model"))
_LEARNING_WORDS = (("What more patients bring", "patients learnt from"), ("What its parts are worth", "network"))
_COMPARED = ("auc", "low", "high", "share_of_best", "difference", "p")

RECALIBRATED = "no new scans, only calibrated on "
"""What the sentence of a model's training data begins with where its weights are another's."""
# As `htcore.training.contents` writes it: "DATA, starting from ID (the same of that model)".
_STARTED = re.compile(r"(?P<data>[^()]+), starting from (?P<id>[^\s()]+) \((?P<before>.+)\)")


@dataclass(frozen=True)
class Stage:
    """One of several trainings, each from the weights of the one before.

    Attributes
    ----------
    id : the model that came out of it.
    data : what it learnt from, in words.
    """

    id: str
    data: str


def stages(name: str, training_data: str) -> tuple[Stage, ...]:
    """The trainings that a bundle's sentence of its training data tells of, the first one first; at least one."""
    found: list[Stage] = []
    while (told := _STARTED.fullmatch(training_data)) is not None:
        found.append(Stage(name, told["data"]))
        name, training_data = told["id"], told["before"]
    return (Stage(name, training_data), *reversed(found))


def history(training_data: str) -> str:
    """In short how a model came by its weights and its calibration, as "trained on …" or "calibrated on …"."""
    *earlier, last = stages("", training_data)
    if not earlier:
        return f"trained on {last.data}"
    if last.data.startswith(RECALIBRATED):
        return f"calibrated on {last.data.removeprefix(RECALIBRATED)}, with the weights of {earlier[-1].id}"
    return f"trained on {last.data}, the last of {len(earlier) + 1} trainings"


def left_out(refused: Sequence[RefusedScan]) -> list[dict[str, Any]]:
    """How many scans were left out for which reason."""
    return [{"code": code, "scans": count} for code, count in sorted(Counter(entry.code for entry in refused).items())]


def card_of(bundle: Bundle) -> dict[str, Any]:
    """A bundle's card, measured anew from its stored predictions, calibration and training record."""
    identity = bundle.identity
    values = card_values(
        identity.id,
        identity.training_data,
        identity.simulated,
        bundle.training,
        bundle.calibration,
        bundle.validation,
        bundle.clinical,
    )
    return {**values, "learning": {key: _rows(bundle, name, first) for key, name, first in _LEARNING}}


def keep_learning(path: Path, name: str, table: pd.DataFrame) -> Bundle:
    """Put a table of networks trained for comparison into a bundle, and into its card.

    Parameters
    ----------
    name : ``data_efficiency.csv`` or ``ablations.csv``

    Raises
    ------
    BundleError
        If the bundle is damaged or cannot be written.
    """
    rounded = table.round({column: 6 for column in _COMPARED if column != "p"})
    bundle = add_measurement(path, name, rounded.to_csv(index=False).encode())
    return refresh(bundle)


def refresh(bundle: Bundle) -> Bundle:
    """The bundle with its card measured anew.

    Raises
    ------
    BundleError
        If it cannot be written.
    """
    card = card_of(bundle)
    return replace_card(bundle.path, render(card), card)


def _rows(bundle: Bundle, name: str, first: str) -> list[dict[str, Any]]:
    """A table's rows as plain values, ``None`` in empty cells; none where it is not there or is of another kind."""
    content = bundle.measurement(name)
    try:
        table = pd.DataFrame() if content is None else pd.read_csv(io.BytesIO(content))
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        table = pd.DataFrame()
    if not {first, *_COMPARED} <= set(table.columns):
        return []
    counted = [*_COMPARED, *(["epochs"] if "epochs" in table.columns else [])]
    numbers = table[counted].apply(pd.to_numeric, errors="coerce")
    rows = table[[first]].join(numbers).to_dict("records")
    return [{str(key): None if pd.isna(value) else value for key, value in row.items()} for row in rows]


def card_values(
    name: str,
    training_data: str,
    simulated: bool,
    training: dict[str, Any],
    calibration: Calibration,
    table: pd.DataFrame,
    clinical: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the model is, what it was trained on, how well it did on whom, and what it is not for; plain values.

    Parameters
    ----------
    training : the bundle's record of its training
    table : the bundle's stored predictions
    clinical : the regression that joins the score with covariates, as the bundle has it
    """
    try:
        measured: dict[str, Any] | None = to_json(evaluate(ValidationSet.from_frame(table), calibration.threshold))
    except CohortError:  # a handful of patients, or one outcome alone
        measured = None
    return {
        "schema": SCHEMA,
        "id": name,
        "purpose": PURPOSE,
        "training_data": training_data,
        "simulated": simulated,
        "training": training,
        "calibration": {
            "method": "Platt scaling",
            "patients": calibration.n_patients,
            "scans": calibration.n_scans,
            "share_with_ht": calibration.prevalence,
            "threshold": calibration.threshold,
        },
        "clinical": clinical
        and {
            "covariates": list(clinical["names"]),
            "patients": clinical["n_patients"],
            "patients_with_ht": clinical["n_events"],
        },
        "measured": {
            "part": str(table["part"].iloc[0]) if "part" in table.columns else "validation",
            "patients": int(table["patient_id"].nunique()),
            "scans": len(table),
            "simulated": are_simulated(table),
            "scans_with_ht": int(table["ht"].sum()),
            "evaluation": measured,
            "with_clinical_data": _with_clinical_data(table),
        },
        "not_for": list(LIMITS),
        "learning": {key: [] for key, *_ in _LEARNING},
    }


def _with_clinical_data(table: pd.DataFrame) -> dict[str, float] | None:
    """AUC of the joint risk on first scans, DeLong's interval, and how it differs from the image's alone."""
    if "probability_clinical" not in table.columns or table["ht"].nunique() < 2:
        return None
    first = table.drop_duplicates("patient_id")
    labels = first["ht"].to_numpy() == 1
    joint, image = first["probability_clinical"].to_numpy(), first["probability"].to_numpy()
    try:
        area, compared = delong_interval(labels, joint), delong_difference(labels, joint, image)
    except CohortError:  # too few first scans of either outcome
        return None
    return {
        "auc": area.value,
        "low": area.low,
        "high": area.high,
        "more_than_the_image": compared.difference.value,
        "p_value": compared.p_value,
    }


def provenance(trained: bool, measured: bool) -> str | None:
    """What to say of a model that was trained, measured or both on simulated scans."""
    if measured:
        how = "Trained and measured" if trained else "Measured"
        return f"{how} on simulated scans: no number here says how it does on patients."
    return "Trained on simulated scans, measured on scans of patients." if trained else None


def caveat(card: dict[str, Any]) -> str:
    """What bounds a card's figures, in a sentence or more."""
    started = card["training"].get("started_from") is not None
    return " ".join(filter(None, (CAVEATS.get(card["measured"]["part"]), STARTED if started else None)))


def render(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    warning = "**Research use only: not a medical device.**"
    told = provenance(card["simulated"], card["measured"]["simulated"])
    if told is not None:
        warning += f" **{told}**"
    measured = card["measured"]
    lines = [f"# {card['id']}", "", warning, "", card["purpose"], "", "## Training", *_training_lines(card), ""]
    lines += [f"## Measured on the {measured['part']} patients", caveat(card), ""]
    lines += _measured_lines(measured, card["calibration"]["threshold"])
    for (key, _, first), (title, heading) in zip(_LEARNING, _LEARNING_WORDS, strict=True):
        if rows := card.get("learning", {}).get(key):
            lines += ["", f"## {title}", *_compared_lines(rows, first, heading)]
    lines += ["", "## Not for", f"{'; '.join(card['not_for']).capitalize().replace(' ct', ' CT')}.", ""]
    return "\n".join(lines)


def _training_lines(card: dict[str, Any]) -> list[str]:
    training, calibration = card["training"], card["calibration"]
    loop, gone = training.get("loop", {}), training.get("left_out", [])
    *earlier, last = stages(card["id"], card["training_data"])
    lines = [f"- Data: {last.data}."]
    if earlier:
        told = "; ".join(f"{stage.id}: {stage.data}" for stage in earlier)
        lines.append(f"- Trainings before, each from the weights of the one before it: {told}.")
    if loop:
        lines.append(f"- At most {loop['epochs']} epochs, batches of {loop['batch_size']}, seed {loop['seed']}.")
        if loop.get("class_weights", "none") != "none":
            lines.append(f"- Class weights: {loop['class_weights']}.")
    if training.get("known_risk") and card["simulated"]:
        told = "taught the simulator's risk given the image, and were calibrated towards it"
        lines.append(f"- Simulated scans {told}: not the outcome drawn from it.")
    for number, member in enumerate(training.get("members", []), start=1):
        name = f"Network {number}" if len(training["members"]) > 1 else "Network"
        lines.append(f"- {name}: {_member(member)}.")
    unknown = ""
    fitted = "patients, out of fold" if training.get("folds") else "other patients"
    fitted = "patients" if training.get("recalibrated") else fitted
    if (start := training.get("started_from")) is not None:
        kept = 1.0 - training.get("blend", 1.0)
        mixed = f"; the weights are {kept:.0%} still those, {1 - kept:.0%} the newly learnt ones" if kept else ""
        verb = "Has" if training.get("recalibrated") else "Started from"
        lines.append(f"- {verb} the weights of {start['id']} (SHA-256 {start['weights_sha256'][:12]}…){mixed}.")
        unknown = "; any who trained an earlier model make the risks too sure, which the bundle cannot check"
    lines += [
        f"- Calibration: {calibration['method']} on {calibration['scans']} scans of {calibration['patients']} "
        f"{fitted}{unknown}.",
        f"- Prevalence of HT among the calibration scans: {calibration['share_with_ht']:.3f}.",
    ]
    if (joint := card["clinical"]) is not None:
        names = ", ".join(name.replace("_", " ") for name in joint["covariates"])
        whose = f"{joint['patients']} calibration patients, {joint['patients_with_ht']} of them with HT"
        lines.append(f"- Clinical data: the score is joined with {names}; fitted on {whose}.")
    else:
        lines.append(
            "- Clinical data: none joined. It takes ten calibration patients of the rarer outcome for each covariate "
            "that most have, and ten for the score."
        )
    if "left_out" in training:
        reasons = ", ".join(f"{entry['scans']} × {entry['code']}" for entry in gone)
        lines.append(f"- Left out: {sum(entry['scans'] for entry in gone)} scans{f' ({reasons})' if gone else ''}.")
    return lines


def _member(member: dict[str, Any]) -> str:
    trained = f"trained on {member['training_scans']} scans of {member['training_patients']} patients"
    if not member["selection_scans"]:
        return f"{trained}, weights of the last epoch, {member['weights_of_epoch']}"
    return (
        f"{trained}, weights of epoch {member['weights_of_epoch']} of {member['epochs']}, the best by "
        f"{member['chosen_by']} on {member['selection_scans']} scans of {member['selection_patients']} other patients"
    )


def _measured_lines(measured: dict[str, Any], threshold: float) -> list[str]:
    lines = [
        "| measure | value | 95% interval, patients resampled |",
        "|---|---|---|",
        f"| patients / scans / scans with HT | {measured['patients']} / {measured['scans']} / "
        f"{measured['scans_with_ht']} | |",
        f"| threshold (Youden, calibration patients) | {threshold:.3f} | |",
    ]
    found = measured["evaluation"]
    if found is None:
        return [*lines, "| AUC | not available: too few patients | |"]
    for name, interval in found["metrics"].items():
        low, high = _text(interval["low"]), _text(interval["high"])
        lines.append(f"| {_NAMES.get(name, name)} | {_text(interval['value'])} | {low}–{high} |")
    joint = measured.get("with_clinical_data")
    if joint is not None:
        lines.append(
            f"| AUC with clinical data, first scans ({joint['more_than_the_image']:+.3f} against the image alone, "
            f"DeLong p {joint['p_value']:.2g}) | {_text(joint['auc'])} | {_text(joint['low'])}–{_text(joint['high'])} |"
        )
    ceiling = found["oracle"]
    if ceiling is not None:
        lines.append(
            f"| AUC of the simulator's own true risk given the image, first scans | {_text(ceiling['image_auc'])} | |"
        )
        lines.append(f"| the model's AUC on the same first scans | {_text(ceiling['model_auc'])} | |")
    return lines


def _compared_lines(rows: list[dict[str, Any]], first: str, heading: str) -> list[str]:
    lines = [
        "Other networks than this model, trained from fresh weights for this comparison, one training each; AUC on "
        "first scans with DeLong's interval and test.",
        "",
        f"| {heading} | AUC | 95% interval | of the best possible | difference | p |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        compared = "reference | "
        if row["difference"] is not None:
            compared = f"{row['difference']:+.3f} | {'<0.0001' if row['p'] < 1e-4 else format(row['p'], '.2g')}"
        epochs = f", {row['epochs']:.0f} epochs" if row.get("epochs") is not None else ""
        lines.append(
            f"| {row[first]}{epochs} | {_text(row['auc'])} | {_text(row['low'])}–{_text(row['high'])} | "
            f"{_text(row['share_of_best'])} | {compared} |"
        )
    return lines


def _text(value: float | None) -> str:
    return "not available" if value is None else f"{value:.3f}"
