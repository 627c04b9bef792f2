"""The model page: what it is, what was measured of it, and what it must not be used for."""
