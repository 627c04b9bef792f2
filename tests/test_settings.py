from __future__ import annotations

from pathlib import Path

import pytest

from htcore.errors import UsageError
from htcore.settings import Settings


def test_defaults_are_safe() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings() and settings.cohorts_dir is None
    assert (settings.host, settings.port, settings.default_model) == ("127.0.0.1", 8501, "ht-sim-v1")
    assert settings.models_dir.name == "models"


def test_the_environment_wins() -> None:
    environment = {"HTCORE_PORT": "9000", "HTCORE_MODELS_DIR": "elsewhere", "HTCORE_HOST": "0.0.0.0", "OTHER": "x"}
    settings = Settings.from_environment(environment)
    assert (settings.port, settings.models_dir, settings.host) == (9000, Path("elsewhere"), "0.0.0.0")


@pytest.mark.parametrize(
    "environment",
    [{"HTCORE_PORT": "http"}, {"HTCORE_PORT": "70000"}, {"HTCORE_MAX_FILES": "0"}, {"HTCORE_DEADLINE_S": "0"}],
)
def test_impossible_values(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(environment))):
        Settings.from_environment(environment)


def test_a_folder_of_cohorts_is_a_path() -> None:
    assert Settings.from_environment({"HTCORE_COHORTS_DIR": "here"}).cohorts_dir == Path("here")
