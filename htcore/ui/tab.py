"""What a browser's tab remembers, so that a reload brings the open study back.

The tab's own storage holds a random claim; it goes with the tab, never into an address, a log or another tab. A page
that starts with no study shows the claim, once. Who may have the study then, ``server.reclaim`` decides.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from htcore.settings import Settings
from htcore.ui import session

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_SCRIPT = """
const KEPT = "htcore.claim";
const BUSY = "htcore.busy";
export default function ({ data, setTriggerValue }) {
  try {
    const kept = sessionStorage.getItem(KEPT);
    const busy = sessionStorage.getItem(BUSY);
    if (data.claim) sessionStorage.setItem(KEPT, data.claim);
    else sessionStorage.removeItem(KEPT);
    if (data.busy) sessionStorage.setItem(BUSY, "1");
    else sessionStorage.removeItem(BUSY);
    if (data.ask && busy) setTriggerValue("claim", BUSY);
    else if (data.ask && (kept || data.greet)) setTriggerValue("claim", kept ?? "");
  } catch {
    // A browser that forbids storage forgets the study on a reload; nothing else depends on it.
    if (data.ask && data.greet) setTriggerValue("claim", "");
  }
}
"""


_BUSY = "htcore.busy"
_RELOADED = "The page was reloaded while a scan was being scored, which ended it: give the scan again."

# Nothing to see, so no room taken.
_STYLE = "<style>.st-key-tab { position: absolute; }</style>"


def remember_tab() -> None:
    """Let the tab keep the open study's claim; give a tab that was just reloaded its study back.

    A tab that is new opens the example study of the installation, where it has one.
    """
    served = session.served_study()
    # A reload ends the session that a study under way belongs to.
    busy = session.job() is not None
    kept = served.claim if served is not None and not busy else None
    st.html(_STYLE)
    with st.container(key="tab"):
        answer = _component()(
            key="tab-claim",
            data={
                "claim": kept,
                "busy": busy,
                "ask": session.is_new(),
                "greet": bool(Settings.from_environment().example),
            },
            on_claim_change=lambda: None,
        )
    claim = answer.get("claim")
    if isinstance(claim, str) and session.is_new():
        if claim == _BUSY:
            session.give_up(_RELOADED)
        elif claim:
            session.return_to(claim)
        else:
            session.open_example(Settings.from_environment().example)
        st.rerun()


@cache
def _component() -> ComponentRenderer:
    return st.components.v2.component("htcore_tab", html="<span></span>", js=_SCRIPT)
