"""The house rules: who may import whom, who may touch the world, and what every module has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "lvdeploy"

# High to low: a module imports only from lower lines or its own package.
LAYERS = [
    {"__main__"},
    {"cli", "pytest_plugin"},
    {"config", "demo"},
    {"rollout", "swarm", "report"},
    {"health", "scenario"},
    {"balancers", "instances", "client", "measure"},
    {"wire", "hosts"},
    {"model", "document"},
    {"errors", "clock"},
]
LEVEL = {room: -height for height, rooms in enumerate(LAYERS) for room in rooms}

WORLD = {
    "asyncio", "httpx", "random", "secrets", "socket", "sqlite3", "ssl", "subprocess", "threading", "time",
    "websockets",
}
PURE = ("errors", "model", "wire", "scenario", "measure", "rollout.intent", "rollout.plan", "rollout.rolling",
        "swarm.schedule")
FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "manager", "handler", "handlers", "base", "core", "misc"}
LONGEST = 450

# Modules without a test module of their own, and where they are tested instead.
TESTED_ELSEWHERE = {
    "document.findings": "test_document.py: what the validation found is seen in the problems of load()",
    "document.page": "test_document.py: places are seen in the problems of load()",
    "document.values": "test_document.py: values are read by load()",
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TEST_FILES = sorted(TESTS.rglob("*.py"))
NAMES = sorted(MODULES.keys() - {""})


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import, wherever it stands, with its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            yield from ((node.lineno, f"{dots}{node.module or ''}.{alias.name}") for alias in node.names)


def room_of(name: str) -> str:
    return name.split(".")[0]


def is_pure(name: str) -> bool:
    return any(f"{name}.".startswith(f"{each}.") for each in PURE)


def is_only_a_type(target: str, path: Path) -> bool:
    """True for ``random`` where nothing of it is used but the type of the generator that comes in."""
    used = {
        node.attr
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random"
    }
    return target == "random.Random" or (target == "random" and used <= {"Random"})


@pytest.mark.parametrize("name", NAMES)
def test_imports_point_down(name):
    wrong = [
        f"line {line}: {target}"
        for line, target in imports(MODULES[name])
        if target.startswith("lvdeploy.") and (other := room_of(target.removeprefix("lvdeploy."))) in LEVEL
        if other != room_of(name) and LEVEL[other] >= LEVEL[room_of(name)]
    ]

    assert not wrong, f"{name} must not import {wrong}"


@pytest.mark.parametrize("name", [name for name in NAMES if is_pure(name)])
def test_pure_modules_touch_nothing(name):
    touched = [(line, target) for line, target in imports(MODULES[name]) if room_of(target) in WORLD]
    wrong = [f"line {line}: {target}" for line, target in touched if not is_only_a_type(target, MODULES[name])]

    assert not wrong, f"{name} is pure and must not import {wrong}"


@pytest.mark.parametrize("path", [*MODULES.values(), *TEST_FILES], ids=str)
def test_imports_are_absolute(path):
    assert not [line for line, target in imports(path) if target.startswith(".")]


@pytest.mark.parametrize("name", NAMES)
def test_every_room_has_its_place(name):
    assert room_of(name) in LEVEL, f"say in LAYERS where {room_of(name)} stands"


@pytest.mark.parametrize("name", NAMES)
def test_names_say_what_is_inside(name):
    assert FORBIDDEN_NAMES.isdisjoint(name.split("."))


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_module_says_in_one_sentence_what_it_is(name):
    docstring = ast.get_docstring(tree(MODULES[name]))

    assert docstring, f"{name} has no docstring"
    assert len(docstring.splitlines()[0] or docstring.splitlines()[1]) > 10


@pytest.mark.parametrize("name", sorted(MODULES))
def test_no_module_is_too_long(name):
    assert len(MODULES[name].read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("name", [name for name in NAMES if room_of(name) != "cli"])
def test_only_the_command_line_prints(name):
    lines = [
        node.lineno
        for node in ast.walk(tree(MODULES[name]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]

    assert not lines, f"{name} prints in lines {lines}"


@pytest.mark.parametrize("path", TEST_FILES, ids=str)
def test_tests_use_no_mocks(path):
    mocks = [target for _, target in imports(path) if re.match(r"(unittest\.)?mock\b|pytest_mock", target)]

    assert not mocks


@pytest.mark.parametrize("name", NAMES)
def test_every_module_has_its_tests(name):
    path = MODULES[name]
    if path.stem in ("__init__", "__main__") or name in TESTED_ELSEWHERE:
        return
    mirror = TESTS / path.relative_to(PACKAGE).with_name(f"test_{path.stem}.py")

    assert mirror.exists(), f"write {mirror.relative_to(TESTS)}, or say in TESTED_ELSEWHERE where {name} is tested"


@pytest.mark.parametrize("name", sorted(TESTED_ELSEWHERE))
def test_what_is_tested_elsewhere_is_still_there(name):
    where = TESTED_ELSEWHERE[name].split(":")[0]

    assert name in MODULES
    assert (TESTS / where).exists()
    assert not (TESTS / MODULES[name].relative_to(PACKAGE).with_name(f"test_{MODULES[name].stem}.py")).exists()


def test_the_rules_see_what_they_forbid(tmp_path):
    """A rule that finds nothing anywhere may be blind."""
    path = tmp_path / "module.py"
    path.write_text("def late():\n    import time\n    from lvdeploy.cli import main\n    from . import sibling\n")
    other = tmp_path / "other.py"
    other.write_text("import random\n\ndef roll(rng: random.Random):\n    return random.random()\n")

    assert list(imports(path)) == [(2, "time"), (3, "lvdeploy.cli.main"), (4, "..sibling")]
    assert not is_only_a_type("random", other)
