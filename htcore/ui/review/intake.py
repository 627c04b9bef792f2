"""How a study comes in: dropped files, a folder, or an example. Each is a source of its own and the last one wins."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from htcore import services
from htcore.ui import session
from htcore.ui.server import forget_uploads

_MODEL_CHOICE = "model-choice"

# File names can name the patient: only sizes are shown. The last error goes as soon as an upload begins. An upload that
# failed turns red and no more: what that means is said here, as the server never hears of it.
# Style alone would be put elsewhere and might come after the uploader; beside an element it stands before it.
_STYLE = """<div class="upload-failed" role="alert">This file did not arrive: the connection broke, or it is larger than
2 GB. Take it away with its × and give it again.</div><style>
.upload-failed { display: none; }
.stApp:has([data-testid="stFileChip"][aria-invalid="true"]) .upload-failed { display: block; }
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
    """Draw what became of the last input, if nothing: an error's sentence, or that it was cancelled."""
    problem = session.problem()
    if problem is None and not session.was_cancelled():
        return
    # A key of its own for each: read out anew even where the sentence is the same.
    with st.container(key=f"problem-{session.upload_generation()}"):
        if problem is not None:
            st.error(problem, icon=":material/error:")
        else:
            st.info("Cancelled. Nothing of that scan was kept.", icon=":material/close:")
    if session.can_go_back():
        st.button("Back to the study that was open", icon=":material/undo:", key="back", on_click=session.go_back)


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
            args=(key, generation),
        )
    with folder_tab:
        key = f"folder-{generation}"
        st.file_uploader(
            "Choose the folder that holds the series",
            accept_multiple_files="directory",
            key=key,
            on_change=_take_upload,
            args=(key, generation),
        )


def _take_upload(key: str, generation: int) -> None:
    # A late message of the browser may bring a former uploader's files once more.
    if generation != session.upload_generation():
        return
    given = st.session_state.get(key) or []
    if given:
        session.take([(entry.name, entry) for entry in given])
        forget_uploads(given)


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
    if session.current_model() not in models:
        session.choose_model(models[0])
    # A reloaded tab has its model again only after this was drawn: the box follows the session, never the other way.
    if st.session_state.get(_MODEL_CHOICE) != session.current_model():
        st.session_state[_MODEL_CHOICE] = session.current_model()
    st.selectbox("Model", models, key=_MODEL_CHOICE, on_change=_take_model)


def _take_model() -> None:
    session.choose_model(st.session_state[_MODEL_CHOICE])
