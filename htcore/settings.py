"""One frozen ``Settings``: defaults that are safe on a shared machine, changed by ``HTCORE_*`` in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from htcore.errors import UsageError


@dataclass(frozen=True)
class Settings:
    """What may differ from one installation to the next.

    Attributes
    ----------
    max_upload_bytes : int
        Bytes read from one source, after unpacking. A thin head CT has 200 MB; 2 GiB leaves room for a whole export.
    max_volume_bytes : int
        Bytes of the decoded volume: a header may declare far more pixels than the file holds.
    max_files : int
        Files looked at in one source, members of archives included.
    max_zip_ratio : int
        Unpacked over packed bytes; CT reaches 10, a file of zeros 1,000.
    max_zip_depth : int
        Archives inside archives: 2 reads a ZIP within a ZIP.
    deadline_s : int
        Seconds after which a study that is not scored yet is given up. A minute is slow; ten leave room for a busy
        machine.
    models_dir : Path
        Folder of model bundles.
    default_model : str
        Bundle used when none is named.
    example : str
        Example study that a new tab opens with; none by default.
    cohorts_dir : Path or None
        Folder whose ``cohort.csv`` files, its own and those of its folders, anybody at the dashboard may have scored.
        None by default: nobody at a browser reads this machine's disk.
    host, port
        Where the dashboard listens; the default answers this machine only.
    """

    max_upload_bytes: int = 2 << 30
    max_volume_bytes: int = 2 << 30
    max_files: int = 20_000
    max_zip_ratio: int = 200
    max_zip_depth: int = 2
    deadline_s: int = 600
    models_dir: Path = Path(__file__).resolve().parent.parent / "models"
    default_model: str = "ht-sim-v1"
    example: str = ""
    cohorts_dir: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8501

    def __post_init__(self) -> None:
        limits = ("max_upload_bytes", "max_volume_bytes", "max_files", "max_zip_ratio", "max_zip_depth", "deadline_s")
        for name in limits:
            if getattr(self, name) < 1:
                raise UsageError(f"HTCORE_{name.upper()} must be 1 or more")
        if not 0 <= self.port <= 65535:
            raise UsageError("HTCORE_PORT must lie between 0 and 65535")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Settings with each ``HTCORE_<FIELD>`` of ``environment`` (default: the process's) in place of its default.

        Raises
        ------
        UsageError
            If a value is not of its field's type or out of range.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for entry in fields(cls):
            variable = f"HTCORE_{entry.name.upper()}"
            if variable not in environment:
                continue
            text = environment[variable]
            try:
                values[entry.name] = {"int": int, "Path": Path, "Path | None": Path, "str": str}[str(entry.type)](text)
            except ValueError as error:
                raise UsageError(f"{variable} must be a whole number, found {text!r}") from error
        return cls(**values)


def fix_folders() -> None:
    """Make folders that the environment names absolute, before this process goes to another folder."""
    for variable in ("HTCORE_MODELS_DIR", "HTCORE_COHORTS_DIR"):
        if variable in os.environ:
            os.environ[variable] = str(Path(os.environ[variable]).absolute())
