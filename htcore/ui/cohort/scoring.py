"""Labelled scans on the server's disk, scored from the page while it goes on showing what it showed.

Only tables below ``Settings.cohorts_dir`` can be chosen: a path from a browser is never opened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from traceback import format_tb
from typing import TYPE_CHECKING

import streamlit as st

from htcore import services
from htcore.errors import HtcoreError
from htcore.services import RefusedScan, ScoredScan
from htcore.ui import session
from htcore.ui.cohort.data import keep_scored
from htcore.ui.server import watch_session
from htcore.ui.work import Step, Stopped, Work

if TYPE_CHECKING:
    from htcore.bundle import Bundle

_log = logging.getLogger(__name__)
_SCORING = "htcore.cohort.scoring"
_TICK_S = 3.0
"""Streamlit collects garbage after every run, which holds the scoring up: look seldom."""
_UNFORESEEN = "Something unforeseen went wrong: tell whoever runs this server the time of day."


class Scoring:
    """One table being scored; what was scored outlives a stop.

    Attributes
    ----------
    outcomes : scan_id → score, or why there is none
    problem : str or None
        Why no cohort came of it.
    over : bool
        Whether the page has taken the result.
    """

    def __init__(self, name: str, table: Path, bundle: Bundle) -> None:
        self.name, self.table, self.bundle = name, table, bundle
        self.outcomes: dict[str, ScoredScan | RefusedScan] = {}
        self.problem: str | None = None
        self.over = False
        self.go_on()

    def go_on(self) -> None:
        """Score what is not scored yet."""
        self.job: Work[bool] = Work(partial(self._score, watch_session()))

    def _score(self, still_open: Callable[[], bool], step: Step) -> bool:
        """Whether any scan is simulated; a scan under way ends at its next `checkpoint` when this is stopped."""
        cohort = services.labelled_scans(self.table)
        for number, scan in enumerate(cohort.scans):
            if scan.scan_id in self.outcomes:
                continue

            def tell(stage: str, share: float, number: int = number) -> None:
                step(number, len(cohort.scans))
                if not still_open():
                    raise Stopped

            self.outcomes[scan.scan_id] = services.score_scan(scan, number + 2, self.bundle, progress=tell)
        step(len(cohort.scans), len(cohort.scans))
        marked = (isinstance(entry, ScoredScan) and entry.simulated for entry in list(self.outcomes.values()))
        return cohort.simulated or any(marked)

    def finish(self) -> None:
        """Show the scored scans on the page, or keep why that cannot be; nothing where it was stopped."""
        try:
            simulated = self.job.result()
            keep_scored(services.scored_table(self.outcomes.values()), self.bundle, simulated=simulated)
        except Stopped:
            return
        except HtcoreError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - a bug must not take the page down
            # The places only: the exception's own text can hold a file name or a header's value.
            _log.error("scoring failed, %s\n%s", type(error).__name__, "".join(format_tb(error.__traceback__)))
            self.problem = _UNFORESEEN
        self.over = True


def draw_choice() -> None:
    """Offer the tables that may be scored, where the installation allows any."""
    tables = services.labelled_cohorts()
    if not tables:
        return
    with st.popover("Score scans", icon=":material/playlist_play:", key="score-scans"):
        st.write(
            "Labelled scans on the server's disk, scored by this model. The page stays as it is until all are done."
        )
        name = st.selectbox("Cohort", list(tables), key="scoring-cohort")
        scoring: Scoring | None = st.session_state.get(_SCORING)
        busy = scoring is not None and scoring.job.running
        st.button("Score", icon=":material/play_arrow:", disabled=busy, on_click=_begin, args=(name, tables[name]))


def _begin(name: str, table: Path) -> None:
    st.session_state[_SCORING] = Scoring(name, table, session.current_bundle())


def draw_scoring() -> None:
    """How far the scoring is, how to stop it and go on, and in the end which scans were left out and why."""
    scoring: Scoring | None = st.session_state.get(_SCORING)
    if scoring is None:
        return
    if scoring.job.running:
        _watch(scoring)
        return
    if not scoring.over:
        scoring.finish()
        if scoring.over:
            st.rerun()
        _draw_stopped(scoring)
    else:
        _draw_end(scoring)


@st.fragment(run_every=_TICK_S)
def _watch(scoring: Scoring) -> None:
    if not scoring.job.running:
        st.rerun()
    done, total = scoring.job.done, scoring.job.total
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(done / max(1, total), f"Scoring the scans: {done} of {total}")
        if st.button("Cancel", icon=":material/close:", key="cancel-scoring"):
            scoring.job.stop()
            st.rerun()


def _draw_stopped(scoring: Scoring) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"Stopped. {len(scoring.outcomes)} of {scoring.job.total} scans are scored and kept.")
        st.button("Go on", icon=":material/play_arrow:", on_click=scoring.go_on)
        _draw_dismiss()


def _draw_end(scoring: Scoring) -> None:
    refused = [entry for entry in scoring.outcomes.values() if isinstance(entry, RefusedScan)]
    if scoring.problem is None and not refused:
        return
    if scoring.problem is not None:
        st.error(f"The page shows what it showed before. {scoring.problem}", icon=":material/error:")
    if refused:
        st.warning(f"{len(refused)} of {len(scoring.outcomes)} scans were left out.", icon=":material/warning:")
        rows = [{"Row": entry.row, "Scan": entry.scan_id, "Why": entry.message} for entry in refused]
        st.dataframe(rows, hide_index=True, height=min(220, 38 + 35 * len(rows)))
    _draw_dismiss()


def _draw_dismiss() -> None:
    st.button("Dismiss", key="dismiss-scoring", on_click=lambda: st.session_state.pop(_SCORING, None))
