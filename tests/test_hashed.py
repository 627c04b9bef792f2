"""A model's files are replaced so that it loads at every moment, whatever ends the writing."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from htcore import hashed
from htcore.bundle import Bundle, add_measurement, load_bundle, replace_card
from htcore.errors import BundleError
from htcore.processes import alone_in
from tests.small_bundle import write_small_bundle

UPDATES: dict[str, Callable[[Path], Bundle]] = {
    "another card": lambda path: replace_card(path, "# other\n", {"id": "other"}),
    "a new measurement": lambda path: add_measurement(path, "ablations.csv", b"a\n1\n"),
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return write_small_bundle(tmp_path / "m", card_values={"id": "m"}).path


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def interrupted(monkeypatch: pytest.MonkeyPatch, before: Callable[[int], None]) -> None:
    """Have ``before`` called with the number of each replacement that is about to be made, from 0."""
    replace, made = os.replace, list[str]()

    def watched(source: Path, target: Path) -> None:
        made.append(str(target))
        before(len(made) - 1)
        replace(source, target)

    monkeypatch.setattr(hashed.os, "replace", watched)


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("last", range(4))
def test_a_bundle_loads_after_an_end_half_way_and_is_mended_by_the_next_update(
    saved: Path, monkeypatch: pytest.MonkeyPatch, update: Callable[[Path], Bundle], last: int
) -> None:
    def end(number: int) -> None:
        if number == last:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        interrupted(patch, end)
        try:
            update(saved)
        except KeyboardInterrupt:
            load_bundle(saved)
    done = update(saved)
    hashes = json.loads((saved / "hashes.json").read_text())
    assert set(hashes) == {path.name for path in saved.iterdir()} - {"hashes.json"}
    assert all(isinstance(value, str) for value in hashes.values())
    assert done.card == "# other\n" or done.measurement("ablations.csv") == b"a\n1\n"


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
@pytest.mark.parametrize("last", range(3))
def test_a_full_disk_leaves_the_bundle_as_it_was(
    saved: Path, monkeypatch: pytest.MonkeyPatch, update: Callable[[Path], Bundle], last: int
) -> None:
    before = content(saved)

    def fail(number: int) -> None:
        if number == last:
            raise OSError(errno.ENOSPC, "No space left on device")

    interrupted(monkeypatch, fail)
    with pytest.raises(BundleError, match="free disk space"):
        update(saved)
    assert content(saved) == before


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_a_bundle_loads_while_it_is_updated(
    saved: Path, monkeypatch: pytest.MonkeyPatch, update: Callable[[Path], Bundle]
) -> None:
    loaded: list[str] = []
    interrupted(monkeypatch, lambda number: loaded.append(load_bundle(saved).identity.id))
    update(saved)
    assert len(loaded) >= 3


@pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES)
def test_an_update_between_the_hashes_and_the_files_is_no_damage(
    saved: Path, monkeypatch: pytest.MonkeyPatch, update: Callable[[Path], Bundle]
) -> None:
    read, updated = hashed.read_json, list[Bundle]()

    def then_update(path: Path) -> dict[str, object]:
        found = read(path)
        if not updated:
            monkeypatch.setattr(hashed, "read_json", read)
            updated.append(update(saved))
        return found

    monkeypatch.setattr(hashed, "read_json", then_update)
    assert load_bundle(saved).card == updated[0].card


def test_one_writer_waits_for_the_other(saved: Path) -> None:
    writers = [
        threading.Thread(target=add_measurement, args=(saved, name, b"{}"))
        for name in ("robustness.json", "explanation.json")
    ]
    with alone_in(saved):
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(0.3)
        assert all(writer.is_alive() for writer in writers)
    for writer in writers:
        writer.join()
    loaded = load_bundle(saved)
    assert loaded.measurement("robustness.json") == loaded.measurement("explanation.json") == b"{}"


def test_a_file_that_is_neither_what_it_was_nor_what_it_becomes_is_damage(saved: Path) -> None:
    hashes = json.loads((saved / "hashes.json").read_text())
    (saved / "hashes.json").write_text(json.dumps({**hashes, "card.md": [hashes["card.md"], "0" * 64]}))
    load_bundle(saved)
    (saved / "card.md").write_text("# neither\n")
    with pytest.raises(BundleError, match=r"card\.md was changed"):
        load_bundle(saved)
    (saved / "card.md").unlink()
    with pytest.raises(BundleError, match=r"lacks its card\.md"):
        load_bundle(saved)
