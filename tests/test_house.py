"""The house itself: light to enter, every room with a sign on its door, every file of evidence where its papers say."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.metadata
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import voltage_attest
from voltage_attest import errors
from voltage_attest.checks import REGISTRY
from voltage_attest.checks.page import render_checks_page

PACKAGE = Path(voltage_attest.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = (
    *("cryptography", "pydantic", "click", "rich", "httpx", "jsonschema", "openai", "lxml", "signxml", "jwt"),
    *("tomlkit", "platformdirs"),
)
MAX_LINES = 400

PROVENANCE_ROW = re.compile(r"^\| `([^`]+)` \| (\d+) \| `([0-9a-f]{64})` \| .+ \|$", re.MULTILINE)


def module_name(source: Path) -> str:
    """The dotted name under which ``source`` is imported."""
    parts = source.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def short(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


def test_importing_the_package_loads_no_dependency() -> None:
    program = f"import sys, voltage_attest; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()
    assert loaded == "[]"


def test_the_version_of_the_package_is_that_of_the_project(repository: Path) -> None:
    changelog = (repository / "CHANGELOG.md").read_text("utf-8")
    assert voltage_attest.__version__ == importlib.metadata.version("voltage-attest")
    assert f"## [{voltage_attest.__version__}]" in changelog


def test_every_name_of_the_facade_resolves() -> None:
    for name in voltage_attest.__all__:
        assert getattr(voltage_attest, name) is not None


def test_every_module_says_what_it_is() -> None:
    silent = [short(source) for source in SOURCES if not ast.get_docstring(ast.parse(source.read_text("utf-8")))]
    assert silent == []


def test_no_module_outgrows_a_reader() -> None:
    lines = {short(source): len(source.read_text("utf-8").splitlines()) for source in SOURCES}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}


def test_every_exported_name_exists() -> None:
    for source in [source for source in SOURCES if source.name != "__main__.py"]:
        module = importlib.import_module(module_name(source))
        exported = getattr(module, "__all__", [])
        assert [name for name in exported if not hasattr(module, name)] == [], short(source)
        assert len(exported) == len(set(exported)), short(source)


def test_there_is_no_room_for_leftovers() -> None:
    assert [short(source) for source in SOURCES if source.stem in {"utils", "util", "helpers", "misc", "common"}] == []


def error_classes() -> Iterator[type[BaseException]]:
    """The exception classes of the library: what its callers meet. The command line ends in exit codes instead."""
    for source in SOURCES:
        if source.name == "__main__.py" or source.is_relative_to(PACKAGE / "cli"):
            continue
        for _, member in inspect.getmembers(importlib.import_module(module_name(source)), inspect.isclass):
            if issubclass(member, BaseException) and member.__module__.startswith("voltage_attest"):
                yield member


def test_every_public_error_is_in_the_tree_of_errors() -> None:
    public = {error.__name__ for error in error_classes() if not error.__name__.startswith("_")}
    assert public <= set(errors.__all__)


def test_the_two_trees_of_errors_share_no_parent() -> None:
    shared = set(errors.InputError.__mro__) & set(errors.TrustError.__mro__)
    assert shared == {Exception, BaseException, object}


def test_every_check_id_is_stable_and_every_sentence_is_there() -> None:
    for check in REGISTRY.values():
        assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", check.id)
        for sentence in (check.title, check.proves, check.does_not_prove, check.spec, check.remedy):
            assert sentence.strip() == sentence != ""


def test_the_page_of_checks_is_what_the_registry_says(repository: Path) -> None:
    committed = (repository / "docs" / "checks.md").read_text("utf-8")
    assert committed == render_checks_page(REGISTRY), "run: python -m voltage_attest.checks.page > docs/checks.md"


def test_real_evidence_is_what_its_provenance_says(real: Path) -> None:
    rows = {
        path: (int(size), digest) for path, size, digest in PROVENANCE_ROW.findall((real / "PROVENANCE.md").read_text("utf-8"))
    }
    found = {
        file.relative_to(real).as_posix(): (file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in real.rglob("*")
        if file.is_file() and file.name != "PROVENANCE.md"
    }
    assert found == rows
