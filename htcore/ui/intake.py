"""How a study comes in: dropped files, a folder, or an example; and what is shown while it is scored.

Each input is a source of its own and the last one wins.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from traceback import format_tb
from typing import Any

import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.ui import session
from htcore.ui.early import Early
from htcore.ui.words import STAGES, plain

_log = logging.getLogger(__name__)

_UNEXPECTED = (
    "Something went wrong that this program did not foresee: try again, and tell whoever runs this server the time "
    "of day. Nothing was scored."
)


# File names can name the patient: only sizes are shown. And the last error goes as soon as an upload begins.
# Style alone would be put elsewhere and might come after the uploader; beside an element it stands before it.
_STYLE = """<div></div><style>
[data-testid="stFileChipName"] { visibility: hidden; }
.stApp:has([data-testid="stFileChip"]) [class*="st-key-problem"] { display: none; }
</style>"""


def draw_intake() -> None:
    """Draw the uploaders and examples. Each input is taken as a whole as it arrives, before the page is drawn."""
    st.html(_STYLE)
    _draw_uploaders()
    _draw_examples()
    _choose_model()


def draw_problem() -> None:
    """Draw the sentence of the last error, until the next input begins."""
    problem = session.problem()
    if problem is not None:
        # A key of its own for each error: read out anew even where the sentence is the same.
        with st.container(key=f"problem-{session.upload_generation()}"):
            st.error(problem, icon=":material/error:")


def score_waiting() -> None:
    """Score the input in line, if there is one, showing how far it is; then run the page again.

    A further input stops this one at its next stage, and takes its place.
    """
    source = session.waiting()
    if source is not None:
        _score(source)
        st.rerun()


def _draw_uploaders() -> None:
    generation = session.upload_generation()
    files_tab, folder_tab = st.tabs(["Files or ZIP", "Folder"])
    with files_tab:
        key = f"files-{generation}"
        st.file_uploader(
            "Drop a plain head CT: DICOM files, a ZIP, or NIfTI",
            accept_multiple_files=True,
            key=key,
            on_change=_take_upload,
            args=(key,),
        )
    with folder_tab:
        key = f"folder-{generation}"
        st.file_uploader(
            "Choose the folder that holds the series",
            accept_multiple_files="directory",
            key=key,
            on_change=_take_upload,
            args=(key,),
        )


def _take_upload(key: str) -> None:
    given = [(entry.name, entry) for entry in st.session_state.get(key) or []]
    if given:
        session.take(given)


def _draw_examples() -> None:
    examples = services.example_studies()
    if not examples:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Or open an example:")
        for example in examples:
            st.button(
                f"{example.label} · simulated",
                key=f"example-{example.id}",
                icon=":material/science:",
                on_click=session.take,
                args=(Path(example.path),),
            )


def _choose_model() -> None:
    models = [str(model) for model in services.list_models()]
    if len(models) < 2:
        return
    current = session.current_model()
    index = models.index(current) if current in models else 0
    session.choose_model(st.selectbox("Model", models, index=index, key="model-choice"))


def _score(source: session.Source) -> None:
    st.button("Cancel", icon=":material/close:", on_click=session.clear)
    # Closed: the risk, once it is drawn below, stays within a small screen.
    status, early = st.status("Starting…", expanded=False), Early(st.container())
    with status:
        stages = _Stages(status)
        try:
            opened = services.assess(
                source, model_id=session.current_model(), progress=stages.reached, so_far=early.show
            )
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
