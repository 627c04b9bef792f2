from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from htcore import services
from tests.pages.review_stage import PAGE, Held


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setattr(services, "list_models", lambda *_: ("test-model",))
    monkeypatch.setattr(services, "example_studies", lambda: ())
    return AppTest.from_file(PAGE, default_timeout=20)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    stand_in = Held(monkeypatch)
    yield stand_in
    stand_in.go.set()
