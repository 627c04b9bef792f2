"""The page that ``benchmarks.app`` compares with: the viewer and a slider with an image, over the same made-up volume.

Run by ``streamlit run``; HTCORE_BENCH_SHAPE is "slices,rows,columns".
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import streamlit as st  # noqa: TID251
from streamlit.starlette import App  # noqa: TID251

from htcore.types import Assessment, QualityReport, StudyReceipt, Volume
from htcore.ui.server import publish, routes
from htcore.ui.viewer import draw_viewer

WINDOW_WIDTH, WINDOW_CENTRE = 80, 40


@st.cache_resource
def made_up() -> Assessment:
    """Noise in a bright ring: as hard to pack as a scan."""
    slices, rows, columns = (int(value) for value in os.environ["HTCORE_BENCH_SHAPE"].split(","))
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    radius = np.hypot(x, y)
    plane = np.where(radius < 0.6, 35, np.where(radius < 0.7, 1000, -1000))
    noise = np.random.default_rng(1).normal(0, 5, (8, rows, columns))
    hu = np.stack([(plane + np.roll(noise[k % 8], k, axis=1)) for k in range(slices)]).astype(np.int16)
    affines = np.tile(np.diag([0.45, 0.45, 1.0, 1.0]), (slices, 1, 1))
    affines[:, 2, 3] = np.arange(slices)
    volume = Volume(hu, affines, np.ones(slices))
    return Assessment(volume, StudyReceipt("dicom", slices, (), (), "0" * 64, simulated=True), QualityReport())


def draw() -> None:
    """The viewer, or the slider and the image."""
    st.set_page_config(layout="wide")
    opened = made_up()
    if st.query_params.get("page") == "viewer":
        if "served" not in st.session_state:
            st.session_state["served"] = publish(opened)
        draw_viewer(st.session_state["served"], key="viewer")
        return
    k = st.slider("Slice", 0, opened.volume.shape[0] - 1, 5)
    grey = (opened.volume.hu[k].astype(np.float32) - WINDOW_CENTRE) / WINDOW_WIDTH + 0.5
    st.image((grey.clip(0, 1) * 255).astype(np.uint8))


if __name__ == "__main__":
    draw()
else:
    app = App(Path(__file__).resolve(), routes=routes())
