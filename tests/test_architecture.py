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
    {"types", "channels", "settings", "processes", "limits", "tables"},
    {"dicom", "brain", "slices", "simulation", "evaluation", "networks", "hashed", "stages"},
    {"quality", "transforms"},
    {"bundle", "plots"},
    {"inference"},
    {"explain", "training"},
    {"services"},
    {"batch", "serialise"},
    {"ui"},
    {"report", "terminal"},
    {"cli"},
    {"__main__"},
)
"""From the ground up: a module imports from its own layer's packages only itself, else from below."""

FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}
MAX_LINES = 500
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "torch.load"}
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
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
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                yield f"relative import in line {node.lineno}"
            elif node.module == "htcore":
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


def relative_imports(source: str) -> list[str]:
    """Imports with dots, which would slip past ``climbs``."""
    return [module for module in imported(source) if module.startswith("relative import")]


def full_names(tree: ast.AST) -> dict[str, str]:
    """What each imported name stands for: ``np`` → ``numpy``; ``load`` → ``torch.load``."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname: alias.name for alias in node.names if alias.asname})
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def unsafe(source: str) -> list[str]:
    """Calls that run text as code or may unpickle, and imports of modules that unpickle."""
    tree = ast.parse(source)
    names = full_names(tree)
    found = [module for module in imported(source) if module.split(".")[0] in UNPICKLERS]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition(".")
            call = names.get(first, first) + dot + rest
            # pandas.read_pickle unpickles, and numpy.load may: it has to say it does not.
            refused = any(word.arg == "allow_pickle" and ast.unparse(word.value) == "False" for word in node.keywords)
            if call in FORBIDDEN_CALLS or call.endswith("read_pickle") or (call == "numpy.load" and not refused):
                found.append(call)
    return found


def too_long(source: str) -> bool:
    return len(source.splitlines()) > MAX_LINES


def tracked() -> list[Path]:
    """The files of the project, as git lists them."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: no list of the project's files")
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


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
    assert relative_imports(source) == []
    assert owner == "ui" or not uses_streamlit(source)


def test_no_code_is_evaluated_or_unpickled() -> None:
    places = [*modules(), ROOT / "app.py", *(ROOT / "pages").glob("*.py")]
    found = {str(path.relative_to(ROOT)): unsafe(path.read_text(encoding="utf-8")) for path in places}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_no_file_is_too_long() -> None:
    sources = [path for path in tracked() if path.suffix in {".py", ".js", ".css"}]
    assert [path.name for path in sources if too_long(path.read_text(encoding="utf-8"))] == []


def test_pages_are_short() -> None:
    for path in (ROOT / "app.py", *(ROOT / "pages").glob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) < 80, path.name


def test_no_path_of_a_machine() -> None:
    for path in tracked():
        content = path.read_bytes()
        if b"\0" not in content:
            assert not MACHINE_PATH.search(content.decode("utf-8", errors="replace")), path.relative_to(ROOT)


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
        assert unsafe("eval('1')") == ["eval"]
        assert unsafe("def f():\n    exec('1')") == ["exec"]
        assert unsafe("import torch\ntorch.load('x')") == ["torch.load"]
        assert unsafe("from torch import load as read\nread('x')") == ["torch.load"]
        assert unsafe("import pickle as p") == ["pickle"]
        assert unsafe("from joblib import load") == ["joblib"]
        assert unsafe("import numpy as np\nnp.load('x')") == ["numpy.load"]
        assert unsafe("import numpy as np\nnp.load('x', allow_pickle=True)") == ["numpy.load"]
        assert unsafe("import numpy as np\nnp.load(f('x'), allow_pickle=False)") == []
        assert unsafe("import pandas as pd\npd.read_pickle('x')") == ["pandas.read_pickle"]
        assert unsafe("network.eval()") == []

    def test_relative_import(self) -> None:
        assert relative_imports("x = 1\nfrom ..services import assess") == ["relative import in line 2"]
        assert relative_imports("from . import read") == ["relative import in line 1"]
        assert relative_imports("from htcore.dicom import read") == []

    def test_too_long(self) -> None:
        assert too_long("x = 1\n" * 501)
        assert not too_long("x = 1\n" * 500)

    def test_machine_path(self) -> None:
        assert MACHINE_PATH.search("open('" + "/home" + "/someone/scan')")
        assert not MACHINE_PATH.search("see ../shared/data and data/home/x")
