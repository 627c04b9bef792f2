"""Whatever happens to the bytes, the outcome is an error of this package or a volume whose geometry is sound."""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
import pytest

from htcore.dicom import read_study
from htcore.errors import HtcoreError
from htcore.settings import Settings
from tests.studies import HeadStudy

STUDY = HeadStudy(slabs=((8, 20.0),), shape=(12, 10), pixel_mm=(18.0, 20.0))
# The full run: HTCORE_TEST_MUTATIONS=5000.
MUTATIONS = int(os.environ.get("HTCORE_TEST_MUTATIONS", "300"))
LIMITS = Settings(max_upload_bytes=1 << 24, max_volume_bytes=1 << 26, max_files=200)


def _files() -> list[bytes]:
    out = []
    for dataset in STUDY.datasets():
        stream = io.BytesIO()
        dataset.save_as(stream, enforce_file_format=True)
        out.append(stream.getvalue())
    return out


def _spoil(files: list[bytes], rng: np.random.Generator) -> list[bytes]:
    out = [files[k] for k in rng.permutation(len(files))]
    for _ in range(int(rng.integers(1, 4))):
        k = int(rng.integers(len(out)))
        content = bytearray(out[k])
        if not content:
            continue
        kind = rng.integers(4)
        at = int(rng.integers(len(content)))
        if kind == 0:
            del content[at:]
        elif kind == 1:
            del content[at : at + int(rng.integers(1, 40))]
        elif kind == 2:
            content[at] = int(rng.integers(256))
        else:
            # The header, where a flip does most.
            for place in rng.integers(min(1400, len(content)), size=8):
                content[int(place)] ^= 1 << int(rng.integers(8))
        out[k] = bytes(content)
    return out


@pytest.mark.parametrize("block", range(3))
def test_mutations_end_in_a_volume_or_an_error_of_ours(block: int) -> None:
    files = _files()
    rng = np.random.default_rng(block)
    outcomes = {"volume": 0, "error": 0}
    for _ in range(MUTATIONS // 3):
        spoiled = _spoil(files, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                volume, receipt = read_study([("x", io.BytesIO(content)) for content in spoiled], LIMITS)
            except HtcoreError as error:
                assert "P1" not in str(error)
                outcomes["error"] += 1
                continue
        outcomes["volume"] += 1
        assert volume.shape[0] + sum(entry.count for entry in receipt.left_out) == len(files)
        assert (np.diff(volume.positions_mm) > 0).all()
        assert np.isfinite(volume.affines).all() and (volume.thickness_mm > 0).all()
    assert min(outcomes.values()) > 0
