"""The only Streamlit inside htcore: the viewer component, session state, and the widgets that pages share."""
