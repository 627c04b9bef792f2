"""The cohort page: how good the model is, and at which threshold."""
