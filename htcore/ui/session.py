"""What one browser session keeps, and the model bundle that all sessions share.

Patient data lives in the session's state and nowhere else: when the session ends, it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from htcore import services
from htcore.settings import Settings
from htcore.types import Assessment
from htcore.ui.job import Job, Source
from htcore.ui.server import Kept, ServedStudy, publish, reclaim

if TYPE_CHECKING:
    from htcore.bundle import Bundle

_ASSESSMENT = "htcore.assessment"
_SERVED = "htcore.served"
_PROBLEM = "htcore.problem"
_UPLOADS = "htcore.uploads"
_JOB = "htcore.job"
_CANCELLED = "htcore.cancelled"
_DRAWN = "htcore.drawn"
_MODEL = "htcore.model"
_COVERED = "htcore.covered"
PREVALENCE = "htcore.prevalence"
"""Key of the share of patients who bleed that the user asked for, in (0, 1); absent: the model's own."""
_CLINICAL = "htcore.clinical"
_USED = "htcore.used"
_OFFERED = "htcore.offered"
_ORIGIN = "htcore.origin"
_BEFORE = "htcore.before"
_OF_A_STUDY = (_ASSESSMENT, _CLINICAL, _ORIGIN)
"""What is kept of a study while another input is tried."""


def current_model() -> str:
    """Id of the model this session uses: the one chosen, else the installation's default."""
    return str(st.session_state.get(_MODEL) or Settings.from_environment().default_model)


def choose_model(model_id: str) -> None:
    """Use ``model_id`` from now on in this session."""
    st.session_state[_MODEL] = model_id


def current_bundle() -> Bundle:
    """The bundle of ``current_model()``; see `bundle_named`."""
    return bundle_named(current_model())


def bundle_named(model_id: str) -> Bundle:
    """An installed bundle, loaded once for all sessions and again when its files change.

    Raises
    ------
    BundleError
        If the bundle is missing or damaged.
    """
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


def refresh() -> None:
    """Take over what came up of the study under way: once a run, so that one run shows one state of it."""
    running = job()
    if running is None:
        return
    done = running.done
    known = running.look()
    if done and running.problem is not None:
        _forget()
        st.session_state[_PROBLEM] = running.problem
        return
    if done:
        del st.session_state[_JOB]
        st.session_state.pop(_BEFORE, None)
    if known is not None:
        st.session_state[_ASSESSMENT] = known


def assessment() -> Assessment | None:
    """What is known of the study that this session has open; more follows while there is a `job`."""
    return st.session_state.get(_ASSESSMENT)


def job() -> Job | None:
    """The study under way."""
    return st.session_state.get(_JOB)


def served_study() -> ServedStudy | None:
    """The open study as the viewer may fetch it, with a token that is good for another while."""
    opened = assessment()
    if opened is None:
        return None
    served: ServedStudy | None = st.session_state.get(_SERVED)
    if served is None or served.expired:
        served = publish(opened, served.opening if served else None)
        st.session_state[_SERVED] = served
    served.assessment = opened
    served.kept = Kept(is_covered(), prevalence(), clinical(), current_model())
    served.renew()
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
        st.session_state[_COVERED] = served.kept.covered
        st.session_state[_CLINICAL] = served.kept.clinical
        choose_prevalence(served.kept.prevalence)
        if served.kept.model is not None:
            choose_model(served.kept.model)


def give_up(why: str) -> None:
    """Begin with a sentence on what became of the tab's last study."""
    st.session_state[_USED] = True
    st.session_state[_PROBLEM] = why


def open_example(example_id: str) -> None:
    """Score an example study, if there is one of that name."""
    st.session_state[_USED] = True
    for example in services.example_studies():
        if example.id == example_id:
            take(Path(example.path))


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


def clinical() -> dict[str, float]:
    """What was entered of the open study's patient, by the names of ``htcore.inference.clinical.RANGES``."""
    return dict(st.session_state.get(_CLINICAL, {}))


def enter_clinical(name: str, value: float | None) -> None:
    """Keep one of them with the open study; ``None`` for unknown."""
    known = {key: kept for key, kept in clinical().items() if key != name}
    st.session_state[_CLINICAL] = known if value is None else {**known, name: float(value)}


def problem() -> str | None:
    """The sentence of the last error, until the next study is opened."""
    return st.session_state.get(_PROBLEM)


def offer(shown: Assessment) -> Callable[[], Assessment]:
    """A way to the open study for what may outlive it, as the call behind a download button does.

    It leads nowhere (``IndexError``) once that study is forgotten.
    """
    held: list[Assessment] = st.session_state.setdefault(_OFFERED, [])
    held[:] = [shown]
    return lambda: held[0]


def take(source: Source, origin: str | None = None) -> None:
    """Begin to score ``source``, alone: what was under way or wrong before is forgotten, what was open is out of sight.

    That is forgotten too once ``source`` is scored; where nothing comes of it, `go_back` leads there. The uploaders
    start anew, so that the next input never joins this one's files. ``origin`` says in Markdown which case of the
    cohort page it is.
    """
    before = _before()
    clear()
    if before:
        st.session_state[_BEFORE] = before
    if origin is not None:
        st.session_state[_ORIGIN] = origin
    st.session_state[_JOB] = Job(source, current_model())


def origin() -> str | None:
    """Which case of the cohort page the open study is."""
    return st.session_state.get(_ORIGIN)


def cancel() -> None:
    """Stop the study under way, and remember that it was the user who did."""
    before = _before()
    clear()
    if before:
        st.session_state[_BEFORE] = before
    st.session_state[_CANCELLED] = True


def can_go_back() -> bool:
    """Whether a study was open before the last input, of which nothing came."""
    return bool(st.session_state.get(_BEFORE)) and assessment() is None and job() is None


def go_back() -> None:
    """Open again the study that was open before an input of which nothing came, with what was entered of it."""
    before = st.session_state.get(_BEFORE, {})
    clear()
    st.session_state.update(before)


def _before() -> dict[str, Any]:
    """The study that is open and finished, else the one that was before what is under way or failed."""
    if assessment() is None or job() is not None:
        return dict(st.session_state.get(_BEFORE, {}))
    return {key: st.session_state[key] for key in _OF_A_STUDY if key in st.session_state}


def was_cancelled() -> bool:
    """Whether the last input was cancelled, until the next one."""
    return _CANCELLED in st.session_state


def view() -> int:
    """A number that is another one once another study is drawn than in the last run, or its result hidden or shown."""
    now = (upload_generation(), is_covered())
    number, before = st.session_state.get(_DRAWN, (0, now))
    number += before != now
    st.session_state[_DRAWN] = (number, now)
    return int(number)


def clear() -> None:
    """Forget the open study, its token, the study under way, the uploaded bytes and the last error."""
    _forget()
    st.session_state.pop(_BEFORE, None)
    st.session_state[_UPLOADS] = upload_generation() + 1


def _forget() -> None:
    st.session_state[_USED] = True
    running = job()
    if running is not None:
        running.cancel()
    st.session_state.get(_OFFERED, []).clear()
    # The uploaders stay: they may hold the next input by now.
    for key in (_ASSESSMENT, _SERVED, _PROBLEM, _JOB, _CANCELLED, _ORIGIN, _CLINICAL, _OFFERED):
        st.session_state.pop(key, None)


def upload_generation() -> int:
    """A number that belongs in the uploader's key: a new one empties it; the bytes go by `forget_uploads` alone."""
    return int(st.session_state.get(_UPLOADS, 0))
