import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.end_to_end.operator import end, interrupt, line_with
from tests.end_to_end.whimsical import Whimsical, fits, kill

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("faults"), pytest.mark.timeout(300)]

GO_ON = "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    beside = Path(sys.executable).parent
    if shutil.which("traefik", path=f"{beside}:/usr/bin:/usr/local/bin") is None:
        pytest.skip("traefik is not installed")
    operator = Whimsical(tmp_path_factory.mktemp("whims"))
    try:
        up = operator.run("up", "--to", "1.0")
        assert up.code == 0, up.stderr
        yield operator
    finally:
        down = operator.run("down")
        assert down.code == 0, down.stderr


@pytest.fixture
def service(running):
    """The service at version 1.0, whatever the test before made of it."""
    yield running
    running.settle()


def started(service, *arguments, until, **environment):
    process = service.start("rolling", "--to", "2.0", "--no-verify", *arguments, **environment)
    line_with(process, until)
    return process


# Interruption


@pytest.mark.parametrize("number, code, version, whim, where", [
    (signal.SIGHUP, 129, "2.0", "is sick", "await healthy web-3"),
    (signal.SIGTERM, 143, "1.0", "keeps its sockets", "drain web-1"),
    (signal.SIGINT, 130, "1.0", "ignores SIGTERM", "stop web-1"),
])
def test_a_signal_ends_every_wait_at_a_safe_place_and_says_how_to_go_on(service, number, code, version, whim, where):
    service.has(version, whim)
    process = started(service, until=where)
    interrupt(process, number)
    # Each of these waits would last a minute.
    ended = end(process, timeout=30)
    if whim == "ignores SIGTERM":
        kill(service.pid("web-1"))
        kill(service.pid("web-2"))

    assert (ended.code, ended.last) == (code, f"lvdeploy: interrupted at a safe place; {GO_ON}")
    assert fits(ended)


def test_a_second_signal_ends_it_at_once(service):
    service.has("1.0", "ignores SIGTERM")
    process = started(service, until="stop web-1")
    interrupt(process)
    line_with(process, "once more: at once")
    interrupt(process)
    ended = end(process, timeout=30)
    kill(service.pid("web-1"))
    kill(service.pid("web-2"))

    assert (ended.code, ended.last) == (130, f"lvdeploy: ended at once; {GO_ON}")
    assert fits(ended)
    resumed = service.run("resume", "--no-verify")
    assert "took over the lease of" in resumed.stderr
    assert (resumed.code, service.serves("2.0")) == (0, True)


def test_down_is_interrupted_too_and_goes_on(tmp_path):
    operator = Whimsical(tmp_path)
    up = operator.run("up", "--to", "1.0")
    operator.has("1.0", "ignores SIGTERM")
    process = operator.start("down")
    try:
        line_with(process, "stopping web-1, web-2")
        interrupt(process)
        ended = end(process, timeout=30)
    finally:
        kill(operator.pid("web-1"))
        kill(operator.pid("web-2"))
        down = operator.run("down")

    assert (up.code, down.code) == (0, 0)
    assert (ended.code, ended.last) == (130, "lvdeploy: interrupted at a safe place; `lvdeploy down` goes on")


def test_a_bounded_wait_stops_at_a_safe_place(service):
    service.has("2.0", "is sick")
    ended = service.roll_plain("2.0", "--wait-timeout", "3s")

    assert (ended.code, ended.last) == (9, f"lvdeploy: the wait of 3 s is over; stopped at a safe place; {GO_ON}")


# Two at once, and dead ones


def test_a_second_command_is_told_who_works_and_a_released_one_stops_before_its_next_deed(service):
    service.has("1.0", "keeps its sockets")
    process = started(service, until="drain web-1")
    second = service.roll_plain("3.0")
    status = service.run("lock", "status")
    kept = service.run("lock", "release")
    kill(process.pid, signal.SIGSTOP)
    taken = service.run("lock", "release", "--force")
    service.whims.unlink()
    heir = service.run("rollback", "--no-verify")
    kill(process.pid, signal.SIGCONT)
    thawed = end(process)

    assert second.code == kept.code == 8
    assert f"(pid {process.pid}): rolling" in second.stderr
    assert f"(pid {process.pid}): rolling" in status.stdout
    assert "released; it was held by" in taken.stdout
    assert (heir.code, service.serves("1.0")) == (0, True)
    assert thawed.code == 8, thawed.stderr
    assert "lost its lease" in thawed.stderr
    assert fits(thawed)


def test_what_a_killed_one_left_is_taken_over_and_swept(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    process.kill()
    end(process)
    half = service.state / "instances" / ".web-3.json.new"
    half.write_text("{")
    service.whims.unlink()
    resumed = service.run("resume", "--no-verify")

    assert "took over the lease of" in resumed.stderr
    assert f"removed {half}, left behind by a run that died" in resumed.stderr
    assert (resumed.code, service.serves("2.0"), half.exists()) == (0, True, False)


# Instances


def test_an_instance_killed_while_it_is_routed_is_named_and_replaced(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    victim = service.pid("web-2")
    kill(victim)
    service.whims.unlink()
    ended = end(process)

    assert ended.code == 0, ended.stderr
    assert f"version 1.0 (pid {victim}) in web-2 is gone, and nobody here stopped it" in ended.stderr
    assert service.serves("2.0")


def test_a_new_instance_killed_while_it_is_awaited_is_taken_back(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    kill(service.pid("web-3"))
    ended = end(process)

    assert ended.code == 4, ended.stderr
    assert "web-3 did not become healthy: its process ended" in ended.last
    assert "its output is in" in ended.last
    assert "`lvdeploy rolling --to 2.0` tries again" in ended.last
    assert service.serves("1.0")


def test_a_new_instance_that_hangs_is_taken_back(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3", HEALTHY_DEADLINE="3s")
    hanging = service.pid("web-3")
    kill(hanging, signal.SIGSTOP)
    line_with(process, "stop web-3")
    kill(hanging, signal.SIGCONT)
    ended = end(process)

    assert ended.code == 4, ended.stderr
    assert "still GET /health did not answer within 1s" in ended.last
    assert service.serves("1.0")


def test_a_new_instance_that_flaps_is_taken_back(service):
    service.has("2.0", "flaps")
    ended = service.roll_plain("2.0", HEALTHY_DEADLINE="2s", MIN_HEALTHY_TIME="1s")

    assert ended.code == 4, ended.stderr
    # Which of the two depends on the last answer before the deadline.
    assert "it was never healthy for 1s on end" in ended.last or "and still GET /health answered 503" in ended.last
    assert service.serves("1.0")


def test_a_port_that_somebody_else_holds_is_said_with_who_and_what_to_do(service):
    free = next(slot["slot"] for slot in service.status()["slots"] if not slot["version"])
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", service.ports[f"DEMO_{free.upper().replace('-', '_')}"]))
        stranger.listen()
        ended = service.roll_plain("2.0")

    assert ended.code == 4, ended.stderr
    assert f"of slot {free} is in use by" in ended.last
    assert f"end it (kill {os.getpid()})" in ended.last
    assert service.serves("1.0")


def test_an_old_version_that_no_longer_starts_is_said_and_what_to_do(service):
    rolled = service.roll_plain("2.0")
    service.has("1.0", "does not start")
    back = service.run("rollback", "--no-verify")
    stuck = service.roll_plain("3.0")
    elsewhere = service.roll_plain("3.0", "--supersede")

    assert rolled.code == 0, rolled.stderr
    assert back.code == 5, back.stderr
    assert "version 1.0 ended as soon as it was started" in back.stderr
    assert "database migration missing" in back.stderr
    assert "`lvdeploy rolling --to VERSION --supersede` goes to another version" in back.last
    assert stuck.code == 3
    assert (elsewhere.code, service.serves("3.0")) == (0, True)


# Traefik


def test_a_traefik_that_dies_is_noticed_and_resume_starts_it_again(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    kill(service.traefik)
    ended = end(process)
    refused = service.run("up")
    service.whims.unlink()
    resumed = service.run("resume", "--no-verify")

    assert ended.code == 5
    assert ended.last == (
        "lvdeploy: stopped where it stands, a person is needed: the balancer is dead; "
        "`lvdeploy resume` starts it again and goes on"
    )
    assert refused.code == 3
    assert "started the managed balancer again with its last file" in resumed.stderr
    assert (resumed.code, service.serves("2.0")) == (0, True)


def test_a_traefik_that_is_frozen_is_said_and_nothing_more_is_done(service):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    kill(service.traefik, signal.SIGSTOP)
    service.whims.unlink()
    ended = end(process)
    kill(service.traefik, signal.SIGCONT)
    resumed = service.run("resume", "--no-verify")

    assert ended.code == 5
    assert "does not answer in time: it may be frozen" in ended.last
    assert "let it go on (kill -CONT) or end it: `lvdeploy resume`" in ended.last
    assert (resumed.code, service.serves("2.0")) == (0, True)


def change(file):
    lines = file.read_text().replace('"priority": ', '"priority": 9', 1)
    file.write_text(lines)


@pytest.mark.parametrize("deed, words", [
    (change, "is not as lvdeploy wrote it"),
    (Path.unlink, "it holds nothing of this service, and lvdeploy's last change was generation"),
    (lambda file: shutil.rmtree(file.parent), "it holds nothing of this service, and lvdeploy's last change was"),
])
def test_a_balancer_that_somebody_else_changed_is_left_alone_until_a_person_says_so(service, deed, words):
    service.has("2.0", "is sick")
    process = started(service, until="await healthy web-3")
    deed(service.balancer_file)
    while deed is not change and service.get("/").status_code == 200:
        assert process.poll() is None
    service.whims.unlink()
    ended = end(process)
    still = service.run("resume", "--no-verify")
    restored = service.run("resume", "--no-verify", "--restore")

    assert ended.code == still.code == 5
    assert words in ended.stderr
    assert "`lvdeploy resume --restore`" in ended.last
    assert fits(ended)
    assert restored.code == 0, restored.stderr
    assert service.serves("2.0")


# Disk and files


def test_a_report_that_cannot_be_written_is_said_before_anything_is_done(service):
    ended = service.roll_plain("2.0", "--report", f"json={service.whims.parent}/state/journal.db/report.json")

    assert ended.code == 2
    assert "cannot be written: Not a directory" in ended.stderr
    assert service.serves("1.0")


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 24 MB for the state of a service."""
    disk = tmp_path / "state"
    disk.mkdir()
    mount, umount = shutil.which("mount") or "mount", shutil.which("umount") or "umount"
    mounted = subprocess.run([mount, "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield disk
    finally:
        subprocess.run([umount, "-l", str(disk)], check=True)


def fill(disk):
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass


def test_a_full_disk_refuses_before_the_first_deed_and_stops_after_it(tmp_path, tiny_disk):
    operator = Whimsical(tmp_path)
    try:
        up = operator.run("up", "--to", "1.0")
        assert up.code == 0, up.stderr
        fill(tiny_disk)
        refused = operator.roll_plain("2.0")
        (tiny_disk / "filler").unlink()
        operator.has("2.0", "is sick")
        process = started(operator, until="await healthy web-3")
        fill(tiny_disk)
        operator.whims.unlink()
        ended = end(process)
        (tiny_disk / "filler").unlink()
        resumed = operator.run("resume", "--no-verify")
        versions = operator.versions()
    finally:
        (tiny_disk / "filler").unlink(missing_ok=True)
        down = operator.run("down")

    assert (up.code, down.code) == (0, 0), up.stderr + down.stderr
    assert refused.code == 3, refused.stderr
    assert "is full" in refused.stderr
    assert ended.code == 5, ended.stderr
    assert "is full" in ended.stderr
    assert f"then {GO_ON}" in ended.last
    assert fits(refused)
    assert fits(ended)
    assert (resumed.code, versions) == (0, ["2.0"] * 2)
