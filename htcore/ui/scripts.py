"""The viewer's scripts as the browser loads them: plain ES modules from this server, no build step, no CDN.

They carry nothing of any study. Their address changes with their content, so that a browser may keep them.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/viewer"
_FOLDER = Path(__file__).parent / "viewer"
KEPT = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of what a browser may keep: it carries nothing of any patient, and its address changes with its content."""


@cache
def scripts() -> dict[str, bytes]:
    """Every module by its file name."""
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.glob("*.js"))}


@cache
def folder_url() -> str:
    """Where the modules are, on this server."""
    content = sha256(b"\0".join(scripts().values())).hexdigest()
    return f"{PATH}/{content[:16]}"


def route() -> Route:
    """The route that answers for the modules."""
    return Route(PATH + "/{version}/{name}", _answer, methods=["GET"])


def _answer(request: Request) -> Response:
    content = scripts().get(request.path_params["name"])
    if content is None or not folder_url().endswith("/" + request.path_params["version"]):
        return Response(status_code=404, headers={"Cache-Control": "no-store"})
    return Response(content, media_type="text/javascript", headers=KEPT)
