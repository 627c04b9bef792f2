"""One study on one page of paper."""

from htcore.report.page import write_report

__all__ = ["write_report"]
