"""What the documents say is there, can be run, and is what the shipped model's files give."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from benchmarks.breaking import BREAKS
from htcore import services
from htcore.cli import app
from htcore.quality.thresholds import GOOD_COVERAGE_MM, MIN_COVERAGE_MM
from htcore.settings import Settings
from htcore.training.card import card_of, render

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:htcore|tests|benchmarks|docs|models|pages)/[\w./-]+)`")
COMMAND = re.compile(r"python -m htcore ([^\n`]+)")
BENCHMARK = re.compile(r"python -m (benchmarks\.[a-z_]+)")
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def each(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    return [(path.name, found) for path in DOCUMENTS for found in pattern.findall(path.read_text(encoding="utf-8"))]


def fault_of(command: str) -> str | None:
    """What is wrong with a command line as the documents write it: an unknown command or option."""
    name, *words = shlex.split(command)
    if name not in COMMANDS:
        return f"no command {name}"
    known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"{name} has no {unknown[0]}" if unknown else None


@pytest.mark.parametrize(("document", "target"), [pair for pair in each(LINK) if "://" not in pair[1]])
def test_links_lead_somewhere(document: str, target: str) -> None:
    folder = ROOT if (ROOT / document).exists() else ROOT / "docs"
    assert (folder / target.split("#")[0]).exists()


@pytest.mark.parametrize(("document", "target"), each(FILE))
def test_files_that_are_named_exist(document: str, target: str) -> None:
    assert (ROOT / target).exists() or target.startswith("models/my-hospital")


@pytest.mark.parametrize(("document", "command"), [pair for pair in each(COMMAND) if pair[1][0].islower()])
def test_commands_are_understood(document: str, command: str) -> None:
    assert fault_of(command.split(" #")[0].rstrip("…. ")) is None


@pytest.mark.parametrize(("document", "module"), each(BENCHMARK))
def test_benchmarks_that_are_named_exist(document: str, module: str) -> None:
    assert (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_the_lines_to_break_on_purpose_are_there() -> None:
    missing = [entry.meaning for entry in BREAKS if (ROOT / entry.file).read_text("utf-8").count(entry.line) != 1]
    assert missing == []


def test_every_command_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"| `{name}" not in text] == []


def test_a_wrong_command_is_noticed() -> None:
    assert fault_of("predict PATH --jsn") == "predict has no --jsn"
    assert fault_of("predictt PATH") == "no command predictt"
    assert fault_of("predict PATH --json --out DIR") is None


def test_the_shipped_card_is_what_its_files_give() -> None:
    bundle = services.load_bundle_by_id(Settings().default_model, Settings())
    assert bundle.card == render(card_of(bundle))


def test_reading_says_how_much_of_the_brain_must_be_there_as_the_gate_has_it() -> None:
    text = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")
    assert f"covers less than {MIN_COVERAGE_MM:.0f} mm of the brain" in text
    assert f"Where less than {GOOD_COVERAGE_MM:.0f} mm are covered it warns and scores" in text


@pytest.mark.parametrize("name", ["reading.md", "hazards.md"])
def test_the_old_infarct_that_is_taken_for_an_acute_one_is_a_known_limit(name: str) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert "a dark old one, mostly near fluid" in text and "measured as acute and raise" in text
