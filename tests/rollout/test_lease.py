import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lvdeploy.errors import LeaseHeld
from lvdeploy.rollout.journal import Journal
from lvdeploy.rollout.lease import RENEWAL, TTL, Holder, Lease, alive, this_process
from tests.fakes import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def lease(clock):
    """Makes leases of one service, as seen by different processes."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as disk:
        yield lambda **changes: Lease(Journal.on(disk, path=Path("memory")), "demo", clock=clock, **changes)


def who(name, pid=1):
    return Holder(name, "far away", pid, "", "rolling")


def test_a_lease_that_runs_is_refused_and_one_that_ran_out_is_taken_over(lease, clock):
    lease().acquire(who("ada"))
    clock.pass_by(TTL)
    with pytest.raises(LeaseHeld, match="ada@far away"):
        lease().acquire(who("bob"))
    clock.pass_by(1)

    assert lease().acquire(who("bob")).owner == "ada"


def test_a_dead_holder_is_taken_over_at_once(lease):
    lease().acquire(who("ada"))

    assert lease(lives=lambda holder: False).acquire(who("bob")).owner == "ada"


def test_a_holder_that_ran_out_but_lives_is_taken_over_and_notices(lease, clock):
    frozen = lease(lives=lambda holder: True)
    frozen.acquire(who("ada"))
    clock.pass_by(TTL + 1)
    lease(lives=lambda holder: True).acquire(who("bob"))

    with pytest.raises(LeaseHeld, match="lost its lease: bob@far away"):
        frozen.confirm()


def test_who_confirms_a_lease_that_ran_out_holds_it_through_the_deed(lease, clock):
    frozen = lease()
    frozen.acquire(who("ada"))
    clock.pass_by(TTL + 1)
    frozen.confirm()

    with pytest.raises(LeaseHeld, match="ada@far away"):
        lease().acquire(who("bob"))


def test_it_is_renewed_while_its_holder_works(lease, clock):
    async def work():
        held = lease()
        held.acquire(who("ada"))
        renewing = asyncio.create_task(held.renew())
        await clock.sleep(10 * TTL)
        renewing.cancel()

    asyncio.run(work())

    assert lease().holder().expires >= clock.wall() + TTL - RENEWAL


def test_a_clock_set_back_takes_it_from_nobody(lease, clock):
    held = lease()
    held.acquire(who("ada"))
    clock.set_wall(clock.wall() - 3600)
    with pytest.raises(LeaseHeld, match=r"since an instant 3600 s from now \(was the clock set back\?\): ada"):
        lease().acquire(who("bob"))
    held.confirm()

    assert lease().holder().expires == clock.wall() + TTL


def test_release_and_renewal_leave_somebody_elses_lease_alone(lease, clock):
    first, second = lease(), lease()
    first.acquire(who("ada"))
    clock.pass_by(TTL + 1)
    second.acquire(who("bob"))
    expires = lease().holder().expires
    clock.pass_by(1)
    first.release()
    with pytest.raises(LeaseHeld):
        first.confirm()

    assert (lease().holder().owner, lease().holder().expires) == ("bob", expires)


def test_this_process_lives_and_another_with_its_number_does_not():
    me = this_process("rolling")

    assert alive(me)
    assert not alive(Holder(me.owner, me.host, me.pid, f"{me.birth}0", me.reason))
    assert not alive(Holder(me.owner, me.host, 2**22 + 1, me.birth, me.reason))
    assert alive(who("somebody of whom nothing is known", pid=2**22 + 1))
