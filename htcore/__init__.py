"""Risk of hemorrhagic transformation from a plain head CT: reading, scoring, explaining, evaluating."""

__version__ = "0.1.0"
