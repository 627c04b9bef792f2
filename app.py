"""The dashboard's entry: `streamlit run app.py` serves it, and the runtime executes this same file for each rerun."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from htcore.ui.notice import banner
from htcore.ui.server import hold_uploads_in_memory, routes


def draw() -> None:
    """Draw the page that is chosen, below the notice that every page carries."""
    st.set_page_config(page_title="Hemorrhagic transformation risk", page_icon="🧠", layout="wide")
    page = st.navigation(
        [
            st.Page("pages/review.py", title="Review a scan", icon=":material/radiology:", default=True),
            st.Page("pages/cohort.py", title="Cohort", icon=":material/monitoring:"),
            st.Page("pages/model.py", title="Model", icon=":material/model_training:"),
        ],
        position="top",
    )
    banner()
    page.run()


if __name__ == "__main__":
    draw()
else:
    # Else a first visitor who asks for a page by its address gets the bare file in pages/, without the notice.
    PagesManager.uses_pages_directory = False
    hold_uploads_in_memory()
    app = App(Path(__file__).resolve(), routes=routes())
