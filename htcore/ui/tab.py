"""What a browser's tab remembers, so that a reload brings the open study back.

The tab's own storage holds a random claim; it goes with the tab, never into an address, a log or another tab. A page
that starts with no study shows the claim, once. Who may have the study then, ``server.reclaim`` decides.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from htcore.ui import session

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_SCRIPT = """
const KEPT = "htcore.claim";
export default function ({ data, setTriggerValue }) {
  try {
    const kept = sessionStorage.getItem(KEPT);
    if (data.claim) sessionStorage.setItem(KEPT, data.claim);
    else sessionStorage.removeItem(KEPT);
    if (data.ask && kept) setTriggerValue("claim", kept);
  } catch {
    // A browser that forbids storage forgets the study on a reload; nothing else depends on it.
  }
}
"""


# Nothing to see, so no room taken.
_STYLE = "<style>.st-key-tab { position: absolute; }</style>"


def remember_tab() -> None:
    """Let the tab keep the open study's claim; give a tab that was just reloaded its study back."""
    served = session.served_study()
    # A reload ends the session that a study under way belongs to.
    kept = served.claim if served is not None and session.job() is None else None
    st.html(_STYLE)
    with st.container(key="tab"):
        answer = _component()(
            key="tab-claim",
            data={"claim": kept, "ask": session.is_new()},
            on_claim_change=lambda: None,
        )
    claim = answer.get("claim")
    if isinstance(claim, str) and session.is_new():
        session.return_to(claim)
        st.rerun()


@cache
def _component() -> ComponentRenderer:
    return st.components.v2.component("htcore_tab", html="<span></span>", js=_SCRIPT)
