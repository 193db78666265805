from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvdeploy.measure.tally import Gap, Presence, Tally
from lvdeploy.model import Kind, Observation, StateClass
from tests.measure.seen import back, entry, joined, lost, moved, ready, seen, tally_of


def facts(tally: Tally) -> dict[str, Any]:
    return {
        "presence": tally.presence,
        "reconnects": dict(tally.reconnects),
        "codes": dict(tally.close_codes),
        "disruptions": tally.disruptions,
        "gap": tally.gap,
        "state": dict(tally.state),
        "loads": tally.full_page_loads,
        "joins": tally.join_failures,
        "skew": tally.skew,
    }


# Sessions


def test_a_session_is_who_was_ready_before_the_first_step():
    tally = tally_of(ready("a", at=4.9), ready("b", at=5.1), lost("b", 10.0), joined("c", 1.0))
    assert tally.sessions == 1
    assert dict(tally.reconnects) == {"a": 0}
    assert tally.away == ()


def test_without_a_first_step_every_ready_client_is_a_session():
    assert tally_of(ready("a"), ready("b", at=50.0), first_step=None).sessions == 2


def test_losses_before_the_first_step_are_not_the_rollouts():
    tally = tally_of(moved("a", at=3.0))
    assert dict(tally.reconnects) == {"a": 0}
    assert tally.disruptions == ()
    assert not tally.close_codes


def test_the_mark_may_come_after_the_observations():
    stream = [*moved("a", at=3.0), *moved("b", at=10.0)]
    early, late = Tally(), Tally()
    early.mark("first_step", 5.0)
    for each in stream:
        early.take(each)
        late.take(each)
    late.mark("first_step", 5.0)
    assert facts(early) == facts(late)


def test_every_lost_connection_that_had_joined_is_a_reconnect():
    tally = tally_of(
        ready("a"), lost("a", 10.0), joined("a", 10.1), lost("a", 10.2, instance="web-2"), joined("a", 10.3),
        back("a", 10.4),
    )  # fmt: skip
    assert dict(tally.reconnects) == {"a": 2}
    assert len(tally.disruptions) == 1


def test_a_connection_lost_before_its_join_is_an_attempt_and_its_close_code_counts():
    tally = tally_of(ready("a"), lost("a", 10.0), lost("a", 10.1, code=1000), joined("a", 10.3), back("a", 10.4))
    assert dict(tally.reconnects) == {"a": 1}
    assert dict(tally.close_codes) == {1012: 1, 1000: 1}


def test_presence_follows_a_client():
    tally = Tally()
    assert tally.presence == Presence(0, 0, 0, 0)
    for observation, expected in (
        (joined("a", 0.5), Presence(1, 0, 0, 0)),
        (ready("a"), Presence(0, 1, 0, 0)),
        (lost("a", 10.0), Presence(0, 0, 1, 0)),
        (joined("a", 10.2), Presence(0, 0, 1, 0)),
        (back("a", 10.4), Presence(0, 1, 0, 0)),
        (seen(11.0, "a", Kind.GONE, reason="stuck"), Presence(0, 0, 0, 1)),
    ):
        tally.take(observation)
        assert tally.presence == expected


# Gaps


def test_who_never_returned_is_an_infinite_gap_and_state_that_cannot_be_told():
    tally = tally_of(moved("a"), ready("b", form=entry(None)), lost("b", 10.0, code=1006))
    assert [each.client for each in tally.away] == ["b"]
    assert tally.gap.max == math.inf
    assert tally.gap.p50 == pytest.approx(0.5)
    assert tally.gap_so_far.max == pytest.approx(0.5)
    assert (tally.away[0].code, tally.away[0].from_instance, tally.away[0].gap) == (1006, "web-1", None)
    form = tally.state[StateClass.FORM]
    assert (form.counted, form.indeterminate) == (0, 1)


def test_a_client_that_was_not_joined_at_the_end_never_returned():
    tally = tally_of(ready("a"), seen(20.0, "a", Kind.ENDED, away=True))
    assert [each.client for each in tally.away] == ["a"]
    assert tally_of(ready("a"), seen(20.0, "a", Kind.ENDED, away=False)).away == ()


def test_without_an_outage_there_is_no_gap():
    assert tally_of(ready("a")).gap == Gap(None, None, None, None)


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=30))
def test_percentiles_are_measured_values_in_order(gaps: list[float]):
    tally = tally_of(*(moved(f"c-{number}", gap=gap) for number, gap in enumerate(gaps)))
    gap = tally.gap
    values = [gap.p50, gap.p95, gap.p99, gap.max]
    assert all(each is not None for each in values)
    assert values == sorted(each for each in values if each is not None)
    assert gap.max == pytest.approx(max(gaps))
    assert min(abs(each - (gap.p50 or 0)) for each in gaps) < 1e-6


# State


def test_a_value_that_a_fresh_mount_shows_too_proves_nothing():
    tally = tally_of(moved("a", same=entry("0", had="0", fresh="0")))
    assert tally.state[StateClass.FORM].counted == 0
    assert tally.declared == {StateClass.FORM}


def test_a_value_that_was_not_on_the_page_counts_for_nothing():
    tally = tally_of(moved("a", none={**entry(None), "had": None, "wanted": None}))
    assert tally.state[StateClass.FORM].counted == 0


def test_what_was_lost_with_something_unanswered_cannot_be_told_but_what_is_found_is_kept():
    tally = tally_of(ready("a"), lost("a", 10.0), back("a", 10.5, unsettled=True, one=entry("Ann"), two=entry("")))
    form = tally.state[StateClass.FORM]
    assert (form.kept, form.indeterminate, form.counted) == (1, 1, 1)


def test_a_value_lost_once_is_counted_once_whatever_comes_later():
    it = entry("")
    tally = tally_of(moved("a", it=it), lost("a", 20.0), back("a", 20.5, it=entry("Ann", had="Ann")))
    form = tally.state[StateClass.FORM]
    assert (form.counted, form.lost, form.kept) == (1, 1, 0)


def test_lost_state_is_not_held_any_more_when_the_client_never_returns():
    tally = tally_of(moved("a", it=entry("")), lost("a", 20.0))
    assert tally.away[0].state == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from([each.value for each in StateClass]),
            st.sampled_from(["Ann", "", None]),
            st.sampled_from(["", "Ann", None]),
            st.booleans(),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_counts_add_up(things: list[tuple[str, str | None, str | None, bool, bool]]):
    stream: list[Observation] = []
    for number, (state_class, found, fresh, accepted, unsettled) in enumerate(things):
        client, it = f"c-{number}", entry(found, state_class=state_class, fresh=fresh, accepted=accepted)
        stream += [ready(client, it=it), lost(client, 10.0), back(client, 10.5, unsettled=unsettled, it=it)]
    counts = tally_of(stream).state.values()
    held = sum(fresh != "Ann" for _, _, fresh, _, _ in things)
    assert sum(each.counted + each.indeterminate for each in counts) == held
    assert all(each.counted == each.kept + each.lost + each.accepted for each in counts)


# Order


lives = st.lists(
    st.tuples(st.sampled_from(["moved", "twice", "away", "still"]), st.floats(6.0, 60.0), st.sampled_from(["Ann", ""])),
    min_size=1,
    max_size=8,
)


@given(lives, st.randoms(use_true_random=False))
def test_clients_observations_may_come_in_any_interleaving(plan: list[tuple[str, float, str]], rng: random.Random):
    streams: list[list[Observation]] = []
    for number, (life, at, found) in enumerate(plan):
        client, it = f"c-{number}", entry(found)
        stream = moved(client, at=at, it=it)
        stream += [lost(client, at + 1), back(client, at + 2, gap=1.0, it=it)] if life == "twice" else []
        stream += [lost(client, at + 3, code=1006)] if life == "away" else []
        streams.append(stream[:1] if life == "still" else stream)
    straight = tally_of(*streams)
    waiting = [list(each) for each in streams]
    shuffled = Tally()
    while any(waiting):
        shuffled.take(rng.choice([each for each in waiting if each]).pop(0))
    shuffled.mark("first_step", 5.0)
    assert facts(shuffled) == facts(straight)


# What should not happen


def test_a_page_load_counts_only_for_who_was_away_or_about_to_reload():
    def load(at: float, reason: str) -> Observation:
        return seen(at, "a", Kind.PAGE_LOADED, 0.1, url="/", status=200, reason=reason, instance="web-1", version="1")

    tally = tally_of(
        load(0.5, "first"), ready("a"), load(6.0, "visit"), lost("a", 10.0), load(10.1, "code 1000"),
        load(10.2, "redirect"), back("a", 10.5), seen(20.0, "a", Kind.RELOAD_SCHEDULED, 5.0, reason="push timeout"),
        load(25.0, "push timeout"), load(30.0, "visit"),
    )  # fmt: skip
    assert [each.at for each in tally.full_page_loads] == [10.1, 25.0]


def test_a_fall_to_another_transport_and_a_socket_of_another_version_are_seen():
    def opened(at: float, transport: str, version: str) -> Observation:
        return seen(at, "a", Kind.OPENED, 0.01, attempt=1, transport=transport, instance="x", version=version)

    def load(at: float, version: str) -> Observation:
        return seen(at, "a", Kind.PAGE_LOADED, 0.1, reason="first", instance="x", version=version)

    tally = tally_of(
        ready("a"), load(6.0, "1"), opened(6.1, "websocket", "1"), opened(7.0, "websocket", "2"), load(8.0, "2"),
        opened(8.1, "longpoll", "1"),
    )  # fmt: skip
    assert [each.what for each in tally.transport_downgrades] == ["from websocket to longpoll"]
    assert [each.what for each in tally.skew] == ["page of 2, socket of 1"]


def test_a_join_that_leads_elsewhere_is_no_failure():
    reasons = ["stale", "redirect", "live_redirect", "join crashed"]
    stream = [seen(10.0 + number, "a", Kind.JOIN_FAILED, reason=each) for number, each in enumerate(reasons)]
    assert [each.what for each in tally_of(ready("a"), stream).join_failures] == ["stale", "join crashed"]


def test_a_form_that_was_not_recovered_belongs_to_its_outage():
    recovered = seen(10.2, "a", Kind.RECOVERED, 0.1, forms=[], skipped={"#f": "its id changed"})
    tally = tally_of(ready("a"), lost("a", 10.0), recovered, back("a", 10.5), lost("a", 20.0), back("a", 20.5))
    assert [dict(each.skipped) for each in tally.disruptions] == [{"#f": "its id changed"}, {}]
    assert dict(tally.skipped_forms) == {"#f: its id changed": 1}


def test_what_is_not_as_it_should_be_is_counted_and_harms_nothing():
    tally = tally_of(
        ready("a"), seen(6.0, "a", Kind.BACK, 1.0, state="?"), seen(7.0, "a", Kind.READY, 1.0, state=[1]),
        seen(8.0, "a", Kind.LOST, code="x", reason=7), seen(9.0, "a", Kind.RECOVERED, skipped=3),
        first_step=None,
    )  # fmt: skip
    assert tally.malformed == 2
    assert tally.sessions == 1
