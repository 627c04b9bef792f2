"""Review a scan: from dropped files to a risk and where it comes from."""

from __future__ import annotations

import streamlit as st

from htcore.ui import session
from htcore.ui.intake import draw_intake
from htcore.ui.result import draw_result

opened = session.assessment()
problem = session.problem()

if problem is not None:
    st.error(problem, icon=":material/error:")

if opened is None:
    st.title("Review a scan")
    st.write(
        "Give a plain head CT of an acute ischemic stroke; it is read on this machine, scored, and forgotten when "
        "the page is closed."
    )
    draw_intake()
else:
    draw_result(opened)
    with st.expander("Open another study", icon=":material/upload:"):
        draw_intake()
