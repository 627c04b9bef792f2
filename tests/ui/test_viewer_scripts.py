from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from htcore.ui.scripts import folder_url, route, scripts

TESTS = sorted((Path(__file__).parent / "viewer").glob("*.test.mjs"))
# From here on node tells ES modules by their content or package.json, and has its test runner.
OLDEST_NODE = 20


def get(path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}
    asyncio.run(Starlette(routes=[route()])(scope, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


def test_pure_parts_of_the_viewer() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the viewer's scripts are tested in the browser only")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    assert len(TESTS) == 3
    ran = subprocess.run([node, "--test", *map(str, TESTS)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_modules_are_served_as_scripts() -> None:
    status, headers, body = get(f"{folder_url()}/main.js")
    assert status == 200
    assert headers["content-type"].startswith("text/javascript")
    assert body == scripts()["main.js"]


@pytest.mark.parametrize("name", ["viewer.css", "__init__.py", "nothing.js", "..%2Fsession.py", "package.json"])
def test_nothing_else_is_served(name: str) -> None:
    assert get(f"{folder_url()}/{name}")[0] == 404


def test_a_former_version_is_not_answered_with_this_one() -> None:
    assert get("/viewer/0123456789abcdef/main.js")[0] == 404


def test_modules_import_only_one_another_and_stay_small() -> None:
    for name, content in scripts().items():
        text = content.decode()
        assert len(text.splitlines()) < 200, name
        for source in re.findall(r"""from ["']([^"']+)["']""", text):
            assert source.removeprefix("./") in scripts(), f"{name} imports {source}"
        assert "http" not in text.replace("htcore", ""), name
