"""Sources (file, folder, upload, archive) → contents that may be images. Nothing is written to disk."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, cast

from htcore.dicom.archive import DAMAGED, GZIP_MAGIC, ZIP_ERRORS, gunzip, is_link, open_zip
from htcore.errors import ReadError
from htcore.limits import checkpoint
from htcore.settings import Settings

Source = Path | str | BinaryIO | Sequence[Path] | Sequence[str] | Sequence[tuple[str, BinaryIO]]
Kind = Literal["dicom", "nifti", "zip"]

_HEAD_BYTES = 352
# Tag groups that open a DICOM file without the 128-byte preamble: file meta or identification, either byte order.
_BARE_DICOM = (b"\x02\x00\x00\x00", b"\x02\x00\x01\x00", b"\x02\x00\x10\x00", b"\x08\x00", b"\x00\x08\x00")
_NOT_IMAGE = "neither DICOM nor NIfTI"
_LINK = "link or special file"
_OTHER_ARCHIVE = "archive other than ZIP: unpack it"
_OTHER_ARCHIVES = (b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd")
_UNOPENED = {"bad_zip": "damaged ZIP", "encrypted_zip": "encrypted ZIP", "zip_method": "ZIP packed by a rare method"}


@dataclass
class Found:
    """What a source holds. ``left_out`` counts files by reason; names are not kept, they can name a patient."""

    dicom: list[bytes] = field(default_factory=list)
    nifti: list[bytes] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    n_files: int = 0
    n_bytes: int = 0
    problem: ReadError | None = None


@dataclass(frozen=True)
class _Packed:
    """How deep in archives a content lies, and the bytes at which unpacking what the outermost one holds must stop."""

    depth: int = 0
    ceiling: int | None = None

    def inside(self, found: Found, n_bytes: int, settings: Settings) -> _Packed:
        """One archive of ``n_bytes`` deeper; archives within archives share the allowance of the outermost."""
        ceiling = self.ceiling
        if ceiling is None:
            ceiling = found.n_bytes + settings.max_zip_ratio * n_bytes
        return _Packed(self.depth + 1, ceiling)


def find(source: Source, settings: Settings) -> Found:
    """Contents of every file of ``source`` that looks like DICOM or NIfTI, told by content and never by name.

    Raises
    ------
    ReadError
        If the source does not exist, is empty or may not be opened (codes ``not_found``, ``empty``,
        ``no_permission``, ``unreadable``), an archive is damaged, encrypted or packed by a rare method (``bad_zip``,
        ``encrypted_zip``, ``zip_method``), a packed CT image is damaged (``truncated``), or a limit of ``settings``
        is passed (``too_large``, ``too_many_files``, ``zip_ratio``).
    """
    found = Found()
    for stream in _streams(source, found):
        _take(stream, None, found, settings, _Packed())
    if found.problem is not None and not found.dicom and not found.nifti:
        raise found.problem
    if found.n_files == 0 and not found.left_out:
        raise ReadError("The folder or ZIP is empty: choose the one that holds the CT images.", code="empty")
    if found.n_files == found.left_out["empty file"] == found.left_out.total():
        message = "The file is empty, 0 bytes long: copy or export the study again."
        if found.n_files > 1:
            message = f"All {found.n_files} files are empty, 0 bytes long: copy or export the study again."
        raise ReadError(message, code="empty")
    return found


def _streams(source: Source, found: Found) -> Iterator[BinaryIO]:
    if isinstance(source, (str, Path)):
        yield from _open_path(Path(source), found)
        return
    for item in source if isinstance(source, Sequence) else [("", source)]:
        if isinstance(item, (str, Path)):
            yield from _open_path(Path(item), found)
            continue
        try:
            item[1].seek(0)
        except (OSError, ValueError) as error:
            raise ReadError("A file that was handed over is closed or cannot be rewound: open it again.") from error
        yield item[1]


def _open_path(path: Path, found: Found) -> Iterator[BinaryIO]:
    try:
        if path.is_file():
            with path.open("rb") as stream:
                yield stream
            return
        if path.exists() and not path.is_dir():
            message = "This is neither a file nor a folder but a pipe or device: give the file or folder of images."
            raise ReadError(message, code="not_a_file")
        if not path.is_dir():
            raise ReadError("There is no such file or folder: check the path.", code="not_found")
        os.listdir(path)
    except PermissionError as error:
        message = "The file or folder may not be opened: ask its owner for permission to read."
        raise ReadError(message, code="no_permission") from error
    except OSError as error:
        raise ReadError(
            "The file or folder cannot be opened: check the path and the disk.", code="not_found"
        ) from error
    yield from _open_folder(path, found)


def _open_folder(path: Path, found: Found) -> Iterator[BinaryIO]:
    def closed(_: OSError) -> None:
        found.left_out["folder without permission to read"] += 1

    for folder, subfolders, names in os.walk(path, onerror=closed):
        subfolders.sort()
        # A link can lead out of the folder that the person chose; a pipe or device never ends.
        for name in subfolders:
            if Path(folder, name).is_symlink():
                found.left_out[_LINK] += 1
        for name in sorted(names):
            member = Path(folder, name)
            try:
                if member.is_symlink() or not member.is_file():
                    found.left_out[_LINK] += 1
                    continue
                stream = member.open("rb")
            except OSError:
                found.left_out["no permission to read"] += 1
                continue
            with stream:
                yield stream


def _take(stream: BinaryIO, size: int | None, found: Found, settings: Settings, packed: _Packed) -> None:
    """Sort one file into ``found``. ``size`` is known for members of archives, where seeking would unpack them."""
    checkpoint()
    found.n_files += 1
    if found.n_files > settings.max_files:
        message = f"There are more than {settings.max_files} files: choose the folder of one study."
        raise ReadError(message, code="too_many_files")
    try:
        head = stream.read(_HEAD_BYTES)
        if not head:
            found.left_out["empty file"] += 1
            return
        if not head.startswith(GZIP_MAGIC) and _kind(head) is None:
            other = head.startswith(_OTHER_ARCHIVES) or head[257:262] == b"ustar"
            found.left_out[_OTHER_ARCHIVE if other else _NOT_IMAGE] += 1
            return
        n_bytes = stream.seek(0, io.SEEK_END) if size is None else size
        _count(n_bytes, found, settings, packed)
        stream.seek(0)
        # Never more than was counted: a file may grow while it is read.
        content = stream.read(n_bytes)
    except OSError:
        if size is not None:
            raise
        _set_aside(found, "cannot be read", ReadError("A file cannot be read: check the disk, or copy it again."))
        return
    if content.startswith(GZIP_MAGIC):
        unpacked = _gunzip(content, found, settings, packed)
        if unpacked is None:
            return
        content = unpacked
    kind = _kind(content)
    if kind == "zip":
        _take_archive(content, found, settings, packed)
    elif kind == "dicom":
        found.dicom.append(content)
    elif kind == "nifti":
        found.nifti.append(content)
    else:
        found.left_out[_NOT_IMAGE] += 1


def _count(n_bytes: int, found: Found, settings: Settings, packed: _Packed) -> None:
    found.n_bytes += n_bytes
    _check(found.n_bytes, settings, packed)


def _check(n_bytes: int, settings: Settings, packed: _Packed) -> None:
    if n_bytes > settings.max_upload_bytes:
        raise _too_large(settings)
    if packed.ceiling is not None and n_bytes > packed.ceiling:
        message = f"The ZIP unpacks to more than {settings.max_zip_ratio} times its size: give the images unpacked."
        raise ReadError(message, code="zip_ratio")


def _too_large(settings: Settings) -> ReadError:
    message = f"More than {settings.max_upload_bytes >> 20} MiB were given or unpacked: choose one study."
    return ReadError(message, code="too_large")


def _kind(head: bytes) -> Kind | None:
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    if head[344:348] in (b"n+1\x00", b"ni1\x00") or head[4:8] == b"n+2\x00":
        return "nifti"
    return "dicom" if head.startswith(_BARE_DICOM) and len(head) > 64 else None


def _gunzip(content: bytes, found: Found, settings: Settings, packed: _Packed) -> bytes | None:
    """Unpacked content; ``None`` where it was set aside."""
    kind = _kind(gunzip(content, _HEAD_BYTES)[0])
    if kind is None:
        found.left_out[_NOT_IMAGE] += 1
        return None
    room = max(settings.max_upload_bytes - found.n_bytes, 0)
    limit = min(room, settings.max_zip_ratio * len(content))
    out, complete = gunzip(content, limit + 1)
    if len(out) > room:
        raise _too_large(settings)
    if len(out) > limit:
        message = (
            f"A .gz file unpacks to more than {settings.max_zip_ratio} times its size, as no scan does: "
            "give the images unpacked."
        )
        _set_aside(found, "packed file over the limit", ReadError(message, code="zip_ratio"))
        return None
    if not complete:
        error = ReadError("A .gz file is damaged or cut short: copy or export it again.", code="truncated")
        if kind == "dicom":
            # It may be a slice: to leave it out would leave a gap.
            raise error
        _set_aside(found, "damaged .gz file", error)
        return None
    _count(len(out), found, settings, packed)
    return out


def _take_archive(content: bytes, found: Found, settings: Settings, packed: _Packed) -> None:
    if packed.depth >= settings.max_zip_depth:
        found.left_out["ZIP nested too deeply"] += 1
        return
    found.n_files -= 1
    try:
        archive, members = open_zip(content, settings.max_files)
    except ReadError as error:
        if error.code not in _UNOPENED:
            raise
        found.n_files += 1
        _set_aside(found, _UNOPENED[error.code], error)
        return
    inside = packed.inside(found, len(content), settings)
    # What the members promise is refused before any of it is unpacked; none gives more than it promises.
    _check(found.n_bytes + sum(member.file_size for member in members), settings, inside)
    try:
        with archive:
            for member in members:
                if is_link(member):
                    found.n_files += 1
                    found.left_out[_LINK] += 1
                    continue
                # Members are read in memory, so a name with ../ leads nowhere.
                with archive.open(member) as stream:
                    _take(cast(BinaryIO, stream), member.file_size, found, settings, inside)
    except ZIP_ERRORS as error:
        raise ReadError(DAMAGED, code="bad_zip") from error


def _set_aside(found: Found, reason: str, problem: ReadError) -> None:
    """Leave a file out; it is an error only where nothing else can be read."""
    found.left_out[reason] += 1
    found.problem = problem
