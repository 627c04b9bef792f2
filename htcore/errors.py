"""The errors a caller may meet. Each has a stable ``code`` and a sentence that says what to do.

No message carries a patient identifier, a file name or a path: all of these can name a patient.
"""

from __future__ import annotations


class HtcoreError(Exception):
    """Base of every error raised on purpose.

    Catch this to show ``str(error)`` to a person and ``error.code`` to a program.
    """

    code = "error"
    exit_code = 3

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class UsageError(HtcoreError):
    """The request itself is wrong (an impossible parameter): correct it and call again."""

    code = "usage"
    exit_code = 2


class ReadError(HtcoreError):
    """The source holds nothing that can be read as one CT study: export the original series again."""

    code = "unreadable"


class RefusedError(HtcoreError):
    """The study was read, and must not be scored: the quality findings say why."""

    code = "refused"
    exit_code = 4


class StoppedError(HtcoreError):
    """Whoever asked for the work took it back: nothing is wrong with the study."""

    code = "stopped"


class DeadlineError(HtcoreError):
    """The work took longer than it may: call again with more time, or on a machine with less to do."""

    code = "deadline"


class BundleError(HtcoreError):
    """A model bundle is missing, damaged or of another version: restore or re-train it."""

    code = "bundle"


class CohortError(HtcoreError):
    """A cohort table or its scans cannot be used: the message names the row and column."""

    code = "cohort"


class MaskError(CohortError):
    """A lesion mask does not fit its scan: save it anew on the scan's own voxels."""

    code = "mask"


class TrainingError(HtcoreError):
    """Training could not go on; the last good checkpoint is kept."""

    code = "training"
