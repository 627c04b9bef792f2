"""A simulated stroke cohort whose truth is known: real average anatomy, drawn people, infarcts, scanner and outcome."""

from htcore.simulation.cohort import CohortSummary, simulate_cohort
from htcore.simulation.plan import CohortParameters
from htcore.simulation.scan import ScanTruth, simulate_scan

__all__ = ["CohortParameters", "CohortSummary", "ScanTruth", "simulate_cohort", "simulate_scan"]
