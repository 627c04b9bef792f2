"""ZIP and gzip contents in memory, opened with care: what a header promises is checked before anything is unpacked."""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib

from htcore.errors import ReadError
from htcore.limits import checkpoint

GZIP_MAGIC = b"\x1f\x8b"
DAMAGED = "The ZIP is damaged: copy or export it again."
# What zipfile and the decompressors behind it raise on damaged archives.
ZIP_ERRORS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError, OSError,
    ValueError, LookupError, ArithmeticError,
)  # fmt: skip
# DICOM media use Deflate (PS3.12 Annex V); LZMA can ask for gigabytes of dictionary, Deflate64 is not in Python.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DIRECTORY_ENTRY = b"PK\x01\x02"
_PIECE = 1 << 18


def open_zip(content: bytes, max_files: int) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    """An archive in memory and its files, folders left out; nothing is unpacked yet.

    Raises
    ------
    ReadError
        Codes ``too_many_files``, ``bad_zip``, ``encrypted_zip``, ``zip_method``.
    """
    # Counted in the bytes: an archive of millions of entries would fill the memory before it could be asked.
    if content.count(_DIRECTORY_ENTRY) > 2 * max_files + 1000:
        raise _too_many(max_files)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = [member for member in archive.infolist() if not member.is_dir()]
    except ZIP_ERRORS as error:
        raise ReadError(DAMAGED, code="bad_zip") from error
    if len(members) > max_files:
        raise _too_many(max_files)
    if any(member.flag_bits & 0x1 for member in members):
        raise ReadError("The ZIP is encrypted: unpack it, and give the folder.", code="encrypted_zip")
    if any(member.compress_type not in _METHODS for member in members):
        message = "The ZIP is packed by a method that is not read (only Deflate is): unpack it, and give the folder."
        raise ReadError(message, code="zip_method")
    return archive, members


def is_link(member: zipfile.ZipInfo) -> bool:
    """Whether a member is a symbolic link or another special file, by the Unix mode that its maker noted."""
    mode = member.external_attr >> 16
    return stat.S_IFMT(mode) not in (0, stat.S_IFREG)


def gunzip(content: bytes, limit: int) -> tuple[bytes, bool]:
    """Up to ``limit`` bytes of a .gz file of one or several members, and whether all that was asked could be had."""
    view, at, room = memoryview(content), 0, limit
    parts: list[bytes] = []
    while room > 0 and bytes(view[at : at + 2]) == GZIP_MAGIC:
        unpacker = zlib.decompressobj(wbits=31)
        while not unpacker.eof and room > 0:
            checkpoint()
            piece = view[at : at + _PIECE]
            try:
                part = unpacker.decompress(piece, room)
            except zlib.error:
                return b"".join(parts), False
            used = len(piece) - len(unpacker.unused_data) - len(unpacker.unconsumed_tail)
            if not part and not used and not unpacker.eof:
                return b"".join(parts), False
            parts.append(part)
            at += used
            room -= len(part)
    return b"".join(parts), True


def _too_many(max_files: int) -> ReadError:
    return ReadError(f"The ZIP holds more than {max_files} files: choose one study.", code="too_many_files")
