"""What people take along on paper: one study on one page, and the cohort page."""

from htcore.report.cohort import write_cohort_report
from htcore.report.page import printable, write_report

__all__ = ["printable", "write_cohort_report", "write_report"]
