"""The review page: one study, its risk, and why."""
