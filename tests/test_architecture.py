"""The house rules: who may import whom, where Streamlit stands, what must never be done. And that each rule bites."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LAYERS = (
    {"htcore", "errors"},
    {"types", "settings"},
    {"dicom", "brain", "simulation", "evaluation", "networks"},
    {"quality", "transforms"},
    {"bundle", "plots"},
    {"inference"},
    {"explain", "training"},
    {"services"},
    {"serialise", "ui"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: a module imports from its own layer's packages only itself, else from below."""

FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
MAX_LINES = 500
FORBIDDEN_CALLS = {"eval", "exec", "torch.load", "pickle.load", "pickle.loads", "numpy.load"}
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.~])/(?:work|farm|root|home|tmp|opt|Users)/[A-Za-z]")


def imported(source: str) -> Iterator[str]:
    """Every module that ``source`` imports, at its top or inside a function; type-checking imports left out."""
    tree = ast.parse(source)
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "htcore":
                yield from (f"htcore.{alias.name}" for alias in node.names)
            else:
                yield node.module


def part(module: str) -> str:
    """``htcore.dicom.read`` → ``dicom``."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 else pieces[0]


def climbs(owner: str, source: str) -> list[str]:
    """Imports of ``source``, a module of the part ``owner``, that do not run downwards."""
    found = []
    for module in imported(source):
        if module.split(".")[0] == "htcore":
            target = part(module)
            if target != owner and FLOOR.get(target, -1) >= FLOOR[owner]:
                found.append(f"{owner} imports {target}")
    return found


def uses_streamlit(source: str) -> bool:
    return any(module.split(".")[0] == "streamlit" for module in imported(source))


def forbidden_calls(source: str) -> list[str]:
    calls = (ast.unparse(node.func) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [call for call in calls if call.replace("np.", "numpy.") in FORBIDDEN_CALLS]


def modules() -> list[Path]:
    return sorted((ROOT / "htcore").rglob("*.py"))


def owner_of(path: Path) -> str:
    pieces = path.relative_to(ROOT / "htcore").parts
    return pieces[0].removesuffix(".py") if pieces != ("__init__.py",) else "htcore"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_keeps_the_rules(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    owner = owner_of(path)
    assert owner in FLOOR, f"give {owner} a layer"
    assert climbs(owner, source) == []
    assert owner == "ui" or not uses_streamlit(source)
    assert len(source.splitlines()) <= MAX_LINES


def test_no_code_is_evaluated_or_unpickled() -> None:
    places = [*modules(), ROOT / "app.py", *(ROOT / "pages").glob("*.py")]
    found = {path.name: forbidden_calls(path.read_text(encoding="utf-8")) for path in places}
    unsafe = {name: calls for name, calls in found.items() if set(calls) - {"np.load", "numpy.load"}}
    assert unsafe == {}
    for path in places:
        for call in re.findall(r"np\.load\([^)]*\)", path.read_text(encoding="utf-8")):
            assert "allow_pickle=False" in call, f"{path.name}: {call}"


def test_pages_are_short() -> None:
    for path in (ROOT / "app.py", *(ROOT / "pages").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, path.name


def test_no_path_of_a_machine() -> None:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: no list of the project's files")
    for name in filter(None, listed.decode().split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".js", ".css", ".yaml", ".json"} and path.exists():
            assert not MACHINE_PATH.search(path.read_text(encoding="utf-8")), name


class TestTheRulesBite:
    """Each checker, on source that breaks its rule."""

    def test_upward_import(self) -> None:
        assert climbs("types", "from htcore.services import assess") == ["types imports services"]
        assert climbs("dicom", "def f():\n    from htcore import quality") == ["dicom imports quality"]
        assert climbs("dicom", "import htcore.evaluation") == ["dicom imports evaluation"]
        assert climbs("services", "from htcore.dicom import read_study") == []

    def test_streamlit(self) -> None:
        assert uses_streamlit("import streamlit as st")
        assert uses_streamlit("def f():\n    from streamlit.runtime import exists")
        assert not uses_streamlit("import numpy")

    def test_unsafe_calls(self) -> None:
        assert forbidden_calls("eval('1')") == ["eval"]
        assert forbidden_calls("import torch\ntorch.load('x')") == ["torch.load"]
        assert forbidden_calls("import pickle\npickle.load(f)") == ["pickle.load"]
        assert forbidden_calls("network.eval()") == []

    def test_machine_path(self) -> None:
        assert MACHINE_PATH.search("open('" + "/home" + "/someone/scan')")
        assert not MACHINE_PATH.search("see ../shared/data and data/home/x")
