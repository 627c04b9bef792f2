"""A model's folder: files held by their hashes in ``hashes.json``, and replaced so that it is whole at every moment."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from htcore.errors import BundleError
from htcore.processes import alone_in

HASHES = "hashes.json"
RESTORE = "restore the model's folder from its source, or train it again"


def verified(folder: Path, needed: Sequence[str], optional: Sequence[str]) -> dict[str, Any]:
    """``hashes.json``, once every file is as it says; of a file that is being replaced, the hash that it has.

    Parameters
    ----------
    needed, optional : names of the files that have to be there, and of those that may.

    Raises
    ------
    BundleError
        With code ``bundle_missing`` or ``bundle_damaged``.
    """
    hashes = read_json(folder / HASHES)
    found = dict(hashes)
    extra = (name for name in optional if name in hashes or (folder / name).exists())
    try:
        for name in (*needed, *extra):
            file, entry = folder / name, hashes.get(name)
            allowed = entry if isinstance(entry, list) else [entry]  # before and after it is replaced
            if file.is_file():
                found[name] = sha256_of(file.read_bytes())
                if found[name] not in allowed:
                    raise damaged(name)
            elif isinstance(entry, list) and None in entry:
                del found[name]
            else:
                raise BundleError(f"The model lacks its {name}: {RESTORE}.", code="bundle_missing")
    except BundleError:
        if read_json(folder / HASHES) == hashes:
            raise
        return verified(folder, needed, optional)  # files were replaced meanwhile
    return found


def replace_files(folder: Path, files: Mapping[str, bytes], needed: Sequence[str], optional: Sequence[str]) -> None:
    """Replace or add files, all or nothing; one writer after the other.

    Until all are replaced ``hashes.json`` lists for each of them what it was, null for no file, and what it becomes:
    whoever reads meanwhile, or after an end half-way, finds no damage.

    Raises
    ------
    BundleError
        As `verified`, or if a file cannot be written.
    """
    try:
        with alone_in(folder, wait=True):
            before = verified(folder, needed, optional)
            kept = {name: (folder / name).read_bytes() if name in before else None for name in files}
            after = {**before, **{name: sha256_of(content) for name, content in files.items()}}
            either = {**after, **{name: [before.get(name), after[name]] for name in files}}
            try:
                _write(folder, {HASHES: as_json(either)})
                _write(folder, {**files, HASHES: as_json(after)})
            except OSError:
                with suppress(OSError):
                    _write(folder, {**kept, HASHES: as_json(before)})
                raise
    except OSError as error:
        raise BundleError("The model could not be written: free disk space or choose another folder.") from error


def _write(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """One file after the other, each as a whole; taken out where there is no content."""
    for name, content in files.items():
        partial = folder / f"{name}.partial"
        try:
            if content is None:
                (folder / name).unlink(missing_ok=True)
            else:
                partial.write_bytes(content)
                os.replace(partial, folder / name)
        finally:
            partial.unlink(missing_ok=True)


def damaged(name: str) -> BundleError:
    """What to raise where a file is not as ``hashes.json`` says."""
    return BundleError(f"The model's {name} was changed or damaged: {RESTORE}.", code="bundle_damaged")


def read_json(path: Path) -> dict[str, Any]:
    """An object of a JSON file.

    Raises
    ------
    BundleError
        Code ``bundle_damaged``, if it cannot be read or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"The model's {path.name} cannot be read: {RESTORE}.", code="bundle_damaged") from error
    if not isinstance(values, dict):
        raise BundleError(f"The model's {path.name} holds no settings: {RESTORE}.", code="bundle_damaged")
    return values


def as_json(values: Mapping[str, Any]) -> bytes:
    """The content of a JSON file."""
    return json.dumps(values, indent=1).encode()


def sha256_of(content: bytes) -> str:
    """The hash of a file's content, in hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
