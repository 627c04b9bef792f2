"""What one browser session keeps, and the model bundle that all sessions share.

Patient data lives in the session's state and nowhere else: when the session ends, it goes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from htcore import services
from htcore.settings import Settings
from htcore.types import Assessment
from htcore.ui.server import ServedStudy, publish, reclaim

if TYPE_CHECKING:
    from htcore.bundle import Bundle

Source = Sequence[tuple[str, Any]] | Path
"""What ``services.assess`` reads: uploaded files by name, or a path on the server."""

_ASSESSMENT = "htcore.assessment"
_SERVED = "htcore.served"
_PROBLEM = "htcore.problem"
_UPLOADS = "htcore.uploads"
_WAITING = "htcore.waiting"
_MODEL = "htcore.model"
_COVERED = "htcore.covered"
PREVALENCE = "htcore.prevalence"
"""Key of the share of patients who bleed that the user asked for, in (0, 1); absent: the model's own."""
_USED = "htcore.used"


def current_model() -> str:
    """Id of the model this session uses: the one chosen, else the installation's default."""
    return str(st.session_state.get(_MODEL) or Settings.from_environment().default_model)


def choose_model(model_id: str) -> None:
    """Use ``model_id`` from now on in this session."""
    st.session_state[_MODEL] = model_id


def current_bundle() -> Bundle:
    """The bundle of ``current_model()``, loaded once for all sessions and again when its files change.

    Raises
    ------
    BundleError
        If the bundle is missing or damaged.
    """
    model_id = current_model()
    return _load_bundle(model_id, _fingerprint(model_id))


@st.cache_resource(show_spinner=False, max_entries=4)
def _load_bundle(model_id: str, fingerprint: tuple[tuple[str, int, int], ...]) -> Bundle:
    return services.load_bundle_by_id(model_id)


def _fingerprint(model_id: str) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of each of the bundle's own files: cheap, and other for a bundle trained anew."""
    folder = Settings.from_environment().models_dir / model_id
    if not folder.is_dir():
        return ()
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def assessment() -> Assessment | None:
    """The study that this session has open."""
    return st.session_state.get(_ASSESSMENT)


def served_study() -> ServedStudy | None:
    """The open study as the viewer may fetch it, with a token that is good for another while."""
    opened = assessment()
    if opened is None:
        return None
    served: ServedStudy | None = st.session_state.get(_SERVED)
    if served is None or served.expired:
        served = publish(opened, served.opening if served else None)
        st.session_state[_SERVED] = served
    served.covered = is_covered()
    served.renew()
    return served


def serve_early(opened: Assessment) -> ServedStudy:
    """Let the viewer fetch what is known so far of the study in line."""
    served = publish(opened)
    st.session_state[_SERVED] = served
    return served


def is_new() -> bool:
    """Whether nothing was opened or asked back in this session yet: the tab may have been reloaded."""
    return _USED not in st.session_state


def return_to(claim: str) -> None:
    """Open again the study that this tab had before it was reloaded, if it may have it."""
    st.session_state[_USED] = True
    served = reclaim(claim)
    if served is not None:
        st.session_state[_ASSESSMENT] = served.assessment
        st.session_state[_SERVED] = served
        st.session_state[_COVERED] = served.covered


def is_covered() -> bool:
    """Whether the result is hidden from whoever else looks at the screen."""
    return bool(st.session_state.get(_COVERED, False))


def cover(covered: bool) -> None:
    """Hide the result, of this study and of any that follows, until it is shown again."""
    st.session_state[_COVERED] = covered


def prevalence() -> float | None:
    """The share of patients who bleed that the user asked for, in (0, 1); ``None`` for the model's own."""
    return st.session_state.get(PREVALENCE)


def choose_prevalence(share: float | None) -> None:
    """Show risks as in a population where ``share`` of the patients bleed, on every page, from now on."""
    if share is None:
        st.session_state.pop(PREVALENCE, None)
    else:
        st.session_state[PREVALENCE] = share


def problem() -> str | None:
    """The sentence of the last error, until the next study is opened."""
    return st.session_state.get(_PROBLEM)


def take(source: Source) -> None:
    """Put ``source`` in line for scoring, alone: what was open, in line or wrong before is forgotten.

    The uploaders start anew, so that the next input never joins this one's files.
    """
    clear()
    st.session_state[_WAITING] = source


def waiting() -> Source | None:
    """What was taken and is not scored yet."""
    return st.session_state.get(_WAITING)


def keep(opened: Assessment) -> None:
    """Open the study that was in line; its viewer goes on at the place that was looked at early."""
    early: ServedStudy | None = st.session_state.get(_SERVED)
    _forget()
    st.session_state[_ASSESSMENT] = opened
    if early is not None:
        st.session_state[_SERVED] = publish(opened, early.opening)


def keep_problem(sentence: str) -> None:
    """Show ``sentence`` instead of the study that was in line."""
    _forget()
    st.session_state[_PROBLEM] = sentence


def clear() -> None:
    """Forget the open study, its token, the input in line, the uploaded bytes and the last error."""
    _forget()
    st.session_state[_UPLOADS] = upload_generation() + 1


def _forget() -> None:
    st.session_state[_USED] = True
    # The uploaders stay: they may hold the next input by now.
    for key in (_ASSESSMENT, _SERVED, _PROBLEM, _WAITING):
        st.session_state.pop(key, None)


def upload_generation() -> int:
    """A number that belongs in the uploader's key: with a new one, Streamlit drops the uploaded bytes."""
    return int(st.session_state.get(_UPLOADS, 0))
