"""The route from which the viewer fetches one study's pixels and maps.

Data passed through a component travels again with every rerun; by URL it travels once. The URL carries a random token.
The server holds the token weakly: the study belongs to the session's state, and goes when that goes.
"""

from __future__ import annotations

import gzip
import secrets
import sys
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from htcore.transforms import reproject
from htcore.types import Assessment
from htcore.ui import case_pictures, scripts

# A study left open this long without a rerun can no longer be fetched; the page then asks for a new token.
TIME_LIMIT_S = 3600.0
# Maps have 4 mm pixels: every fourth pixel of a head CT keeps all of them.
MAP_STEP = 4
# How long a reloaded page waits for its former connection to be seen as closed.
LEAVE_S = 2.0
PATH = "/study"
# Level 1 packs 28 slices in a third of the time of level 6 and 10% larger.
_GZIP_LEVEL = 1
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Encoding": "gzip",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Kept:
    """What a session holds beside its study: whether the result is hidden, and what was chosen and entered."""

    covered: bool = False
    prevalence: float | None = None
    clinical: dict[str, float] = field(default_factory=dict)
    model: str | None = None


class ServedStudy:
    """One study that may be fetched with a token, by a page of the session that opened it.

    Parameters
    ----------
    assessment
        The study; nothing is copied.
    session_id
        The Streamlit session that owns it, ``None`` outside a server.

    Attributes
    ----------
    token : str
        What a browser must know to fetch the study.
    opening : str
        A random name for this opening of the study: what the browser's tab keeps its place under. It opens nothing.
    claim : str
        What a reloaded tab must know to have the study back.
    kept : Kept
        What else a reloaded tab has back.
    """

    def __init__(self, assessment: Assessment, session_id: str | None, opening: str | None = None) -> None:
        self.assessment = assessment
        self.session_id = session_id
        self.token = secrets.token_urlsafe(32)
        self.opening = opening or secrets.token_urlsafe(8)
        self.claim = secrets.token_urlsafe(32)
        self.kept = Kept()
        self._deadline = time.monotonic() + TIME_LIMIT_S

    @property
    def url(self) -> str:
        """Where its parts are: ``url/volume``, ``url/evidence`` and ``url/lesion``."""
        return f"{PATH}/{self.token}"

    @property
    def expired(self) -> bool:
        """Whether the time limit has passed since the last ``renew``."""
        return time.monotonic() > self._deadline

    def renew(self) -> None:
        """Start the time limit again."""
        self._deadline = time.monotonic() + TIME_LIMIT_S


_served: weakref.WeakValueDictionary[str, ServedStudy] = weakref.WeakValueDictionary()
_lock = Lock()


def publish(assessment: Assessment, opening: str | None = None) -> ServedStudy:
    """Let the running session fetch ``assessment`` for as long as the returned value is kept."""
    served = ServedStudy(assessment, _running_session(), opening)
    with _lock:
        _served[served.token] = served
    return served


def reclaim(claim: str) -> ServedStudy | None:
    """Publish anew, for the running session, the study of a tab that was reloaded; ``None`` where there is none.

    A claim counts once, and only when the session that it was made for has lost its page: a second tab with a copy
    of the claim gets nothing. Streamlit keeps a session two minutes after its page went; then the study is gone.
    """
    with _lock:
        known = list(_served.values())
    owned = [served for served in known if secrets.compare_digest(served.claim.encode(), claim.encode())]
    if not owned or owned[0].expired or owned[0].session_id == _running_session() or not _left(owned[0]):
        return None
    with _lock:
        if _served.pop(owned[0].token, None) is None:
            return None
    served = publish(owned[0].assessment, owned[0].opening)
    served.kept = owned[0].kept
    return served


def watch_session() -> Callable[[], bool]:
    """Whether the page that calls this is still open, for a thread that works for it."""
    owner = _running_session()
    return lambda: owner is None or not Runtime.exists() or Runtime.instance().is_active_session(owner)


def _running_session() -> str | None:
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context else None


def _left(served: ServedStudy) -> bool:
    """Whether the page of the study's session has gone. A reload's old page may take a moment to be seen off."""
    if served.session_id is None or not Runtime.exists():
        return False
    deadline = time.monotonic() + LEAVE_S
    while Runtime.instance().is_active_session(served.session_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(LEAVE_S / 20)
    return True


def part_bytes(assessment: Assessment, part: str) -> bytes | None:
    """One part of a study, little-endian, (slice, row, column); ``None`` where the study has no such part.

    ``volume`` is int16 HU; ``evidence`` and ``lesion`` are float32 maps at every ``MAP_STEP``-th pixel.
    """
    if part == "volume":
        return np.ascontiguousarray(assessment.volume.hu, dtype="<i2").tobytes()
    evidence = assessment.evidence
    if evidence is None or part not in ("evidence", "lesion"):
        return None
    grid_map = evidence.evidence_map if part == "evidence" else evidence.lesion_map
    on_slices = reproject(grid_map, evidence.grid, assessment.volume, step=MAP_STEP)
    return np.ascontiguousarray(on_slices, dtype="<f4").tobytes()


def hold_uploads_in_memory() -> None:
    """Keep uploads off the disk: what is larger than 1 MB the form parser would put there, patient and all.

    A full disk then stops no upload either; ``server.maxUploadSize`` bounds what one takes.
    """
    MultiPartParser.spool_max_size = sys.maxsize


def forget_uploads(files: Iterable[UploadedFile]) -> None:
    """Let go of files that the page has taken: Streamlit keeps them to the session's end, whatever shows them.

    What was read of them goes with whoever holds it.
    """
    context = get_script_run_ctx(suppress_warning=True)
    manager = context.uploaded_file_mgr if context else None
    if context is not None and isinstance(manager, MemoryUploadedFileManager):
        for entry in files:
            manager.remove_file(context.session_id, entry.file_id)


def routes() -> list[Route]:
    """The routes to hang beside Streamlit's own."""
    return [Route(PATH + "/{token}/{part}", _answer, methods=["GET"]), scripts.route(), case_pictures.route()]


def _answer(request: Request) -> Response:
    with _lock:
        served = _served.get(request.path_params["token"])
    if served is None or served.expired or not _allowed(request, served):
        return Response(status_code=403, headers={"Cache-Control": "no-store"})
    content = part_bytes(served.assessment, request.path_params["part"])
    if content is None:
        return Response(status_code=404, headers={"Cache-Control": "no-store"})
    packed = gzip.compress(content, compresslevel=_GZIP_LEVEL)
    return Response(packed, media_type="application/octet-stream", headers=_HEADERS)


def _allowed(request: Request, served: ServedStudy) -> bool:
    """Only a page of this server, while the session that opened the study is connected."""
    if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    if served.session_id is None or not Runtime.exists():
        return False
    return Runtime.instance().is_active_session(served.session_id)
