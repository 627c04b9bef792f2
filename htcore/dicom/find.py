"""Sources (file, folder, upload, archive) → contents that may be images. Nothing is written to disk."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from htcore.errors import ReadError
from htcore.settings import Settings

Source = Path | str | BinaryIO | Sequence[Path] | Sequence[str] | Sequence[tuple[str, BinaryIO]]
Kind = Literal["dicom", "nifti", "zip"]

_HEAD_BYTES = 352
_GZIP_MAGIC = b"\x1f\x8b"
# Tag groups that open a DICOM file without the 128-byte preamble: file meta or identification, either byte order.
_BARE_DICOM = (b"\x02\x00\x00\x00", b"\x02\x00\x01\x00", b"\x02\x00\x10\x00", b"\x08\x00", b"\x00\x08\x00")
_NOT_IMAGE = "neither DICOM nor NIfTI"


@dataclass
class Found:
    """What a source holds. ``left_out`` counts files by reason; names are not kept, they can name a patient."""

    dicom: list[bytes] = field(default_factory=list)
    nifti: list[bytes] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    n_files: int = 0
    n_bytes: int = 0
    problem: ReadError | None = None


def find(source: Source, settings: Settings) -> Found:
    """Contents of every file of ``source`` that looks like DICOM or NIfTI, told by content and never by name.

    Raises
    ------
    ReadError
        If the source does not exist, is empty or may not be opened (codes ``not_found``, ``empty``,
        ``no_permission``), an archive is damaged or encrypted (``bad_zip``, ``encrypted_zip``), or a limit of
        ``settings`` is passed (``too_large``, ``too_many_files``, ``zip_ratio``).
    """
    found = Found()
    for stream in _streams(source, found):
        _take(stream, found, settings, depth=0)
    if found.problem is not None and not found.dicom and not found.nifti:
        raise found.problem
    if found.n_files == found.left_out["empty file"] and found.left_out.total() == found.n_files:
        raise ReadError("There are no files here: choose the folder or ZIP that holds the CT images.", code="empty")
    return found


def _streams(source: Source, found: Found) -> Iterator[BinaryIO]:
    if isinstance(source, (str, Path)):
        yield from _open_path(Path(source), found)
        return
    if not isinstance(source, Sequence):
        source.seek(0)
        yield source
        return
    for item in source:
        if isinstance(item, tuple):
            item[1].seek(0)
            yield item[1]
        else:
            yield from _open_path(Path(item), found)


def _open_path(path: Path, found: Found) -> Iterator[BinaryIO]:
    try:
        if path.is_file():
            with path.open("rb") as stream:
                yield stream
            return
        if not path.is_dir():
            raise ReadError("There is no such file or folder: check the path.", code="not_found")
        os.listdir(path)
    except PermissionError as error:
        message = "The file or folder may not be opened: ask its owner for permission to read."
        raise ReadError(message, code="no_permission") from error
    yield from _open_folder(path, found)


def _open_folder(path: Path, found: Found) -> Iterator[BinaryIO]:
    def closed(_: OSError) -> None:
        found.left_out["folder without permission to read"] += 1

    for folder, subfolders, names in os.walk(path, onerror=closed):
        subfolders.sort()
        for name in sorted(names):
            member = Path(folder, name)
            # A link can lead out of the folder that the person chose; a pipe or device never ends.
            if member.is_symlink() or not member.is_file():
                found.left_out["link or special file"] += 1
                continue
            try:
                stream = member.open("rb")
            except OSError:
                found.left_out["no permission to read"] += 1
                continue
            with stream:
                yield stream


def _take(stream: BinaryIO, found: Found, settings: Settings, depth: int) -> None:
    found.n_files += 1
    if found.n_files > settings.max_files:
        message = f"There are more than {settings.max_files} files: choose the folder of one study."
        raise ReadError(message, code="too_many_files")
    head = stream.read(_HEAD_BYTES)
    if not head:
        found.left_out["empty file"] += 1
        return
    if not _worth_reading(head):
        found.left_out[_NOT_IMAGE] += 1
        return
    _count(stream.seek(0, io.SEEK_END), found, settings)
    stream.seek(0)
    content = stream.read()
    if content.startswith(_GZIP_MAGIC):
        unpacked = _gunzip(content, found, settings)
        if unpacked is None:
            return
        content = unpacked
    kind = _kind(content)
    if kind == "zip":
        _take_archive(content, found, settings, depth)
    elif kind == "dicom":
        found.dicom.append(content)
    elif kind == "nifti":
        found.nifti.append(content)
    else:
        found.left_out[_NOT_IMAGE] += 1


def _count(n_bytes: int, found: Found, settings: Settings) -> None:
    found.n_bytes += n_bytes
    if found.n_bytes > settings.max_upload_bytes:
        message = f"More than {settings.max_upload_bytes >> 20} MiB were given: choose one study."
        raise ReadError(message, code="too_large")


def _worth_reading(head: bytes) -> bool:
    return head.startswith(_GZIP_MAGIC) or _kind(head) is not None


def _kind(head: bytes) -> Kind | None:
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:8] == b"n+2\x00":
        return "nifti"
    return "dicom" if head.startswith(_BARE_DICOM) and len(head) > 64 else None


def _gunzip(content: bytes, found: Found, settings: Settings) -> bytes | None:
    """Unpacked content; ``None`` where it was set aside."""
    limit = min(settings.max_upload_bytes - found.n_bytes, settings.max_zip_ratio * len(content))
    unpacker = zlib.decompressobj(wbits=31)
    try:
        out = unpacker.decompress(content, max(limit, 0) + 1)
    except zlib.error:
        out = b""
    if len(out) > limit:
        message = "A .gz file unpacks to more than the limit: give the images unpacked."
        _set_aside(found, "packed file over the limit", "zip_ratio", message)
        return None
    if not unpacker.eof:
        message = "A .gz file is damaged or cut short: copy or export it again."
        _set_aside(found, "damaged .gz file", "truncated", message)
        return None
    _count(len(out), found, settings)
    return out


def _take_archive(content: bytes, found: Found, settings: Settings, depth: int) -> None:
    if depth >= settings.max_zip_depth:
        found.left_out["ZIP nested too deeply"] += 1
        return
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = [member for member in archive.infolist() if not member.is_dir()]
    except (zipfile.BadZipFile, OSError, ValueError):
        _set_aside(found, "damaged ZIP", "bad_zip", "The ZIP is damaged: copy or export it again.")
        return
    if any(member.flag_bits & 0x1 for member in members):
        _set_aside(found, "encrypted ZIP", "encrypted_zip", "The ZIP is encrypted: unpack it, and give the folder.")
        return
    found.n_files -= 1
    _check_archive(members, len(content), settings)
    try:
        with archive:
            for member in members:
                # Members are read in memory, so a name with ../ leads nowhere.
                with archive.open(member) as stream:
                    _take(io.BytesIO(stream.read(member.file_size)), found, settings, depth + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as error:
        raise ReadError("The ZIP is damaged: copy or export it again.", code="bad_zip") from error


def _set_aside(found: Found, reason: str, code: str, message: str) -> None:
    """Leave an archive out; it is an error only where nothing else can be read."""
    found.left_out[reason] += 1
    found.problem = ReadError(message, code=code)


def _check_archive(members: list[zipfile.ZipInfo], packed: int, settings: Settings) -> None:
    if len(members) > settings.max_files:
        message = f"The ZIP holds more than {settings.max_files} files: choose one study."
        raise ReadError(message, code="too_many_files")
    unpacked = sum(member.file_size for member in members)
    if unpacked > settings.max_upload_bytes:
        message = f"The ZIP unpacks to more than {settings.max_upload_bytes >> 20} MiB: choose one study."
        raise ReadError(message, code="too_large")
    if unpacked > settings.max_zip_ratio * max(packed, 1):
        message = f"The ZIP unpacks to more than {settings.max_zip_ratio} times its size: give the images unpacked."
        raise ReadError(message, code="zip_ratio")
