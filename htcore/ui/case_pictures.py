"""The route from which the list of cases fetches its pictures: thumbnails of simulated scans, as PNG.

By address, since a move of the threshold draws the tables anew: the addresses travel again, the pictures do not. A
bundle is held weakly: its pictures can be fetched as long as the server has it loaded.
"""

from __future__ import annotations

import re
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import cv2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from htcore.ui.scripts import KEPT

if TYPE_CHECKING:
    from htcore.bundle import Bundle

PATH = "/cases"
_FILE = re.compile(r"([0-9]{1,9})\.png")
_ENLARGED = 4
"""A double click on a picture shows it as large as it is."""

_served: WeakValueDictionary[str, Bundle] = WeakValueDictionary()
_lock = Lock()


def publish(bundle: Bundle) -> str | None:
    """Below which address a bundle's pictures can be fetched, as ``ROW.png``; ``None`` where it has none."""
    thumbnails = bundle.thumbnails
    if thumbnails is None:
        return None
    name = sha256(thumbnails.tobytes()).hexdigest()[:32]
    with _lock:
        _served[name] = bundle
    return f"{PATH}/{name}"


def route() -> Route:
    """The route that answers for the pictures."""
    return Route(PATH + "/{name}/{file}", _answer, methods=["GET"])


def _answer(request: Request) -> Response:
    with _lock:
        bundle = _served.get(request.path_params["name"])
    asked = _FILE.fullmatch(request.path_params["file"])
    content = _png(bundle, int(asked[1])) if bundle is not None and asked is not None else None
    if content is None:
        return Response(status_code=404, headers={"Cache-Control": "no-store"})
    return Response(content, media_type="image/png", headers=KEPT)


def _png(bundle: Bundle, row: int) -> bytes | None:
    """One scan's picture; ``None`` where the bundle has no such row."""
    thumbnails = bundle.thumbnails
    if thumbnails is None or row >= len(thumbnails):
        return None
    enlarged = cv2.resize(thumbnails[row], None, fx=_ENLARGED, fy=_ENLARGED, interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".png", enlarged)[1])
