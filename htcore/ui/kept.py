"""What a person set, over runs that do not draw the control: Streamlit forgets a widget that is not on the screen."""

from __future__ import annotations

from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
_KEPT = "htcore.kept."


def recall(key: str, start: Any = None) -> None:
    """Give the widget ``key``, which is to be drawn next, what was kept of it; where nothing was, ``start`` if any."""
    found = st.session_state.get(_KEPT + key, start)
    if key not in st.session_state and found is not None:
        st.session_state[key] = found


def keep(key: str, chosen: T) -> T:
    """Keep what the widget ``key`` holds now, until the session ends, and return it."""
    st.session_state[_KEPT + key] = chosen
    return chosen
