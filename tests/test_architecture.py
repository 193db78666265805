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
    {"errors", "clock", "hook"},
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

# Modules without a test module of their own: the test that would break with them, and how it looks at them.
TESTED_ELSEWHERE = {
    "balancers.contract": ("balancers/test_conformance.py", "types, and the contract that every driver is held to"),
    "balancers.managed": ("balancers/test_traefik.py", "a managed Traefik is started, adopted and stopped"),
    "balancers.registry": ("balancers/test_conformance.py", "the conformance suite goes over the registry"),
    "balancers.routing": ("balancers/test_memory.py", "the route a request takes through the memory balancer"),
    "balancers.traefik_api": ("balancers/test_traefik.py", "needs a Traefik that answers"),
    "balancers.traefik_managed": ("balancers/test_traefik.py", "needs a Traefik that starts"),
    "balancers.traefik_preflight": ("balancers/test_traefik.py", "needs a Traefik to look at"),
    "cli.assemble": ("end_to_end/test_rolling.py", "every command is put together there"),
    "cli.console": ("end_to_end/test_rolling.py", "what a person sees is read there"),
    "cli.demo": ("end_to_end/test_demo.py", "the command itself is run"),
    "cli.fleet": ("end_to_end/test_rolling.py", "the commands themselves are run"),
    "cli.inspect": ("end_to_end/test_rolling.py", "the commands themselves are run"),
    "cli.lock": ("end_to_end/test_rolling.py", "the commands themselves are run"),
    "cli.main": ("end_to_end/test_rolling.py", "every exit code passes through it"),
    "cli.options": ("end_to_end/test_rolling.py", "flags as users type them"),
    "cli.population": ("end_to_end/test_rolling.py", "the swarm does what the file says"),
    "cli.proving": ("end_to_end/test_breaks.py", "bad releases are found by it"),
    "cli.rollout": ("end_to_end/test_rolling.py", "whole rollouts are run"),
    "cli.rollouts": ("end_to_end/test_rolling.py", "the commands themselves are run"),
    "cli.trial": ("end_to_end/test_verify.py", "whole rounds are run"),
    "cli.verification": ("end_to_end/test_verify.py", "the command itself is run, and its last line read"),
    "cli.watching": ("end_to_end/test_rolling.py", "whole rollouts are watched"),
    "cli.wording": ("end_to_end/test_rolling.py", "what a person reads is read there"),
    "demo.application": ("demo/test_pages.py", "the application is run"),
    "demo.channel": ("demo/test_envelopes.py", "its envelopes are held against recorded ones"),
    "demo.pages.bad_dashboard": ("demo/test_scenarios.py", "used by a client"),
    "demo.pages.chat": ("demo/test_pages.py", "used by a client"),
    "demo.pages.counters": ("demo/test_pages.py", "used by a client"),
    "demo.pages.crash": ("demo/test_envelopes.py", "used by a client"),
    "demo.pages.dashboard": ("demo/test_pages.py", "used by a client"),
    "demo.pages.home": ("demo/test_pages.py", "used by a client"),
    "demo.pages.new_user": ("demo/test_pages.py", "used by a client"),
    "demo.pages.page": ("demo/test_pages.py", "every page is one"),
    "demo.pages.versioned": ("demo/test_pages.py", "used by a client"),
    "demo.server": ("demo/test_leaving.py", "the server is run, drained and ended"),
    "demo.sockets": ("demo/test_leaving.py", "the server is run, drained and ended"),
    "demo.storage": ("demo/test_pages.py", "what was stored is there after a restart"),
    "document.findings": ("test_document.py", "seen in the problems of load()"),
    "document.page": ("test_document.py", "seen in the problems of load()"),
    "document.values": ("test_document.py", "read by load()"),
    "errors": ("end_to_end/test_rolling.py", "types; their exit codes are seen from outside"),
    "hook": ("rollout/test_kill_points.py", "killed at every point it is told of"),
    "model": ("rollout/test_rolling.py", "types, used everywhere"),
    "rollout.deeds": ("rollout/test_engine.py", "the engine does them, in virtual time"),
    "rollout.gates": ("rollout/test_engine.py", "types; the engine asks them"),
    "rollout.intent": ("rollout/test_rolling.py", "types; every plan has one"),
    "rollout.journal": ("rollout/test_kill_points.py", "killed and resumed at every record"),
    "rollout.observe": ("rollout/test_engine.py", "the engine looks before each step"),
    "rollout.plan": ("rollout/test_rolling.py", "its laws are held for every fleet"),
    "rollout.traffic": ("rollout/test_rolling.py", "every step's traffic is part of the laws"),
    "wire.session": ("scenario/test_play.py", "types, the contract of every wire protocol"),
    "wire.phoenix.bindings": ("wire/phoenix/test_view.py", "what a click or a change pushes"),
    "wire.phoenix.clicks": ("wire/phoenix/test_navigation.py", "what a click leads to"),
    "wire.phoenix.controls": ("wire/phoenix/test_forms.py", "what a form's inputs send"),
    "wire.phoenix.dead_render": ("wire/phoenix/test_loading.py", "what a page says before its socket"),
    "wire.phoenix.document": ("wire/phoenix/test_page.py", "what is found on a page"),
    "wire.phoenix.encoding": ("wire/phoenix/test_forms.py", "how a form is written"),
    "wire.phoenix.inputs": ("wire/phoenix/test_forms.py", "what a form's inputs send"),
    "wire.phoenix.kept": ("wire/phoenix/test_live_view.py", "what is kept across a rejoin"),
    "wire.phoenix.merge": ("wire/phoenix/test_rendered.py", "merging against a naive render"),
    "wire.phoenix.recovery": ("wire/phoenix/test_recordings.py", "recovered forms, frame for frame"),
    "wire.phoenix.streams": ("wire/phoenix/test_rendered.py", "streams on a page"),
    "wire.phoenix.tree": ("wire/phoenix/test_rendered.py", "the tree that is merged"),
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
    where, how = TESTED_ELSEWHERE[name]

    assert name in MODULES
    assert (TESTS / where).exists()
    assert how


def test_the_rules_see_what_they_forbid(tmp_path):
    """A rule that finds nothing anywhere may be blind."""
    path = tmp_path / "module.py"
    path.write_text("def late():\n    import time\n    from lvdeploy.cli import main\n    from . import sibling\n")
    other = tmp_path / "other.py"
    other.write_text("import random\n\ndef roll(rng: random.Random):\n    return random.random()\n")

    assert list(imports(path)) == [(2, "time"), (3, "lvdeploy.cli.main"), (4, "..sibling")]
    assert not is_only_a_type("random", other)
