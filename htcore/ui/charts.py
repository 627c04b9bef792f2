"""Charts in ink that can be read on the page's ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    import plotly.graph_objects as go

# The themes' text colours (see .streamlit/config.toml): Streamlit's own theme for charts is paler.
_INK = {"light": "#1b2733", "dark": "#dbe3ea"}


def draw_chart(figure: go.Figure, key: str) -> None:
    """Draw ``figure`` with numbers and letters in the page's text colour."""
    ink = _INK.get(str(st.context.theme.type))
    if ink is not None:
        font = {"color": ink}
        figure.update_layout(font=font, legend={"font": font})
        figure.update_xaxes(tickfont=font, title={"font": font})
        figure.update_yaxes(tickfont=font, title={"font": font})
        figure.update_annotations(font=font)
        figure.update_traces(number={"font": font}, gauge={"axis": {"tickfont": font}}, selector={"type": "indicator"})
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})
