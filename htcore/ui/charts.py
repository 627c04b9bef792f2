"""Charts in ink that can be read on the page's ground, and whole when they are taken from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from htcore.plots.palette import BLUE

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from streamlit.delta_generator import DeltaGenerator

FORMAT_KEY = "htcore.cohort.format"
Theme = Literal["light", "dark"]
# The themes' text colours and grounds (see .streamlit/config.toml): Streamlit's own theme for charts is paler.
_INK: dict[str, str] = {"light": "#1b2733", "dark": "#dbe3ea"}
_GROUND: dict[Theme, str] = {"light": "#ffffff", "dark": "#0e1216"}
# On the dark ground a model's blue would drown in its band.
_BLUE_ON_DARK = "#9BD3F5"
# A saved picture does not have the page's own letters: with these it measures and shows the same ones.
_FONT = "Arial, Helvetica, sans-serif"
_NOTICE_PX = 20
# No button of the toolbar sends a chart to anybody.
TOOLBAR: dict[str, Any] = {
    "displaylogo": False,
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["sendChartToCloud", "lasso2d", "select2d", "autoScale2d"],
}


_LEAST_PX = 680
_SIDEWAYS = f"""<style>
[class*="st-key-sideways-"] {{ overflow-x: auto; }}
[class*="st-key-sideways-"] > * {{ min-width: {_LEAST_PX}px; }}
@media (max-width: {_LEAST_PX}px) {{
  [class*="st-key-sideways-"]::before {{
    content: "Wider than the screen: move it sideways."; position: sticky; left: 0; min-width: 0; font-size: 0.875rem;
  }}
  /* Else the chart keeps the finger to itself. */
  [class*="st-key-sideways-"] .js-plotly-plot * {{ pointer-events: none !important; }}
}}
</style>"""


def sideways(key: str) -> DeltaGenerator:
    """A place for a picture with words beside each other: it is not squeezed on a phone but scrolls sideways."""
    st.html(_SIDEWAYS)
    return st.container(key=f"sideways-{key}")


def draw_chart(figure: go.Figure, key: str) -> None:
    """Draw ``figure`` with numbers and letters in the page's text colour."""
    ink = _INK.get(str(st.context.theme.type))
    if ink is not None:
        font = {"color": ink}
        figure.update_layout(font=font, legend={"font": font})
        figure.update_xaxes(tickfont=font, title={"font": font})
        figure.update_yaxes(tickfont=font, title={"font": font})
        figure.update_annotations(font=font)
        figure.update_traces(gauge={"axis": {"tickfont": font}}, selector={"type": "indicator"})
    st.plotly_chart(figure, key=key, config={"displayModeBar": False})


def draw_saved_chart(figure: go.Figure, key: str, simulated: bool | None, **options: Any) -> None:
    """Draw a chart whose toolbar saves it, in the format that was chosen, with notice and ground.

    ``simulated`` tells whether the scans are; ``options`` go to Streamlit.
    """
    settings = {
        **TOOLBAR,
        "toImageButtonOptions": {
            "format": st.session_state.get(FORMAT_KEY, "svg"),
            "filename": f"cohort-{key.removeprefix('cohort-')}",
            "scale": 2,
        },
    }
    theme: Theme = "dark" if st.context.theme.type == "dark" else "light"
    # Streamlit's own theme would put its letters and colours over these.
    st.plotly_chart(take_away(figure, simulated, theme), key=key, theme=None, config=settings, **options)


def take_away(figure: go.Figure, simulated: bool | None, theme: Theme = "light") -> go.Figure:
    """Give a dressed ``figure`` what it needs where no page stands around it, and return it.

    Its ground, letters that any machine has, and the notice below: ``simulated`` tells whether the scans are.
    """
    if theme == "dark":
        _lighten(figure)
    bottom, ink = figure.layout.margin.b, _INK[theme]
    figure.update_layout(
        paper_bgcolor=_GROUND[theme],
        font={"family": _FONT, "color": ink},
        height=figure.layout.height + _NOTICE_PX,
        margin={"b": bottom + _NOTICE_PX},
    )
    figure.add_annotation(
        text="simulated scans · research use only" if simulated else "research use only",
        xref="paper",
        yref="paper",
        x=1,
        y=0,
        yshift=-bottom,
        xanchor="right",
        yanchor="top",
        showarrow=False,
        font={"size": 11},
    )
    return figure


def _lighten(figure: go.Figure) -> None:
    for trace in figure.data:
        for part in ("line", "marker", "error_x", "error_y"):
            if part in trace and trace[part].color == BLUE:
                trace[part].color = _BLUE_ON_DARK
