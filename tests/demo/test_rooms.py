"""Changes of one process reach the listeners of another, and a slow listener keeps nobody waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lvdeploy.demo.rooms import Rooms
from lvdeploy.demo.storage import Storage


def test_a_listener_that_hangs_delays_itself_only_and_hears_of_what_came_meanwhile(tmp_path: Path):
    async def story() -> None:
        storage, other = Storage(tmp_path / "x.sqlite3"), Storage(tmp_path / "x.sqlite3")
        rooms = Rooms(storage)
        heard: dict[str, list[int]] = {"quick": [], "slow": []}
        stuck = asyncio.Event()
        told = asyncio.Event()

        async def quick() -> None:
            heard["quick"].append(len(storage.messages("lobby")))
            told.set()

        async def slow() -> None:
            await stuck.wait()
            heard["slow"].append(len(storage.messages("lobby")))

        rooms.join("lobby", "quick", quick)
        rooms.join("lobby", "slow", slow)
        polling = asyncio.create_task(rooms.run())
        async with asyncio.timeout(20):
            while not rooms.working:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0)
            for number in (1, 2, 3):
                told.clear()
                other.post("lobby", "ann", "hello")
                await told.wait()
                assert heard["quick"][-1] == number
            assert heard["slow"] == []
            stuck.set()
            while not heard["slow"]:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0)
        assert heard["slow"][-1] == 3
        polling.cancel()
        storage.close()
        other.close()

    asyncio.run(story())
