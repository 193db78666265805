"""Traefik itself: what happens to requests while it is changed, and what happens to it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from lvdeploy.balancers import BALANCERS, Balancer
from lvdeploy.clock import SystemClock
from lvdeploy.errors import BalancerError, Changed
from lvdeploy.hosts import LocalHost
from lvdeploy.model import Admission, Health, Mode, Outcome, Traffic
from tests.balancers.laws import both, only, with_mode
from tests.balancers.subjects import Running, TraefikSubject, traefik_in, traefik_subject, until

pytestmark = pytest.mark.real

Begin = Callable[[], AbstractAsyncContextManager[TraefikSubject]]


def trying(begin: Begin, story: Callable[[TraefikSubject], Awaitable[None]]) -> None:
    async def tried() -> None:
        async with begin() as subject:
            await story(subject)

    asyncio.run(tried())


# Requests


def test_a_request_that_reached_a_server_is_never_repeated(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        await subject.balancer.apply(only(subject, "1", "a1", "a2"), replacing=None)
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert (await subject.request(method=method, path="/die")).server is None
        assert sum(subject.backends[each].seen("/die") for each in ("a1", "a2")) == 4

    trying(traefik_begin, story)


def test_a_server_that_just_died_costs_no_request(traefik_begin: Begin):
    """Before any check noticed: what could not be sent at all goes to the next server, whatever its method."""

    async def story(subject: TraefikSubject) -> None:
        await subject.balancer.apply(only(subject, "1", "a1", "a2"), replacing=None)
        await subject.backends["a2"].kill()
        answers = [await subject.request(method=method) for method in ("GET", "POST") * 4]
        assert {each.server for each in answers} == {"a1"}
        assert subject.backends["a1"].seen("/") == len(answers)

    trying(traefik_begin, story)


def test_fifty_changes_under_load_cost_nothing(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        sockets = [await subject.socket() for _ in range(20)]
        load = Load(subject)
        for generation in range(2, 52):
            wanted = replace(_change(subject, generation), generation=generation)
            await subject.balancer.apply(wanted, replacing=held)
            held = wanted
        await load.end()
        assert (load.failures, min(load.counts) > 20) == ([], True)
        assert all([await each.echoes() for each in sockets])

    trying(traefik_begin, story)


def test_nothing_new_reaches_a_withdrawn_server(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        held = only(subject, "1", "a1", "a2")
        await subject.balancer.apply(held, replacing=None)
        load = Load(subject)
        for generation in range(2, 12, 2):
            withdrawn = replace(with_mode(held, "a1", Mode.MAINT), generation=generation)
            await subject.balancer.apply(withdrawn, replacing=held)
            await asyncio.sleep(subject.balancer.capabilities.effect_delay)
            before = len(subject.backends["a1"].asked)
            for _ in range(20):
                assert (await subject.request()).server == "a2"
            assert len(subject.backends["a1"].asked) == before
            held = replace(held, generation=generation + 1)
            await subject.balancer.apply(held, replacing=withdrawn)
        await load.end()
        assert load.failures == []

    trying(traefik_begin, story)


def test_a_withdrawn_server_that_flaps_does_not_hang_traefik(traefik_begin: Begin):
    """Traefik 3.7.15 with a weight of 0: a server comes back to health, the other dies, and it spins for ever."""

    async def story(subject: TraefikSubject) -> None:
        closed = both(subject, share=10_000, first=Admission.CLOSED)
        await subject.balancer.apply(with_mode(closed, "b2", Mode.MAINT), replacing=None)
        for each in ("b2", "a1", "a2"):
            subject.backends[each].healthy = False
        await until(lambda: subject_health(subject, "a1", Health.DOWN), "the closed version is down")
        for each in ("b2", "a1", "a2"):
            subject.backends[each].healthy = True
        await until(lambda: subject_health(subject, "a1", Health.UP), "the closed version is up again")
        await subject.kill("b1")
        await until(lambda: _answers(subject, "a"), "the fallback answers")

    trying(traefik_begin, story)


# Somebody else


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("PathPrefix(`/`)", "PathPrefix(`/shop`)", "rule"),
        ('"sameSite": "lax"', '"sameSite": "none"', "sameSite"),
        ('"fallback": "lvdeploy.shop.version.1"', '"fallback": "lvdeploy.shop.version.2"', "fallback"),
        ('"attempts": 3', '"attempts": 9', "attempts"),
        ('"idleConnTimeout": "4s"', '"idleConnTimeout": "90s"', "is not as lvdeploy wrote it"),
        ('"lvdeploy.shop.hide-pin": {', '"lvdeploy.shop.other": {"compress": {}}, "lvdeploy.shop.hide-pin": {',
         "lvdeploy.shop.other: is in lvdeploy's namespace"),
    ],
)  # fmt: skip
def test_an_edited_file_is_seen(traefik_begin: Begin, old: str, new: str, shown: str):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        subject.edit(lambda text: _replaced(text, old, new))

        await until(lambda: _shows(subject.balancer, shown), f"{shown} is seen")
        with pytest.raises(Changed, match="somebody else"):
            await subject.balancer.apply(replace(held, generation=2), replacing=held)

    trying(traefik_begin, story)


@pytest.mark.parametrize("content", [b"", b"http: [", b'{"http": {"nonsense": {}}}', b"\xff\xfe\x00"])
def test_a_file_that_somebody_spoilt_in_place_is_seen_and_written_anew(traefik_begin: Begin, content: bytes):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        subject.running.file.write_bytes(content)
        await asyncio.sleep(0.3)

        with pytest.raises(Changed):
            await subject.balancer.apply(replace(held, generation=2), replacing=held)
        subject.running.file.unlink()
        await until(lambda: _nothing(subject.balancer), "Traefik forgets")
        await subject.balancer.apply(held, replacing=None)
        assert (await subject.request()).server is not None

    trying(traefik_begin, story)


def test_a_file_that_is_gone_is_seen(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        subject.running.file.unlink()
        with pytest.raises(Changed):
            await subject.balancer.apply(replace(held, generation=2), replacing=held)

    trying(traefik_begin, story)


def test_settings_that_changed_are_written_and_are_nobody_elses_change(traefik_begin: Begin, traefik: Running):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        settings = traefik.settings.model_copy(update={"rule": "PathPrefix(`/`) || Path(`/x`)"})
        other = replace_settings(traefik, settings).balancer()
        found = await other.observe()
        assert (found.traffic, found.difference) == (held, ())

        await other.apply(held, replacing=held)
        assert "/x" in subject.running.file.read_text()
        assert (await subject.balancer.observe()).difference == ()
        await other.close()

    trying(traefik_begin, story)


# Refusals


def test_what_traefik_refuses_is_told_in_its_words_and_taken_back(traefik_begin: Begin, traefik: Running):
    async def story(subject: TraefikSubject) -> None:
        held = both(subject)
        await subject.balancer.apply(held, replacing=None)
        settings = traefik.settings.model_copy(update={"rule": "Nonsense(`/`)"})
        other = replace_settings(traefik, settings).balancer()
        with pytest.raises(BalancerError, match="unsupported function: Nonsense"):
            await other.apply(replace(held, generation=2), replacing=held)
        await other.close()

        found = await subject.balancer.observe()
        assert (found.traffic, found.difference) == (held, ())
        assert (await subject.request()).server is not None

    trying(traefik_begin, story)


def test_a_directory_that_nobody_watches_runs_into_the_deadline(traefik_begin: Begin, traefik: Running, tmp_path: Path):
    async def story(subject: TraefikSubject) -> None:
        settings = traefik.settings.model_copy(
            update={"managed": False, "directory": tmp_path, "deadline": 0.5, "throttle": 0.05}
        )
        lost = replace_settings(traefik, settings).balancer()
        with pytest.raises(BalancerError, match="did not take generation 1") as caught:
            await lost.apply(both(subject), replacing=None)
        assert str(tmp_path) in caught.value.hint
        assert os.listdir(tmp_path) == []  # noqa: PTH208 # short, in a test
        await lost.close()

    trying(traefik_begin, story)


# Faults, each on a Traefik of its own


@contextmanager
def own_traefik(directory: Path, **settings: object) -> Iterator[Running]:
    running = traefik_in(directory, **settings)
    try:
        yield running
    finally:
        asyncio.run(running.managed.down())


def test_a_killed_traefik_is_noticed_and_started_again_with_its_last_file(tmp_path: Path, traefik: Running):
    async def story(running: Running) -> None:
        async with traefik_subject(running) as subject:
            held = both(subject)
            await subject.balancer.apply(held, replacing=None)
            os.kill(running.pid, signal.SIGKILL)
            await until(lambda: _dead(running), "its death is noticed")
            with pytest.raises(BalancerError, match="cannot be reached") as caught:
                await subject.balancer.observe()
            assert "lvdeploy resume" in caught.value.hint

            assert await running.managed.up() is True
            found = await subject.balancer.observe()
            assert (found.traffic, found.difference) == (held, ())
            assert (await subject.request()).server is not None

    with own_traefik(tmp_path) as running:
        asyncio.run(story(running))


def test_a_frozen_traefik_is_told_apart_from_a_dead_one(tmp_path: Path, traefik: Running):
    async def story(running: Running) -> None:
        async with traefik_subject(running) as subject:
            held = both(subject)
            await subject.balancer.apply(held, replacing=None)
            os.kill(running.pid, signal.SIGSTOP)
            try:
                assert await running.managed.alive()
                with pytest.raises(BalancerError, match="does not answer in time"):
                    await subject.balancer.apply(replace(held, generation=2), replacing=held)
            finally:
                os.kill(running.pid, signal.SIGCONT)
            found = await subject.balancer.observe()
            assert (found.traffic, found.difference) == (held, ())

    with own_traefik(tmp_path) as running:
        asyncio.run(story(running))


def test_a_directory_that_is_gone_is_told(tmp_path: Path, traefik: Running):
    async def story(running: Running) -> None:
        async with traefik_subject(running) as subject:
            held = both(subject)
            await subject.balancer.apply(held, replacing=None)
            shutil.rmtree(running.file.parent)
            with pytest.raises(BalancerError):
                await subject.balancer.apply(replace(held, generation=2), replacing=held)
            await running.managed.down()
            await running.managed.up()
            await subject.balancer.apply(held, replacing=None)
            assert (await subject.request()).server is not None

    with own_traefik(tmp_path) as running:
        asyncio.run(story(running))


def test_a_port_that_is_taken_is_named(tmp_path: Path, traefik: Running):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with own_traefik(tmp_path, listen=listen) as running, pytest.raises(BalancerError, match="in use") as caught:
            asyncio.run(running.managed.up())
    assert "traefik.log" in caught.value.hint


def test_a_running_traefik_is_adopted_and_stopped_by_another_lvdeploy(tmp_path: Path, traefik: Running):
    async def story(running: Running) -> None:
        assert await running.managed.up() is True
        other = BALANCERS["traefik"].manage(
            running.settings, host=LocalHost(), state_directory=tmp_path, service="shop", clock=SystemClock()
        )
        assert other is not None
        assert await other.up() is False
        assert await other.down() is True
        assert await running.managed.alive() is False
        assert await other.down() is False

    with own_traefik(tmp_path) as running:
        asyncio.run(story(running))


def test_what_a_managed_traefik_serves_to_the_world_is_only_the_application(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        await subject.balancer.apply(both(subject), replacing=None)
        async with httpx.AsyncClient(trust_env=False, base_url=subject.running.url) as http:
            assert "routers" not in (await http.get("/api/rawdata")).text
        static = json.loads((subject.running.file.parent.parent / "traefik.yml").read_text())
        assert static["entryPoints"]["traefik"]["address"].startswith("127.0.0.1:")
        assert static["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}

    trying(traefik_begin, story)


# Preflight


def test_preflight_passes_on_a_managed_traefik(traefik_begin: Begin):
    async def story(subject: TraefikSubject) -> None:
        verdicts = await subject.balancer.preflight()
        assert [each for each in verdicts if each.outcome is not Outcome.PASS] == []
        assert len(verdicts) == 5

    trying(traefik_begin, story)


def test_preflight_names_each_thing_that_is_missing(traefik_begin: Begin, traefik: Running, tmp_path: Path):
    async def story(subject: TraefikSubject) -> None:
        settings = traefik.settings.model_copy(
            update={"managed": False, "directory": tmp_path / "none", "entry_points": ("websecure",)}
        )
        other = replace_settings(traefik, settings).balancer()
        failed = {each.name: each.evidence for each in await other.preflight() if each.outcome is Outcome.FAIL}
        assert set(failed) == {"Traefik's entry points", "Traefik's directory is writable"}
        assert "websecure" in failed["Traefik's entry points"]
        await other.close()

    trying(traefik_begin, story)


def test_preflight_of_a_traefik_that_is_not_there_says_so_once(tmp_path: Path, traefik: Running):
    async def story() -> None:
        balancer = traefik_in(tmp_path).balancer()
        (verdict,) = await balancer.preflight()
        assert (verdict.outcome, "cannot be reached" in verdict.evidence) == (Outcome.FAIL, True)
        await balancer.close()

    asyncio.run(story())


# Parts


def replace_settings(running: Running, settings: object) -> Running:
    return replace(running, settings=settings)  # type: ignore[arg-type] # a copy of its own settings


async def subject_health(subject: TraefikSubject, name: str, wanted: Health) -> bool:
    return (await subject.balancer.observe()).health[name] is wanted


async def _answers(subject: TraefikSubject, letter: str) -> bool:
    async with asyncio.timeout(5):
        answer = await subject.request()
    return (answer.server or "-").startswith(letter)


async def _shows(balancer: Balancer, words: str) -> bool:
    return any(words in each for each in (await balancer.observe()).difference)


async def _nothing(balancer: Balancer) -> bool:
    found = await balancer.observe()
    return found.traffic is None and not found.difference


async def _dead(running: Running) -> bool:
    return not await running.managed.alive()


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def _change(subject: TraefikSubject, number: int) -> Traffic:
    """A share, a weight, a server out, a version closed, in turn."""
    match number % 4:
        case 0:
            return both(subject, share=number * 100)
        case 1:
            return with_mode(both(subject), "a1", Mode.MAINT)
        case 2:
            return both(subject, share=10_000, first=Admission.CLOSED)
        case _:
            return only(subject, "1", "a1", "a2")


class Load:
    """Four users who ask as often as answers come; every third request is a POST."""

    def __init__(self, subject: TraefikSubject) -> None:
        self._url = subject.running.url
        self._ended = asyncio.Event()
        self.failures: list[str] = []
        self.counts = [0] * 4
        self._tasks = [asyncio.create_task(self._ask(each)) for each in range(4)]

    async def end(self) -> None:
        self._ended.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self, user: int) -> None:
        headers = {"connection": "close"} if user % 2 else {}
        async with httpx.AsyncClient(trust_env=False, base_url=self._url, timeout=20) as http:
            while not self._ended.is_set():
                method = "POST" if self.counts[user] % 3 == 0 else "GET"
                try:
                    answer = await http.request(method, "/load", headers=headers)
                    if answer.status_code != httpx.codes.OK:
                        self.failures.append(f"{method} {answer.status_code}")
                except httpx.HTTPError as error:
                    self.failures.append(f"{method} {error!r}")
                self.counts[user] += 1
                await asyncio.sleep(0.01)
