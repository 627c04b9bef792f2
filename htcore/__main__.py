"""``python -m htcore``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import typer

from htcore.cli import app
from htcore.errors import UsageError
from htcore.serialise import error_json


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; with ``--json``, wrong usage answers in JSON too."""
    if "--json" not in arguments:
        app(list(arguments), prog_name="htcore")
    try:
        return int(app(list(arguments), prog_name="htcore", standalone_mode=False) or 0)
    except typer.TyperException:
        # Its own text repeats what was typed, and a path can name a patient.
        message = "The command or one of its options is not understood: add --help to see what it takes."
        typer.echo(json.dumps(error_json(UsageError(message))))
        return UsageError.exit_code


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
