"""How a study comes in: dropped files, a folder, or an example; and what is shown while it is scored."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from traceback import format_tb
from typing import Any

import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.ui import session
from htcore.ui.words import STAGES, plain

_log = logging.getLogger(__name__)

Source = Sequence[tuple[str, Any]] | Path

_UNEXPECTED = (
    "Something went wrong that this program did not foresee: try again, and tell whoever runs this server the time "
    "of day. Nothing was scored."
)


def draw_intake() -> None:
    """Draw the uploaders and examples; score what was given, keep the result, and run the page again."""
    uploaded, clicked = _uploaded(), _example()
    # A click is the latest wish: files still held from an interrupted run must not win over it.
    source = clicked or uploaded
    _choose_model()
    if source is not None:
        _score(source)
        st.rerun()


def _uploaded() -> Source | None:
    generation = session.upload_generation()
    files_tab, folder_tab = st.tabs(["Files or ZIP", "Folder"])
    with files_tab:
        files = st.file_uploader(
            "Drop a plain head CT: DICOM files, a ZIP, or NIfTI",
            accept_multiple_files=True,
            key=f"files-{generation}",
        )
    with folder_tab:
        folder = st.file_uploader(
            "Choose the folder that holds the series",
            accept_multiple_files="directory",
            key=f"folder-{generation}",
        )
    given = list(files or folder or [])
    return [(entry.name, entry) for entry in given] or None


def _example() -> Source | None:
    examples = services.example_studies()
    if not examples:
        return None
    chosen = None
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Or open an example:")
        for example in examples:
            if st.button(f"{example.label} · simulated", key=f"example-{example.id}", icon=":material/science:"):
                chosen = Path(example.path)
    return chosen


def _choose_model() -> None:
    models = [str(model) for model in services.list_models()]
    if len(models) < 2:
        return
    current = session.current_model()
    index = models.index(current) if current in models else 0
    session.choose_model(st.selectbox("Model", models, index=index, key="model-choice"))


def _score(source: Source) -> None:
    with st.status("Starting…", expanded=True) as status:
        stages = _Stages(status)
        try:
            opened = services.assess(source, model_id=session.current_model(), progress=stages.reached)
        except HtcoreError as error:
            session.keep_problem(str(error))
        except Exception as error:  # noqa: BLE001 - a bug must not take the page down
            # The places only: the exception's own text can hold a file name or a header's value.
            _log.error("assess failed, %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))
            session.keep_problem(_UNEXPECTED)
        else:
            session.keep(opened)


class _Stages:
    """Writes each stage with the seconds it took."""

    def __init__(self, status: Any) -> None:
        self._status = status
        self._stage: str | None = None
        self._started = self._first = time.perf_counter()

    def reached(self, stage: str, fraction: float) -> None:
        """Progress callback of ``services.assess``."""
        now = time.perf_counter()
        if stage != self._stage:
            if self._stage is not None:
                st.write(f"{STAGES.get(self._stage, plain(self._stage))}: {now - self._started:.1f} s")
            self._stage, self._started = stage, now
        label = STAGES.get(stage, plain(stage))
        self._status.update(label=f"{label} · {fraction:.0%} · {now - self._first:.1f} s")
