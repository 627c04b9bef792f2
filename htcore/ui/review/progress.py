"""How far the study under way is, and the button that stops it."""

from __future__ import annotations

from itertools import pairwise

import streamlit as st

from htcore.ui import session
from htcore.ui.job import Job
from htcore.ui.words import STAGES, plain

_EVERY_S, _LOOKS = 1.0, 4
# Streamlit collects garbage after every run, which holds up the scoring: several looks a run.


def draw_progress() -> None:
    """Draw the button and the stages. The page runs again by itself whenever more of the study is known."""
    st.button("Cancel", icon=":material/close:", on_click=session.cancel)
    _watch()


@st.fragment(run_every=_EVERY_S)
def _watch() -> None:
    job = session.job()
    if job is None or job.news:
        st.rerun()
    # Closed: the risk, once it is drawn below, stays within a small screen.
    status = st.status(_label(job), expanded=False)
    told = 0
    for _ in range(_LOOKS):
        status.update(label=_label(job))
        for (stage, since), (_, next_since) in list(pairwise(job.stages))[told:]:
            status.write(f"{_words(stage)}: {since - next_since:.1f} s")
            told += 1
        job.wait(_EVERY_S / _LOOKS)
        if job.news:
            st.rerun()


def _label(job: Job) -> str:
    stages = job.stages
    if not stages:
        return "Starting…"
    return f"{_words(stages[-1][0])} · {job.fraction:.0%} · {stages[0][1]:.1f} s"


def _words(stage: str) -> str:
    return STAGES.get(stage, plain(stage))
