from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from htcore.ui.scripts import folder_url, scripts
from tests.ui.client import Client

TESTS = sorted((Path(__file__).parent / "viewer").glob("*.test.mjs"))
# From here on node tells ES modules by their content or package.json, and has its test runner.
OLDEST_NODE = 20


def test_pure_parts_of_the_viewer() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the viewer's scripts are tested in the browser only")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    assert len(TESTS) == 6
    ran = subprocess.run([node, "--test", *map(str, TESTS)], capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_modules_are_served_as_scripts() -> None:
    answer = Client().get(f"{folder_url()}/main.js")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.content == scripts()["main.js"]


@pytest.mark.parametrize("name", ["viewer.css", "__init__.py", "nothing.js", "..%2Fsession.py", "package.json"])
def test_nothing_else_is_served(name: str) -> None:
    assert Client().get(f"{folder_url()}/{name}").status_code == 404


def test_a_former_version_is_not_answered_with_this_one() -> None:
    assert Client().get("/viewer/0123456789abcdef/main.js").status_code == 404


def test_modules_import_only_one_another_and_stay_small() -> None:
    for name, content in scripts().items():
        text = content.decode()
        assert len(text.splitlines()) < 200, name
        for source in re.findall(r"""from ["']([^"']+)["']""", text):
            assert source.removeprefix("./") in scripts(), f"{name} imports {source}"
        assert "http" not in text.replace("htcore", ""), name
