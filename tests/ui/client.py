"""Asks the server's own routes, without a server."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette

from htcore.ui.server import routes


@dataclass
class Answer:
    """What the route answered, unpacked."""

    status_code: int
    headers: dict[str, str]
    content: bytes


class Client:
    """Asks the routes as an ASGI server does; Starlette's own client needs a package that nothing else here needs."""

    def __init__(self) -> None:
        self._app = Starlette(routes=list(routes()))

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        given = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        scope = {"type": "http", "method": "GET", "path": path, "headers": given, "query_string": b"", "root_path": ""}
        asyncio.run(self._app(scope, receive, send))
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        packed = names.get("content-encoding") == "gzip"
        return Answer(sent[0]["status"], names, gzip.decompress(body) if packed else body)
