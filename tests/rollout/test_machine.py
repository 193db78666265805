"""Whatever happens to a rollout, in whatever order: the laws hold, and it can be brought to an end."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from lvdeploy.errors import Changed, ExitCode, LeaseHeld
from lvdeploy.model import WHOLE, Admission, Mode, Slot
from lvdeploy.rollout.engine import Interrupted
from lvdeploy.rollout.gates import Alarm
from lvdeploy.rollout.intent import Direction, Intent, Sessions
from lvdeploy.rollout.journal import Journal
from lvdeploy.rollout.lease import TTL
from tests.rollout.fleets import COOKIE
from tests.rollout.processes import Process, SharedClock
from tests.rollout.simulation import LIMITS, World

SLOTS = tuple(Slot(f"web-{n}", "127.0.0.1", 4000 + n) for n in range(1, 5))
VERSIONS = ("1", "2", "3")
REPLICAS = 3
TO_ITS_END = 10_000

idle = precondition(lambda self: self.acting is None)
at_work = precondition(lambda self: self.acting is not None)
begun = precondition(lambda self: self.unfinished() is not None)
ended = precondition(lambda self: self.unfinished() is None)


class Rollouts(RuleBasedStateMachine):
    """
    One lvdeploy at most is at work, ``acting``; others are ``frozen``, and may thaw when the world has gone on.

    Every rule leaves the time between two sleeps of who is at work: what happens there is what can happen.
    """

    def __init__(self):
        super().__init__()
        self.world = World(SLOTS, clock=SharedClock())
        self.world.changed = self.look
        self.journal = Journal.on(self.world.disk, path=Path("memory"))
        self.acting, self.frozen = None, []
        self.able, self.out_since, self.runs = 0, {}, 0
        self.meddled = self.robbed = False

    @initialize(max_unavailable=st.integers(0, 1), sessions=st.sampled_from(Sessions))
    def up(self, max_unavailable, sessions):
        self.limits = {"max_unavailable": max_unavailable, "sessions": sessions, "affinity": COOKIE}
        self.act(Intent("up", "1", None, REPLICAS, 1, **self.limits))
        self.go(TO_ITS_END)
        assert self.world.versions() == ["1"] * REPLICAS
        self.roll("2", prove=False, drains=True)

    def teardown(self):
        try:
            self.calm()
        finally:
            self.world.disk.close()

    def calm(self):
        """Calm comes, and whoever is left dies: one command must bring what is unfinished to its end."""
        if not hasattr(self, "limits"):
            return
        for process in [*self.frozen, *([self.acting] if self.acting else [])]:
            process.kill()
        self.acting = None
        self.world.sick.clear()
        self.world.refuses_to_start.clear()
        self.world.undrainable.clear()
        self.world.balancer._refusals.clear()
        self.world.balancer.restart()
        self.meddled, self.world.balancer._held = False, self.world.balancer._notes
        if (left := self.unfinished()) is not None:
            self.act(left)
            self.go(TO_ITS_END)
            assert self.unfinished() is None

    # The laws

    def look(self, point, slot):
        """Hold the laws at every effect, while it is half done."""
        if point != "inside stop: gone":
            assert not self.meddled, f"{point}, although somebody else had changed the balancer"
            lease = self.lease()
            assert lease and lease["token"] == self.acting.operator.lease._token, f"{point} without the lease"
        self.keep_capacity(point)
        self.keep_shares()
        self.stop_only_what_is_out(point, slot)

    def keep_capacity(self, point):
        able = len(self.world.able())
        assert able >= min(self.able, REPLICAS - self.limits["max_unavailable"]), point
        self.able = able

    def keep_shares(self):
        parts = self.world.traffic.versions if self.world.traffic else ()
        shares = [part.share for part in parts if part.admission is Admission.OPEN]
        assert sum(shares) == WHOLE or not (shares or self.world.able())
        assert not any(part.share for part in parts if part.admission is not Admission.OPEN)

    def stop_only_what_is_out(self, point, slot):
        now = self.world.clock.now()
        parts = self.world.traffic.versions if self.world.traffic else ()
        modes = {server.name: server.mode for part in parts for server in part.servers}
        out = [name for name, mode in modes.items() if mode is Mode.MAINT]
        self.out_since = {name: self.out_since.get(name, now) for name in out}
        if point in ("inside stop: signalled, not gone", "inside drain: a batch sent") and slot in modes:
            assert slot in self.out_since, f"{point}: {slot} is routed"
            assert now - self.out_since[slot] >= LIMITS.out_interval, f"{point}: {slot} was not seen out"

    def check_end(self, process):
        """What a process says at its end is so."""
        if process.killed:
            return
        if process.failure is not None:
            excused = {Changed: self.meddled, LeaseHeld: self.robbed, Interrupted: True}
            assert excused.get(type(process.failure)), repr(process.failure)
            return
        code, intent = process.result.exit_code, process.result.intent
        if code is ExitCode.NEEDS_A_PERSON:
            assert self.unfinished() is not None
            return
        assert code is (ExitCode.ROLLED_BACK if intent.direction is Direction.BACK else ExitCode.OK)
        (part,) = self.world.traffic.versions
        assert self.world.versions() == [intent.wanted] * REPLICAS
        assert sorted(server.name for server in part.servers) == sorted(self.world.running) == sorted(self.world.able())
        assert (part.version, self.world.traffic.pins) == (intent.wanted, ())
        assert self.unfinished() is None
        assert self.lease() is None

    # What is there

    def unfinished(self):
        run = self.journal.unfinished("demo")
        return None if run is None else run.intent

    def lease(self):
        return self.world.disk.execute("select * from lease").fetchone()

    def act(self, intent):
        """Let a new lvdeploy try; the lease decides, and who is at work otherwise is as good as frozen."""
        lease = self.lease()
        held = lease and lease["pid"] not in self.world.dead and lease["expires"] >= self.world.clock.wall()
        process, before = Process(self.world, intent), self.acting
        self.acting, self.able = process, len(self.world.able())
        process.go(0)
        if held:
            assert isinstance(process.failure, LeaseHeld)
            self.acting = before
            return
        if before is not None:
            self.frozen.append(before)
        self.robbed = False
        self.go(0)

    def go(self, wakes):
        if self.acting is None:
            return
        self.able = len(self.world.able())
        self.acting.go(wakes)
        if self.acting.over:
            process, self.acting = self.acting, None
            self.check_end(process)

    # What people do

    @ended
    @idle
    @rule(to=st.sampled_from(VERSIONS), prove=st.booleans(), drains=st.booleans())
    def roll(self, to, prove, drains):
        serving = Counter(self.world.running[slot].version for slot in self.world.able())
        previous = next((version for version, _ in serving.most_common() if version != to), None)
        self.runs += 1
        self.act(Intent(f"r{self.runs}", to, previous, REPLICAS, 1, prove=prove, drains=drains, **self.limits))

    @begun
    @rule()
    def resume(self):
        """Also where somebody is at work: then the lease refuses it, unless it ran out."""
        self.act(self.unfinished())

    @begun
    @idle
    @rule()
    def rollback(self):
        intent = self.unfinished()
        if intent.previous is not None:
            self.act(intent.turned_back("asked for"))

    @at_work
    @rule()
    def ctrl_c(self):
        self.acting.operator.interruption.ask(2)
        self.go(TO_ITS_END)

    @at_work
    @rule()
    def release_by_force(self):
        self.journal._connection.execute("delete from lease")
        self.robbed = True
        self.go(TO_ITS_END)

    @at_work
    @rule()
    def a_check_fails(self):
        self.acting.operator.watch.ring(Alarm("state_lost: 3 sessions lost their form"))

    # What time does

    @at_work
    @rule(wakes=st.integers(1, 12))
    def go_on(self, wakes):
        self.go(wakes)

    @at_work
    @rule()
    def go_on_to_its_end(self):
        self.go(TO_ITS_END)

    @rule(seconds=st.sampled_from((1.0, 10.0, TTL + 1)))
    def nothing_runs_for_a_while(self, seconds):
        self.world.clock.pass_by(seconds)

    @rule(seconds=st.sampled_from((10.0, 3600.0)))
    def set_the_clock_back(self, seconds):
        self.world.clock.set_back(seconds)

    # What happens to lvdeploy

    @at_work
    @rule(points=st.integers(0, 60))
    def die_at_a_point(self, points):
        self.acting.doom = points
        self.go(TO_ITS_END)

    @at_work
    @rule()
    def die_asleep(self):
        self.acting.kill()
        self.acting = None

    @at_work
    @rule(seconds=st.sampled_from((1.0, TTL + 1)))
    def freeze(self, seconds):
        self.frozen.append(self.acting)
        self.acting = None
        self.world.clock.pass_by(seconds)

    @precondition(lambda self: self.frozen)
    @rule(which=st.integers(0, 9))
    def thaw(self, which):
        thawed = self.frozen.pop(which % len(self.frozen))
        lease, before = self.lease(), self.acting
        self.acting, self.able = thawed, len(self.world.able())
        if lease is not None and lease["token"] == thawed.operator.lease._token:
            assert before is None
            self.go(0)
            return
        self.acting.go(TO_ITS_END)
        self.acting = before
        noticed = (LeaseHeld, Changed) if self.meddled else LeaseHeld
        assert isinstance(thawed.failure, noticed), thawed.failure or thawed.result

    # What happens to the rest

    @rule(slot=st.sampled_from(SLOTS))
    def an_instance_dies(self, slot):
        self.world.running.pop(slot.name, None)
        self.world.ending.pop(slot.name, None)

    @rule(version=st.sampled_from(VERSIONS), how=st.sampled_from(("sick", "well", "does not start", "does not drain")))
    def a_version_is(self, version, how):
        if how == "sick":
            self.world.sick[version] = "GET /health answered 503"
        elif how == "well":
            self.world.sick.pop(version, None)
        elif how == "does not start":
            self.world.refuses_to_start ^= {version}
        else:
            self.world.undrainable ^= {version}

    @rule(what=st.sampled_from(("refuses", "dies", "comes back", "is changed", "is put back")))
    def the_balancer(self, what):
        balancer = self.world.balancer
        if what == "refuses":
            balancer.refuse("no")
        elif what == "dies":
            balancer.lose()
        elif what == "comes back":
            balancer.restart()
        elif what == "is changed":
            balancer.change(lambda traffic: replace(traffic, affinity=None))
            self.meddled = True
        else:
            balancer._held, self.meddled = balancer._notes, False


@pytest.mark.timeout(600)
def test_the_laws_hold_whatever_happens():
    run_state_machine_as_test(Rollouts, settings=settings(max_examples=100, stateful_step_count=40, deadline=None))


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_laws_hold_whatever_happens_for_long():
    run_state_machine_as_test(Rollouts, settings=settings(max_examples=5000, stateful_step_count=60, deadline=None))
