"""From labelled scans to a model bundle."""
