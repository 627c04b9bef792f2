"""Side-by-side timings, run by hand: ``make bench``."""
