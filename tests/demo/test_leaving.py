"""How an instance goes: drained in batches or told to end, saving first, and never closing anybody twice alike."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.demo.browser import Browser, View, run
from tests.demo.conftest import Launch
from tests.demo.instance import TOKEN, Instance, until

pytestmark = pytest.mark.real


async def joined(instance: Instance, path: str = "/counter-shutdown", *, clicks: int = 0) -> View:
    view = await Browser().visit(instance, path)
    await view.connect(instance)
    await view.join()
    for _ in range(clicks):
        await view.click("inc")
    return view


def health(instance: Instance) -> tuple[int, str]:
    answer = httpx.get(f"{instance.url}/health")
    return answer.status_code, answer.json()["status"]


def test_a_drain_closes_so_many_and_says_how_many_are_left(launch: Launch):
    async def live() -> None:
        instance = launch()
        views = [await joined(instance) for _ in range(5)]
        assert health(instance) == (200, "healthy")
        answer = await asyncio.to_thread(instance.drain, 2)
        assert answer.json() == {"left": 3}
        assert health(instance) == (503, "draining")
        assert [await view.closed() for view in views[:2]] == [1012, 1012]
        await views[2].click("inc")
        assert views[2].text("#count") == "1", "who is not closed works on"
        assert (await asyncio.to_thread(instance.drain, 100)).json() == {"left": 0}
        assert [await view.closed() for view in views[2:]] == [1012] * 3
        await Browser().visit(instance, "/counter")  # pages are still answered

    run(live())


def metrics(instance: Instance) -> dict[str, int]:
    numbers: dict[str, int] = httpx.get(f"{instance.url}/metrics").json()
    return numbers


@pytest.mark.parametrize("count", ["-1", "many", "1.5"])
def test_a_drain_of_no_number_is_refused(shared: Instance, count: str):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx.post(f"{shared.url}/admin/drain?count={count}", headers=headers)
    assert answer.status_code == 400
    assert health(shared)[1] == "healthy"


def test_only_the_token_drains_and_only_from_this_machine(launch: Launch):
    instance = launch()
    assert instance.drain(1, token="another").status_code == 403
    assert httpx.post(f"{instance.url}/admin/drain?count=1").status_code == 403
    headers = {"authorization": f"Bearer {TOKEN}", "x-forwarded-for": "192.0.2.7"}
    assert httpx.post(f"{instance.url}/admin/drain?count=1", headers=headers).status_code == 403
    assert health(instance) == (200, "healthy")


def test_without_a_token_nobody_drains(launch: Launch):
    assert launch(DEMO_TOKEN="").drain(1, token="None").status_code == 403


def test_sigterm_tells_everybody_while_it_still_accepts_then_ends_who_came_back(launch: Launch):
    async def live() -> None:
        instance = launch(DEMO_DRAIN_PAUSE="5")
        views = [await joined(instance) for _ in range(3)]
        instance.terminate()
        assert [await view.closed() for view in views] == [1012] * 3
        for view in views:
            await view.connect(instance)
            assert (await view.join())[4]["status"] == "ok"
        assert health(instance) == (503, "draining")
        assert [await view.closed() for view in views] == [1000] * 3
        assert await asyncio.to_thread(instance.ended) == 0
        with pytest.raises(OSError, match="Connect"):
            await views[0].connect(instance)

    run(live())


def test_sigterm_without_a_pause_closes_each_once_with_1012(launch: Launch):
    async def live() -> None:
        instance = launch(DEMO_DRAIN_PAUSE="0")
        views = [await joined(instance) for _ in range(5)]
        instance.terminate()
        assert [await view.closed() for view in views] == [1012] * 5
        assert await asyncio.to_thread(instance.ended) == 0

    run(live())


def test_a_view_is_saved_before_its_client_is_told(launch: Launch):
    """The client is back within 10 ms: what it finds elsewhere must be stored when the close frame leaves."""

    async def live() -> None:
        one, two = launch("one"), launch("two")
        views = [await joined(one, clicks=number + 1) for number in range(4)]
        one.terminate()
        for number, view in enumerate(views):
            assert await view.closed() == 1012
            await view.connect(two)
            await view.join()
            assert view.text("#count") == str(number + 1)

    run(live())


def test_a_view_that_is_busy_is_closed_all_the_same(launch: Launch):
    async def live() -> None:
        instance = launch(DEMO_BREAK="slow")
        view = await Browser().visit(instance, "/counter")
        await view.connect()
        await view.send("4", "4", view.topic, "phx_join", view.join_payload())
        await asyncio.to_thread(until, lambda: metrics(instance)["live_views"] == 1)
        assert (await asyncio.to_thread(instance.drain, 1)).json() == {"left": 0}
        assert await view.closed() == 1012

    run(live())


def test_a_second_signal_does_not_wait(launch: Launch):
    async def live() -> None:
        instance = launch(DEMO_DRAIN_PAUSE="60")
        view = await joined(instance)
        instance.terminate()
        assert await view.closed() == 1012
        instance.terminate()
        await asyncio.to_thread(instance.ended)

    run(live())
