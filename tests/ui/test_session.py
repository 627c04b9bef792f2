"""A new tab's first study."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from htcore import services
from htcore.services import ExampleStudy
from htcore.ui import session
from htcore.ui.server import Kept


def page(asked: str) -> None:
    import streamlit as st

    from htcore.ui import session

    if session.is_new():
        session.open_example(asked)
    st.write(f"new {session.is_new()}")


@pytest.mark.parametrize(("asked", "taken"), [("one", ["one.zip"]), ("none-of-them", [])])
def test_an_example_opens_once_and_an_unknown_one_never(
    asked: str, taken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = (ExampleStudy("one", "One", Path("one.zip")), ExampleStudy("two", "Two", Path("two.zip")))
    seen: list[str] = []
    monkeypatch.setattr(services, "example_studies", lambda: examples)
    monkeypatch.setattr(session, "take", lambda source: seen.append(source.name))
    tested = AppTest.from_function(page, args=(asked,)).run().run()
    assert not tested.exception and tested.markdown[0].value == "new False" and seen == taken


def returned() -> None:
    import streamlit as st

    from htcore.ui import session

    if session.is_new():
        session.return_to("claim")
    st.write(f"{session.current_model()} {session.prevalence()} {session.is_covered()}")


def test_a_reloaded_tab_has_its_model_and_its_prevalence_again(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept(True, 0.27, {}, "my-hospital")
    monkeypatch.setattr(session, "reclaim", lambda claim: SimpleNamespace(assessment=None, kept=kept))
    tested = AppTest.from_function(returned).run()
    assert not tested.exception and tested.markdown[0].value == "my-hospital 0.27 True"
