"""Who listens where: found by connecting, named by the system."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from lvdeploy.instances.ports import holder, is_taken
from lvdeploy.model import Slot
from tests.real import free_port

pytestmark = pytest.mark.real


def test_free_port_is_free_and_nobodys() -> None:
    port = free_port()

    assert asyncio.run(is_taken(Slot("web-1", "127.0.0.1", port))) is False
    assert asyncio.run(holder(port)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_listener_is_found_and_named(address: str) -> None:
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]
        found = asyncio.run(holder(port))

        assert asyncio.run(is_taken(Slot("web-1", "127.0.0.1", port)))
        assert found is not None
        assert (found.pid, found.group) == (os.getpid(), os.getpgid(0))
        assert str(found).startswith(f"pid {os.getpid()} (")


def test_asking_does_not_get_in_the_way_of_who_wants_the_port() -> None:
    port = free_port()

    async def story() -> None:
        asking = asyncio.create_task(is_taken(Slot("web-1", "127.0.0.1", port)))
        await asyncio.sleep(0)
        with socket.socket() as plain:  # without SO_REUSEADDR, as some applications do
            plain.bind(("127.0.0.1", port))
            plain.listen()
            await asking

    asyncio.run(story())


def test_listener_whose_backlog_is_full_counts_as_taken() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))

        assert asyncio.run(is_taken(Slot("web-1", "127.0.0.1", port)))
        for each in waiting:
            each.close()
