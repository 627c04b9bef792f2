"""Bad archives and folders: bombs, names that lead out, links, pipes, missing permission. Nothing is written."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest

from htcore.dicom import read_study
from htcore.errors import HtcoreError, ReadError
from htcore.settings import Settings
from tests.uploads import MIB, SMALL, code_of, files_of, left_out, read, zipped

# Archives


@pytest.mark.parametrize("depth", [1, 2])
def test_a_zip_bomb(depth: int, peak_mib: Callable[[], float]) -> None:
    bomb = zipped({f"{n}": b"\0" * 128 + b"DICM" + bytes(16 * MIB) for n in range(3)})
    if depth == 2:
        bomb = zipped({"inner.zip": bomb})
    tracemalloc.reset_peak()
    assert code_of([bomb]) == "zip_ratio"
    assert peak_mib() < 4


def test_a_zip_bomb_of_two_storeys_does_not_multiply_the_allowance(peak_mib: Callable[[], float]) -> None:
    """Each storey stays under the ratio of 200, together they pass it by far."""
    inner = zipped({"x": b"\0" * 128 + b"DICM" + os.urandom(1500) + bytes(250_000)})
    stored = zipped({f"{n}.zip": inner for n in range(60)}, zipfile.ZIP_STORED)
    tower = zipped({"all.zip": stored})
    assert 251_632 / len(inner) < 200 and len(stored) / len(tower) < 200
    tracemalloc.reset_peak()
    assert code_of([tower], Settings(max_zip_depth=3)) == "zip_ratio"
    assert peak_mib() < 16


def _dicm(zeros: int) -> bytes:
    return b"\0" * 128 + b"DICM" + bytes(zeros)


def test_a_zip_bomb_of_many_small_members_is_refused_before_the_first(peak_mib: Callable[[], float]) -> None:
    bomb = zipped({f"{n}": _dicm(100_000) for n in range(400)})
    tracemalloc.reset_peak()
    assert code_of([bomb]) == "zip_ratio"
    assert peak_mib() < 8


def test_a_zip_whose_entries_overlap(peak_mib: Callable[[], float]) -> None:
    """Many directory entries that share one compressed kernel (Fifield 2019): small packed, vast unpacked."""
    kernel = zipped({"a": _dicm(1_000_000)})
    at = kernel.index(b"PK\x01\x02")
    entry = kernel[at : kernel.index(b"PK\x05\x06")]
    count = 400
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, at, 0)
    assert code_of([kernel[:at] + entry * count + end]) == "zip_ratio"
    assert peak_mib() < 8


def test_a_zip_that_holds_itself_ends() -> None:
    """Archives within archives stop at the depth of the settings, whatever is deeper."""
    content = zipped({"a": files_of()[0]})
    for _ in range(6):
        content = zipped({"a.zip": content, "b.zip": content})
    with pytest.raises(ReadError, match="nested too deeply") as caught:
        read([content])
    assert caught.value.code == "no_dicom"


def test_a_zip_of_very_many_entries_is_refused_before_its_directory_is_read(peak_mib: Callable[[], float]) -> None:
    entry = zipped({"a": b""})
    at = entry.index(b"PK\x01\x02")
    entry, count = entry[at : entry.index(b"PK\x05\x06")], 60_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entry) * count, 0, 0)
    bomb = b"PK\x03\x04" + bytes(100) + entry * count + end
    tracemalloc.reset_peak()
    assert code_of([bomb]) == "too_many_files"
    assert peak_mib() < 16


def _tree(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_names_that_lead_out_of_a_zip_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    names = [
        "../up",
        "../../up",
        f"{tmp_path}/absolute",
        "C:\\windows\\x",
        "..\\..\\x",
        "a/../../b",
        "/etc/htcore",
        "nul\0x",
    ]
    files = files_of()
    members = {name.replace("\0", "_"): content for name, content in zip(names, files, strict=False)}
    members |= {f"{n}": content for n, content in enumerate(files[len(names) :])}
    before = _tree(tmp_path)
    volume, _ = read([zipped(members)])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert _tree(tmp_path) == before
    assert not Path("/etc/htcore").exists()


def test_links_in_a_zip_are_left_out() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for n, content in enumerate(files_of()):
            archive.writestr(f"{n}", content)
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    volume, receipt = read([stream.getvalue()])
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert (left_out(receipt), receipt.n_files) == ({"link or special file": 1}, 11)


def test_encrypted_damaged_and_rare_zips() -> None:
    files = files_of()
    good = zipped({"a": files[0]})
    flagged = bytearray(good)
    flagged[6] |= 1
    flagged[good.rindex(b"PK\x01\x02") + 8] |= 1
    assert code_of([bytes(flagged)]) == "encrypted_zip"
    assert code_of([good[: len(good) // 2]]) == "bad_zip"
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    assert code_of([bytes(flipped)]) == "bad_zip"
    for method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        assert code_of([zipped({"a": files[0]}, method)]) == "zip_method"
    deflate64 = bytearray(good)
    deflate64[8] = 9
    deflate64[good.rindex(b"PK\x01\x02") + 10] = 9
    assert code_of([bytes(deflate64)]) == "zip_method"
    newer = bytearray(good)
    newer[good.rindex(b"PK\x01\x02") + 6] = 255
    assert code_of([bytes(newer)]) == "bad_zip"
    nameless = bytearray(good)
    at = good.rindex(b"PK\x01\x02")
    nameless[at + 28 : at + 32] = b"\0\0\1\0"  # no name, and its one byte counted as an extra field
    assert code_of([bytes(nameless)]) == "bad_zip"
    # Beside good images it is left out, and said so.
    assert left_out(read([*files, bytes(flagged)])[1]) == {"encrypted ZIP": 1}


# Folders


def test_links_and_pipes_in_a_folder_are_not_followed(tmp_path: Path) -> None:
    SMALL.write(tmp_path / "elsewhere")
    here = tmp_path / "here"
    here.mkdir()
    (here / "link").symlink_to(tmp_path / "elsewhere" / "000")
    (here / "folder").symlink_to(tmp_path / "elsewhere")
    (here / "loop").symlink_to(here)
    (here / "zero").symlink_to("/dev/zero")
    os.mkfifo(here / "pipe")
    with pytest.raises(ReadError, match="5 × link or special file") as caught:
        read_study(here)
    assert caught.value.code == "no_dicom"
    SMALL.write(here)
    volume, receipt = read_study(here)
    np.testing.assert_array_equal(volume.hu, SMALL.hu())
    assert left_out(receipt) == {"link or special file": 5}


def test_a_pipe_or_device_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert code_of(tmp_path / "pipe") == "not_a_file"
    assert code_of(Path("/dev/zero")) == "not_a_file"
    assert code_of(tmp_path / ("x" * 300)) == "not_found"


def _as_nobody(work: Callable[[], str]) -> str:
    """What ``work`` returns in a child process that is not root, so that permissions count."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            answer = work()
        except BaseException as error:  # noqa: BLE001 - the child must not run the rest of the tests
            answer = f"{type(error).__name__}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return answer


def _outcome(source: Path) -> Callable[[], str]:
    def work() -> str:
        try:
            return repr(left_out(read_study(source)[1]))
        except HtcoreError as error:
            return error.code

    return work


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder under one that anybody may enter (pytest's own are closed to others)."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent == Path("/tmp") or not os.access(parent, os.W_OK):
            break
        parent.chmod(parent.stat().st_mode | 0o055)
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)


def test_a_folder_or_file_without_permission(open_folder: Path) -> None:
    SMALL.write(open_folder / "study")
    SMALL.write(open_folder / "study" / "closed")
    (open_folder / "study").chmod(0o755)
    assert _as_nobody(_outcome(open_folder / "study")) == repr({"same slice again": 10})
    (open_folder / "study" / "closed").chmod(0)
    (open_folder / "study" / "junk").write_bytes(b"x")
    (open_folder / "study" / "junk").chmod(0)
    assert _as_nobody(_outcome(open_folder / "study" / "closed")) == "no_permission"
    assert _as_nobody(_outcome(open_folder / "study" / "junk")) == "no_permission"
    assert _as_nobody(_outcome(open_folder / "study" / "closed" / "000")) == "no_permission"
    expected = {"folder without permission to read": 1, "no permission to read": 1}
    assert _as_nobody(_outcome(open_folder / "study")) == repr(expected)


# gzip


def _nifti_bytes() -> bytes:
    return nibabel.Nifti1Image(SMALL.hu().transpose(2, 1, 0), np.diag([-6.0, -5.5, 16.0, 1.0])).to_bytes()


def test_a_packed_slice_cut_short_leaves_no_silent_gap() -> None:
    packed = [gzip.compress(content) for content in files_of()]
    np.testing.assert_array_equal(read(packed)[0].hu, SMALL.hu())
    assert code_of([*packed[:4], packed[4][:-300], *packed[5:]]) == "truncated"


def test_a_gz_of_several_members_and_one_of_text() -> None:
    content = _nifti_bytes()
    parts = [gzip.compress(content[at : at + 5000]) for at in range(0, len(content), 5000)]
    np.testing.assert_array_equal(read([b"".join(parts)])[0].hu, SMALL.hu())
    assert code_of([b"".join(parts[:-1])]) == "truncated"
    assert left_out(read([*files_of(), gzip.compress(b"text " * 1000)])[1]) == {"neither DICOM nor NIfTI": 1}


def test_a_gz_bomb(peak_mib: Callable[[], float]) -> None:
    bomb = gzip.compress(_nifti_bytes()[:352] + bytes(64 * MIB))
    tracemalloc.reset_peak()
    assert code_of([bomb]) == "zip_ratio"
    assert peak_mib() < 40
