"""
The exit codes that need clients, or a bug; the others have their tests where they belong.

2, 3: test_rolling, test_faults · 4: test_breaks, test_faults · 5, 8, 9, 129, 143: test_faults · 6: test_verify.
"""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from tests.end_to_end.conftest import service
from tests.end_to_end.operator import DEMO, end, interrupt, line_with
from tests.end_to_end.whimsical import fits

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("services"), pytest.mark.timeout(300)]

PLANTED = Path(__file__).parent / "planted_bug.py"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with service(tmp_path_factory.mktemp("codes")) as operator:
        yield operator


@pytest.fixture
def hasty(running, tmp_path):
    """The demo with few clients that watch for a moment only; at version 1.0 again at the end."""
    text = yaml.safe_load(DEMO.read_text())
    text["verify"] |= {
        "scenarios": [str(DEMO.parent / "scenarios" / f"{name}.yml") for name in ("dashboard", "wizard")],
        "clients": 4, "settle": "500ms",
    }
    running.file = tmp_path / "lvdeploy.yml"
    running.file.write_text(yaml.safe_dump(text))
    yield running
    running.file = DEMO
    if running.versions() != ["1.0"] * 3:
        back = running.run("rolling", "--to", "1.0", "--no-verify", "--supersede")
        assert back.code == 0, back.stderr


def test_1_is_a_bug_and_says_so(running):
    ended = subprocess.run(
        [sys.executable, "-P", str(PLANTED), "status", "--config", str(DEMO)], env=running.environment, text=True,
        capture_output=True,
    )

    assert ended.returncode == 1
    assert "ZeroDivisionError: a bug" in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("lvdeploy: this is a bug in lvdeploy; please report it")


def test_7_is_a_run_that_saw_too_little_and_keeps_the_new_version(hasty):
    text = yaml.safe_load(hasty.file.read_text())
    text["verify"]["limits"] = {"generator_lag": "0.001ms"}
    hasty.file.write_text(yaml.safe_dump(text))
    ended = hasty.run("rolling", "--to", "2.0")

    assert ended.code == 7, ended.stderr
    assert "2.0 serves everyone, but: " in ended.last
    assert ended.last.endswith("`lvdeploy rollback` goes back")
    assert hasty.versions() == ["2.0"] * 3


def test_130_while_the_clients_join_changes_nothing_and_leaves_no_process(hasty):
    process = hasty.start("rolling", "--to", "2.0")
    line_with(process, "clients began")
    family = psutil.Process(process.pid).children(recursive=True)
    interrupt(process)
    ended = end(process, timeout=30)

    assert (ended.code, ended.last) == (
        130, "lvdeploy: interrupted at a safe place; nothing was changed; `lvdeploy rolling` begins again"
    )
    assert fits(ended)
    assert not psutil.wait_procs(family, timeout=20)[1]
    assert hasty.versions() == ["1.0"] * 3


def test_5_when_nobody_watches_any_more_and_new_clients_watch_the_rest(hasty):
    process = hasty.start("rolling", "--to", "2.0")
    line_with(process, "start web-4")
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "lvdeploy.swarm.shard" in child.cmdline():
                os.kill(child.pid, signal.SIGKILL)
    ended = end(process)
    resumed = hasty.run("resume")

    assert ended.code == 5, ended.stderr
    assert "nobody watches any more: the swarm's shard was killed" in ended.last
    assert "`lvdeploy resume` goes on with new clients, `lvdeploy rollback` goes back" in ended.last
    assert fits(ended)
    assert "new clients watch from here on" in resumed.stderr
    assert resumed.code in (0, 7), resumed.stderr
    assert hasty.versions() == ["2.0"] * 3
