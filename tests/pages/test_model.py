from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from htcore import services
from htcore.bundle import Bundle, add_measurement
from htcore.errors import BundleError
from htcore.settings import Settings
from htcore.training.card import CAVEATS, card_of
from htcore.ui import session
from htcore.ui.model.reporting import ITEMS
from htcore.ui.model.view import card_stages, flow_rows, joint_words, losses_of, stages_words
from tests.small_bundle import small_contents, write_small_bundle

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "model.py")


@pytest.fixture
def small(tmp_path: Path) -> Bundle:
    return write_small_bundle(tmp_path / "small")


def page_of(monkeypatch: pytest.MonkeyPatch, bundle: Bundle) -> AppTest:
    monkeypatch.setattr(session, "current_bundle", lambda: bundle)
    # The page links to another, which a page run by itself does not know.
    monkeypatch.setattr("streamlit.page_link", lambda *_args, **_named: None)
    return AppTest.from_file(PAGE, default_timeout=30).run()


def texts(page: AppTest) -> str:
    shown = [*page.markdown, *page.caption, *page.subheader, *page.warning, *page.error, *page.info]
    return "\n".join(str(element.value) for element in shown)


def test_without_a_model_the_page_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise BundleError("The model is missing: train one.")

    monkeypatch.setattr(session, "current_bundle", missing)
    page = AppTest.from_file(PAGE, default_timeout=20).run()
    assert not page.exception and page.error[0].value == "The model is missing: train one."


def test_the_shipped_model_is_described_by_its_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    page = page_of(monkeypatch, bundle)
    assert not page.exception
    told, card = texts(page), bundle.card_values
    assert card is not None
    assert bundle.identity.weights_sha256 in told and "SIMULATED" in told and "**Not for:** decisions about" in told
    figures = page.table[0].value.set_index("Figure")["Value"]
    auc = card["measured"]["evaluation"]["metrics"]["auc"]
    assert figures["AUC"] == f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
    assert f"{card['calibration']['scans']} scans of {card['calibration']['patients']} patients" in told


def test_the_shipped_models_checks_are_answers_and_no_dump(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    page = page_of(monkeypatch, bundle)
    told, card = texts(page), bundle.card_values
    assert card is not None
    # Bad and good results in words, each from the file.
    explanation = json.loads(bundle.measurement("explanation.json") or b"")
    small = explanation["pointing"]["lesion map"]["<=20 mL"]
    assert f"**only** {small['value']:.0%}"[:-1] in told and "do not search for the infarct by it" in told
    variations = json.loads(bundle.measurement("robustness.json") or b"")["variations"]
    worst = max(variations, key=lambda row: row["risk_worst"])
    assert f"{100 * worst['risk_worst']:.0f} points under *{worst['variation']}*" in told
    assert "Other networks than the model of this page" in told and "More patients helped" in told
    tables = [found.value for found in page.table]
    assert not any("Check" in found.value.columns for found in page.dataframe)
    cells = [str(cell) for rows in tables for cell in rows.to_numpy().ravel()]
    assert not {"None", "nan", "-0.1671"} & set(cells) and "< 0.001" in cells
    headings = {str(name) for rows in tables for name in rows.columns}
    assert not {"share_of_best", "sides_asked", "auc"} & headings


@pytest.mark.parametrize("part", ["calibration", "out-of-fold", "validation"])
def test_the_figures_say_which_part_their_patients_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, part: str
) -> None:
    table = small_contents().validation.assign(part=part)
    page = page_of(monkeypatch, write_small_bundle(tmp_path / part, validation=table))
    assert not page.exception and CAVEATS[part] in texts(page)
    assert "Only 2 scans with hemorrhagic transformation" in texts(page)


def test_the_joint_auc_is_on_the_page_with_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    page = page_of(monkeypatch, bundle)
    joint = card_of(bundle)["measured"]["with_clinical_data"]
    figures = page.table[0].value.set_index("Figure")["Value"]
    assert figures["AUC with clinical data"] == f"{joint['auc']:.3f} ({joint['low']:.3f} to {joint['high']:.3f})"
    assert "Clinical data **add to** what the image tells" in texts(page)
    assert "No difference" in joint_words({**joint, "p_value": 0.2})
    assert "take from" in joint_words({**joint, "more_than_the_image": -0.1})


def test_trainings_are_listed_and_the_flow_says_of_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    told = texts(page_of(monkeypatch, bundle))
    trained = card_stages(card_of(bundle))
    assert len(trained) > 1 and f"the last of {len(trained)} trainings" in told
    assert "starting from" not in told and "The flow is of the last alone" in told
    card = {"id": "b", "training_data": "7 scans, starting from a (5 scans)", "training": {}}
    assert "1. a: 5 scans\n2. b: 7 scans" in stages_words(card)
    begun = {"id": "b", "training_data": "7 scans", "training": {"started_from": {"id": "x"}}}
    assert stages_words(begun).startswith("The last of several trainings: it started from the weights of x.")
    assert stages_words({**begun, "training": {"started_from": None}}) == ""


def test_the_loss_says_which_epochs_of_which_training_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    log = bundle.training_log
    told = texts(page_of(monkeypatch, bundle))
    assert f"epochs {log['epoch'].min()} to {log['epoch'].max()} of the last training alone" in told
    folds = pd.DataFrame({"network": [1, 1, 2], "epoch": [1, 2, 1], "loss": [0.9, 0.8, 0.7]})
    assert losses_of(folds) == {
        "training scans, network 1": ([1, 2], [0.9, 0.8]),
        "training scans, network 2": ([1], [0.7]),
    }
    assert losses_of(folds.assign(loss=float("nan"))) == {} and losses_of(pd.DataFrame({"loss": [1.0]})) == {}


def test_a_bundle_without_a_card_of_values_is_measured_anew(monkeypatch: pytest.MonkeyPatch, small: Bundle) -> None:
    assert small.card_values is None
    page = page_of(monkeypatch, small)
    assert not page.exception
    assert "does not record how its cohort was divided" in texts(page)
    assert "came without checks of its maps" in texts(page)


def test_files_of_the_bundle_are_shown_where_they_are(monkeypatch: pytest.MonkeyPatch, small: Bundle) -> None:
    checks = {"hit_rate": {"value": 0.5, "low": 0.25, "high": 0.75}, "deletion": {"auc_drop": 0.125, "scans": 40}}
    add_measurement(small.path, "explanation.json", json.dumps(checks).encode())
    add_measurement(
        small.path, "robustness.json", json.dumps({"variations": [{"variation": "turned", "n": 3}]}).encode()
    )
    add_measurement(small.path, "data_efficiency.csv", b"patients,auc\n100,0.61\n200,0.66\n")
    add_measurement(small.path, "ablations.csv", b"left_out,auc\nsymmetry,0.6\n")
    page = page_of(monkeypatch, small)
    assert not page.exception and "came without checks" not in texts(page)
    table = next(found.value for found in page.dataframe if "Check" in found.value.columns)
    assert dict(zip(table["Check"], table["Value"], strict=True)) == {
        "hit rate": "0.500 (0.250 to 0.750)",
        "deletion: auc drop": "0.125",
        "deletion: scans": "40",
    }
    curve = next(found.value for found in page.table if "Patients learnt from" in found.value.columns)
    assert curve["AUC (95% interval)"].tolist() == ["0.610", "0.660"]
    moved = next(found.value for found in page.table if "Variation" in found.value.columns)
    assert moved.to_dict("records") == [{"Variation": "turned", "Scans": 3}]
    assert "What more scans would bring" in texts(page) and "What each part of it is worth" in texts(page)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("explanation.json", "{"),
        ("explanation.json", "[1]"),
        ("explanation.json", "\xff"),
        ("data_efficiency.csv", ""),
        ("ablations.csv", '"a,b\n1'),
        ("data_efficiency.csv", "patients,auc\n"),
        ("robustness.json", '{"variations": 3}'),
        ("robustness.json", '{"variations": [{"variation": "turned", "risk_worst": "far"}]}'),
    ],
)
def test_a_damaged_extra_file_is_told_and_the_rest_stays(
    monkeypatch: pytest.MonkeyPatch, small: Bundle, name: str, content: str
) -> None:
    add_measurement(small.path, name, content.encode("latin-1"))
    page = page_of(monkeypatch, small)
    assert not page.exception
    assert any(name in element.value and "make it again" in element.value for element in page.error)
    assert "What reporting guidelines ask for" in texts(page)


def test_cells_that_are_no_numbers_are_shown_as_not_available(monkeypatch: pytest.MonkeyPatch, small: Bundle) -> None:
    add_measurement(small.path, "data_efficiency.csv", b"patients,auc,preparation\nmany,x,\nfew,,\n")
    add_measurement(small.path, "ablations.csv", b"model,auc,difference,p\nwhole,high,,\nless,0.5,-0.1,\n")
    nothing = {"pointing": {"lesion map": {"all": {"n": 3, "value": None, "low": None, "high": None}}}}
    add_measurement(small.path, "explanation.json", json.dumps(nothing).encode())
    page = page_of(monkeypatch, small)
    assert not page.exception and not [found.value for found in page.error if "make it again" in found.value]
    cells = [str(cell) for found in page.table for cell in found.value.to_numpy().ravel()]
    assert "not available" in cells and not {"nan", "None"} & set(cells)
    assert any("not available" in found.value.to_numpy() for found in page.dataframe)


def card_with(**training: object) -> dict[str, object]:
    measured = {"part": "validation", "patients": 40, "scans": 50, "scans_with_ht": 20}
    member = {
        **{"training_patients": 100, "training_scans": 120, "selection_patients": 10, "selection_scans": 12},
        **{"held_out_patients": 20, "held_out_scans": 25},
    }
    return {"measured": measured, "training": {"folds": None, "members": [member], **training}}


def test_flow_adds_up() -> None:
    given, kept, parts = flow_rows(card_with(left_out=[{"code": "acute_blood", "scans": 7}, {"code": "x", "scans": 1}]))
    assert given.boxes[0].startswith(f"<b>{120 + 12 + 25 + 50 + 8} scans</b>")
    assert given.excluded == "<b>Left out: 8 scans</b><br>7 × acute blood<br>1 × x"
    assert kept.boxes[0].startswith(f"<b>{120 + 12 + 25 + 50} scans</b>")
    assert [box.split("</b>")[0] for box in parts.boxes] == [
        "<b>Training",
        "<b>Choice of epoch",
        "<b>Calibration, threshold",
        "<b>Validation",
    ]
    assert "50 scans, 20 with HT" in parts.boxes[-1]


def test_flow_of_folds_counts_each_scan_once_and_says_what_was_not_recorded() -> None:
    card = card_with()
    card["training"] = {"folds": 2, "members": [card["training"]["members"][0]] * 2}
    card["measured"]["part"] = "out-of-fold"
    given, _, parts = flow_rows(card)
    assert given.boxes[0].startswith("<b>50 scans</b>") and given.excluded == "Left out: not recorded"
    assert len(parts.boxes) == 1 and "50 scans, 40 patients" in parts.boxes[0]
    assert flow_rows({**card, "training": {}}) is None


def test_the_shipped_flow_starts_from_the_cards_counts() -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    rows = flow_rows(card_of(bundle))
    assert rows is not None and f"{len(bundle.validation)} scans" in rows[-1].boxes[-1]


def test_every_reporting_item_says_where_or_why_not() -> None:
    assert all(item.demand and item.where for item in ITEMS)
    numbers = " ".join(item.guideline for item in ITEMS)
    assert "TRIPOD" in numbers and "CLAIM" in numbers
    assert {item.simulated for item in ITEMS} == {"answered", "in part", "cannot be answered"}
    # No figure of a model is typed by hand: digits stand in names of guidelines and files alone.
    assert not [item.where for item in ITEMS if any(letter.isdigit() for letter in item.where)]
