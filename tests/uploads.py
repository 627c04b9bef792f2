"""A small study as a browser uploads it, whole or spoiled, and what reading it ends in."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.dataset import FileDataset

from htcore.dicom import read_study
from htcore.errors import HtcoreError
from htcore.settings import Settings
from htcore.types import StudyReceipt, Volume
from tests.studies import HeadStudy

SMALL = HeadStudy(slabs=((10, 16.0),), shape=(40, 36), pixel_mm=(5.5, 6.0))
MIB = 1 << 20
Spoil = Callable[[Dataset], object]


def saved(dataset: FileDataset) -> bytes:
    """The dataset's file."""
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def files_of(study: HeadStudy = SMALL, change: Spoil | None = None) -> list[bytes]:
    """The study's files, each spoiled by ``change`` first."""
    datasets = study.datasets()
    for dataset in datasets:
        if change is not None:
            change(dataset)
    return [saved(dataset) for dataset in datasets]


def tags(**values: object) -> Spoil:
    """A change that sets elements."""

    def change(dataset: Dataset) -> None:
        for keyword, value in values.items():
            setattr(dataset, keyword, value)

    return change


def read(contents: list[bytes], settings: Settings | None = None) -> tuple[Volume, StudyReceipt]:
    """Read files given as bytes."""
    return read_study([(f"f{n}", io.BytesIO(content)) for n, content in enumerate(contents)], settings)


def code_of(source: Any, settings: Settings | None = None) -> str:
    """The code of the error that ``source`` (contents, or whatever ``read_study`` takes) ends in."""
    if isinstance(source, list) and all(isinstance(part, bytes) for part in source):
        source = [(f"f{n}", io.BytesIO(content)) for n, content in enumerate(source)]
    with pytest.raises(HtcoreError) as caught:
        read_study(source, settings)
    return caught.value.code


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of ``members``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def left_out(receipt: StudyReceipt) -> dict[str, int]:
    """Files left out, by reason."""
    return {entry.reason: entry.count for entry in receipt.left_out}
