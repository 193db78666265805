"""What every balancer must keep, each law a coroutine over a subject that begins with nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from math import sqrt

import pytest

from lvdeploy.errors import BalancerError, Changed
from lvdeploy.model import Admission, Cookie, Health, Mode, Pin, Scope, Server, Traffic, VersionTraffic
from tests.balancers.subjects import Subject, until
from tests.balancers.traffics import COOKIE, CORPUS, traffic, version

LAWS: dict[str, Callable[[Subject], Awaitable[None]]] = {}


def law(each: Callable[[Subject], Awaitable[None]]) -> Callable[[Subject], Awaitable[None]]:
    LAWS[each.__name__] = each
    return each


# What was applied is what is observed


@law
async def every_traffic_reads_back(subject: Subject) -> None:
    held: Traffic | None = None
    for number, (name, each) in enumerate(CORPUS.items()):
        wanted = replace(each, generation=each.generation + number)
        await subject.balancer.apply(wanted, replacing=held)
        found = await subject.balancer.observe()
        assert (name, found.traffic, found.difference) == (name, wanted, ())
        held = wanted


@law
async def applying_again_is_harmless(subject: Subject) -> None:
    first, second = both(subject), replace(both(subject), generation=2)
    await subject.balancer.apply(first, replacing=None)
    await subject.balancer.apply(second, replacing=first)
    await subject.balancer.apply(second, replacing=first)
    await subject.balancer.apply(second, replacing=second)
    await subject.balancer.apply(second, replacing=None)

    assert (await subject.balancer.observe()).traffic == second


@law
async def another_traffic_than_the_replaced_is_left_alone(subject: Subject) -> None:
    held = both(subject)
    await subject.balancer.apply(held, replacing=None)
    for wrong in (None, replace(held, generation=7), weighing(held, 9)):
        with pytest.raises(Changed) as caught:
            await subject.balancer.apply(replace(held, generation=8), replacing=wrong)
        assert caught.value.difference
        found = await subject.balancer.observe()
        assert (found.traffic, found.difference) == (held, ())


@law
async def nothing_is_found_where_nothing_was_applied(subject: Subject) -> None:
    found = await subject.balancer.observe()
    assert (found.traffic, found.difference) == (None, ())
    with pytest.raises(Changed):
        await subject.balancer.apply(replace(both(subject), generation=2), replacing=both(subject))


@law
async def health_is_observed(subject: Subject) -> None:
    await subject.balancer.apply(both(subject), replacing=None)
    await subject.kill("a2")

    health = (await subject.balancer.observe()).health
    assert (health["a1"], health["a2"], health["b1"]) == (Health.UP, Health.DOWN, Health.UP)


@law
async def a_drain_is_kept_or_refused(subject: Subject) -> None:
    draining = with_mode(both(subject), "a1", Mode.DRAIN)
    if subject.balancer.capabilities.drain_server:
        await subject.balancer.apply(draining, replacing=None)
        assert (await subject.balancer.observe()).traffic == draining
    else:
        with pytest.raises(BalancerError):
            await subject.balancer.apply(draining, replacing=None)
        assert (await subject.balancer.observe()).traffic is None


@law
async def connections_are_cut_or_refused(subject: Subject) -> None:
    await subject.balancer.apply(only(subject, "1", "a1"), replacing=None)
    await subject.socket()
    await subject.socket()
    if subject.balancer.capabilities.cuts_connections:
        assert await subject.balancer.cut("a1", 1) == 1
        assert await subject.balancer.cut("a1", 5) == 1
    else:
        with pytest.raises(BalancerError):
            await subject.balancer.cut("a1", 1)


# What somebody else changes is seen


async def meddled(subject: Subject, change: Callable[[Traffic], Traffic], *, shown: str) -> None:
    held = both(subject)
    await subject.balancer.apply(held, replacing=None)
    await subject.meddle(change)

    found = await subject.balancer.observe()
    assert any(shown in each for each in found.difference), found.difference
    with pytest.raises(Changed) as caught:
        await subject.balancer.apply(replace(held, generation=2), replacing=held)
    assert any(shown in each for each in caught.value.difference)
    with pytest.raises(Changed):
        await subject.balancer.apply(held, replacing=held)
    assert (await subject.balancer.observe()).difference == found.difference


@law
async def a_changed_weight_is_seen(subject: Subject) -> None:
    await meddled(subject, lambda each: weighing(each, 5), shown="server a1: weight 1 → 5")


@law
async def a_changed_address_is_seen(subject: Subject) -> None:
    await meddled(
        subject, lambda each: with_server(each, "b1", address="127.0.0.1:99"), shown="server b1: address"
    )


@law
async def a_changed_share_is_seen(subject: Subject) -> None:
    def change(each: Traffic) -> Traffic:
        return replace(each, versions=(replace(each.versions[0], share=1_234), each.versions[1]))

    await meddled(subject, change, shown="share")


@law
async def a_changed_cookie_is_seen(subject: Subject) -> None:
    await meddled(subject, lambda each: replace(each, affinity=Cookie("other")), shown="cookie name")


@law
async def an_added_server_is_seen(subject: Subject) -> None:
    def change(each: Traffic) -> Traffic:
        first = each.versions[0]
        more = replace(first, servers=(*first.servers, Server("x", "127.0.0.1:77")))
        return replace(each, versions=(more, each.versions[1]))

    await meddled(subject, change, shown="version 1")


@law
async def a_removed_server_is_seen(subject: Subject) -> None:
    def change(each: Traffic) -> Traffic:
        fewer = replace(each.versions[0], servers=each.versions[0].servers[1:])
        return replace(each, versions=(fewer, each.versions[1]))

    await meddled(subject, change, shown="server a1")


# Who gets new sessions


@law
async def new_sessions_come_by_share(subject: Subject) -> None:
    held: Traffic | None = None
    for generation, share in enumerate((0, 100, 1_000, 5_000, 9_900, 10_000)):
        wanted = replace(both(subject, share=share), generation=generation)
        await subject.balancer.apply(wanted, replacing=held)
        held = wanted
        count = Counter([(await subject.request()).server for _ in range(200)])
        assert_near(count["b1"] + count["b2"], share / 10_000, 200)


@law
async def servers_of_a_version_get_their_weight(subject: Subject) -> None:
    await subject.balancer.apply(weighing(both(subject, share=0), 3), replacing=None)
    count = Counter([(await subject.request()).server for _ in range(200)])
    assert_near(count["a1"], 3 / 4, 200)


@law
async def a_version_cookie_keeps_page_and_socket_together(subject: Subject) -> None:
    await subject.balancer.apply(both(subject), replacing=None)
    seen = set()
    for _ in range(12):
        page = await subject.request()
        socket = await subject.socket(cookies=page.cookies)
        again = await subject.request(cookies=socket.cookies)
        assert letter(page.server) == letter(socket.server) == letter(again.server)
        seen.add(letter(page.server))
    assert seen == {"a", "b"}


@law
async def a_version_cookie_leaves_its_servers_equal(subject: Subject) -> None:
    await subject.balancer.apply(only(subject, "1", "a1", "a2"), replacing=None)
    cookies = (await subject.request()).cookies
    assert {(await subject.request(cookies=cookies)).server for _ in range(10)} == {"a1", "a2"}


@law
async def a_server_cookie_keeps_the_server(subject: Subject) -> None:
    if Scope.SERVER not in subject.balancer.capabilities.scopes:
        return
    await subject.balancer.apply(replace(both(subject), affinity=Cookie("lv", Scope.SERVER)), replacing=None)
    for _ in range(6):
        first = await subject.request()
        cookies = first.cookies
        for _ in range(4):
            answer = await subject.request(cookies=cookies)
            assert answer.server == first.server
            cookies = answer.cookies


@law
async def without_affinity_there_is_no_cookie(subject: Subject) -> None:
    await subject.balancer.apply(replace(both(subject), affinity=None), replacing=None)
    answers = [await subject.request() for _ in range(4)]
    assert [each.cookies for each in answers] == [{}] * 4
    assert {letter(each.server) for each in answers} == {"a", "b"}


# Who stays, who moves


@law
async def closing_moves_the_sticky_and_spares_open_sockets(subject: Subject) -> None:
    held = only(subject, "1", "a1", "a2")
    await subject.balancer.apply(held, replacing=None)
    socket = await subject.socket()
    cookies = (await subject.request()).cookies
    closed = replace(both(subject, share=10_000, first=Admission.CLOSED), generation=2)
    await subject.balancer.apply(closed, replacing=held)

    moved = await subject.request(cookies=cookies)
    assert letter(moved.server) == "b"
    assert letter((await subject.request(cookies=moved.cookies)).server) == "b"
    rejoined = await subject.socket(cookies=cookies)
    assert letter(rejoined.server) == "b"
    assert letter((await subject.request(cookies=rejoined.cookies)).server) == "b"
    assert await socket.echoes()


@law
async def sticky_only_keeps_its_own_and_takes_nobody_new(subject: Subject) -> None:
    if not subject.balancer.capabilities.sticky_only:
        return
    await keeps_its_own(subject, both(subject, share=10_000, first=Admission.STICKY_ONLY))


@law
async def a_share_of_nothing_keeps_its_own_and_takes_nobody_new(subject: Subject) -> None:
    await keeps_its_own(subject, both(subject, share=10_000, first=Admission.OPEN))


async def keeps_its_own(subject: Subject, after: Traffic) -> None:
    held = only(subject, "1", "a1", "a2")
    await subject.balancer.apply(held, replacing=None)
    cookies = (await subject.request()).cookies
    await subject.balancer.apply(replace(after, generation=2), replacing=held)

    assert [letter((await subject.request(cookies=cookies)).server) for _ in range(6)] == ["a"] * 6
    assert letter((await subject.socket(cookies=cookies)).server) == "a"
    assert [letter((await subject.request()).server) for _ in range(6)] == ["b"] * 6
    among_others = {"theme": "dark", **cookies, "lang": "de"}
    assert letter((await subject.request(cookies=among_others)).server) == "a"


@law
async def a_withdrawn_server_gets_nobody_and_keeps_its_sockets(subject: Subject) -> None:
    held = only(subject, "1", "a1", "a2")
    await subject.balancer.apply(held, replacing=None)
    sockets = [await subject.socket() for _ in range(4)]
    cookies = (await subject.request()).cookies
    withdrawn = replace(with_mode(held, "a1", Mode.MAINT), generation=2)
    await subject.balancer.apply(withdrawn, replacing=held)

    for _ in range(8):
        assert (await subject.request()).server == "a2"
        assert (await subject.request(cookies=cookies)).server == "a2"
    assert {each.server for each in sockets} == {"a1", "a2"}
    assert [await each.echoes() for each in sockets] == [True] * 4

    await subject.balancer.apply(replace(held, generation=3), replacing=withdrawn)
    assert {(await subject.request()).server for _ in range(8)} == {"a1", "a2"}


# Pins


@law
async def a_pin_reaches_a_withdrawn_server_and_a_closed_version(subject: Subject) -> None:
    if not subject.balancer.capabilities.pins:
        return
    pins = (Pin("to-a1", "1", "a1"), Pin("to-b2", "2", "b2"), Pin("to-2", "2"), Pin("to-1", "1"))
    held = replace(with_mode(both(subject, share=0, second=Admission.CLOSED), "a1", Mode.MAINT), pins=pins)
    await subject.balancer.apply(held, replacing=None)
    cookies = (await subject.request()).cookies

    async def reached(token: str, **cookies: str) -> set[str | None]:
        return {(await subject.request(pin=token, cookies=cookies)).server for _ in range(6)}

    assert await reached("to-a1") == {"a1"}
    assert await reached("to-b2", **cookies) == {"b2"}
    assert await reached("to-2") == {"b1", "b2"}
    assert await reached("to-1") == {"a2"}
    assert await reached("to-nowhere") == {"a2"}
    assert {(await subject.request()).server for _ in range(6)} == {"a2"}

    await subject.balancer.apply(replace(held, pins=(), generation=2), replacing=held)
    assert await reached("to-b2") == {"a2"}


@law
async def a_pin_is_hidden_from_the_application(subject: Subject) -> None:
    held = replace(both(subject), pins=(Pin("t", "2", "b1"),))
    await subject.balancer.apply(held, replacing=None)
    assert (await subject.request(pin="t")).pin_seen is None
    assert (await subject.request(pin="unknown")).pin_seen is None


# When servers die


@law
async def a_dead_server_gets_nobody(subject: Subject) -> None:
    await subject.balancer.apply(only(subject, "1", "a1", "a2"), replacing=None)
    await subject.kill("a2")
    assert {(await subject.request()).server for _ in range(6)} == {"a1"}


@law
async def the_first_version_is_the_fallback_though_closed(subject: Subject) -> None:
    held = both(subject, share=10_000, first=Admission.CLOSED)
    await subject.balancer.apply(held, replacing=None)
    cookies = (await subject.request()).cookies
    await subject.kill("b1")
    await subject.kill("b2")

    await until(lambda: falls_back(subject, {}), "new sessions fall back")
    await until(lambda: falls_back(subject, cookies), "sticky sessions fall back")


@law
async def sticky_only_users_fall_back_too(subject: Subject) -> None:
    if not subject.balancer.capabilities.sticky_only:
        return
    held = only(subject, "2", "b1", "b2")
    await subject.balancer.apply(held, replacing=None)
    cookies = (await subject.request()).cookies
    after = both(subject, share=0, second=Admission.STICKY_ONLY)
    await subject.balancer.apply(replace(after, generation=2), replacing=held)
    await subject.kill("b1")
    await subject.kill("b2")

    await until(lambda: falls_back(subject, cookies), "sticky sessions fall back")


async def falls_back(subject: Subject, cookies: Mapping[str, str]) -> bool:
    answer = await subject.request(cookies=cookies)
    assert letter(answer.server) in ("a", "n")
    return letter(answer.server) == "a"


# Parts


def both(
    subject: Subject, *, share: int = 5_000, first: Admission = Admission.OPEN, second: Admission = Admission.OPEN
) -> Traffic:
    """Two versions of two servers each; ``share`` is the second's."""
    return traffic(
        version("1", *servers(subject, "a1", "a2"), share=10_000 - share, admission=first),
        version("2", *servers(subject, "b1", "b2"), share=share, admission=second),
        affinity=COOKIE,
    )


def only(subject: Subject, name: str, *names: str) -> Traffic:
    return traffic(version(name, *servers(subject, *names), share=10_000))


def servers(subject: Subject, *names: str) -> tuple[Server, ...]:
    return tuple(Server(each, subject.address(each)) for each in names)


def weighing(held: Traffic, weight: int) -> Traffic:
    return with_server(held, "a1", weight=weight)


def with_mode(held: Traffic, name: str, mode: Mode) -> Traffic:
    return with_server(held, name, mode=mode)


def with_server(held: Traffic, name: str, **changes: object) -> Traffic:
    def changed(part: VersionTraffic) -> VersionTraffic:
        return replace(
            part, servers=tuple(replace(each, **changes) if each.name == name else each for each in part.servers)
        )

    return replace(held, versions=tuple(changed(each) for each in held.versions))


def letter(server: str | None) -> str:
    return (server or "nobody")[0]


def assert_near(found: int, share: float, count: int) -> None:
    """Exact up to the noise of a random split: four standard deviations, and one for rounding."""
    assert abs(found - share * count) <= (0 if share in (0, 1) else 4 * sqrt(count * share * (1 - share)) + 1)
