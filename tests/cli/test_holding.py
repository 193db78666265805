import asyncio
import signal
from pathlib import Path

import pytest
import yaml

from lvdeploy.cli.assemble import assemble
from lvdeploy.cli.console import Console
from lvdeploy.cli.holding import hold, next_command, unless_asked
from lvdeploy.cli.rollout import Order, begin
from lvdeploy.errors import ConfigurationError, HostError, LeaseHeld, Refused, StateError
from lvdeploy.rollout.journal import Run
from lvdeploy.rollout.lease import this_process
from tests.rollout.fleets import intent


@pytest.fixture
def run(tmp_path):
    """A run of a service of which nothing is there but its file."""
    file = tmp_path / "lvdeploy.yml"
    file.write_text(yaml.safe_dump({
        "version": 1, "service": {"name": "shop", "url": "http://127.0.0.1:1", "replicas": 1},
        "balancer": {"memory": {}}, "state": {"directory": str(tmp_path / "state")},
        "instances": {"process": {"command": ["true"]}, "slots": [{"name": f"w-{n}", "port": n} for n in (4001, 4002)]},
    }))
    shop = assemble(file)
    yield begin(shop, Order("rolling"), Console.silent())
    asyncio.run(shop.close())


def held(run, deed, **order):
    for name, value in order.items():
        object.__setattr__(run.order, name, value)
    return asyncio.run(hold(run, deed))


def unfinished(run, **changes):
    run.shop.journal.begin_run(Run("r", "shop", "rolling", intent(1, **changes), 0.0))


async def forever():
    await asyncio.Event().wait()


def test_the_lease_is_held_for_the_deed_and_not_longer(run):
    async def deed():
        return 0 if run.shop.lease.holder() is not None else 1

    assert held(run, deed) == 0
    assert run.shop.lease.holder() is None


def test_nothing_is_done_without_the_lease(run):
    other = assemble(run.shop.deployment.state.directory.parent / "lvdeploy.yml")
    other.lease.acquire(this_process("rolling"))
    with pytest.raises(LeaseHeld):
        held(run, forever)
    asyncio.run(other.close())


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_wait_with_its_own_code(run, number):
    async def deed():
        asyncio.get_running_loop().call_soon(signal.raise_signal, number)
        return await unless_asked(run, forever())

    assert held(run, deed) == 128 + number


def test_a_bounded_wait_ends_with_9(run):
    assert held(run, lambda: unless_asked(run, forever()), wait=0.01) == 9


@pytest.mark.parametrize("touched, raised", [(False, Refused), (True, HostError)])
def test_what_fails_before_the_first_change_is_a_refusal(run, touched, raised):
    async def deed():
        run.touched = touched
        raise HostError("the host is on fire")

    with pytest.raises(raised, match="on fire"):
        held(run, deed)


def test_a_full_disk_in_the_middle_says_how_to_go_on(run):
    async def deed():
        run.touched = True
        unfinished(run)
        raise StateError("the disk is full", hint="free some space")

    with pytest.raises(StateError) as error:
        held(run, deed)

    assert error.value.hint == "free some space, then `lvdeploy resume` goes on, `lvdeploy rollback` goes back"


def test_a_report_that_cannot_be_written_is_told_before_the_lease_is_taken(run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"--report json=.* cannot be written: Not a directory"):
        held(run, forever, reports=(("json", Path(tmp_path / "file" / "report.json")),))


def test_the_next_command_depends_on_what_is_unfinished(run):
    assert next_command(run) == "nothing was changed; `lvdeploy rolling` begins again"
    unfinished(run)
    assert next_command(run) == "`lvdeploy resume` goes on, `lvdeploy rollback` goes back"


def test_a_first_start_can_only_go_on_or_end(run):
    unfinished(run, previous=None)

    assert next_command(run) == "`lvdeploy resume` goes on, `lvdeploy down` stops everything"
