"""What a connection is made of: effects of a websocket, or requests of long polling, and when it changes."""

from __future__ import annotations

from lvdeploy.wire.phoenix.long_poll import LongPoll
from lvdeploy.wire.phoenix.transport import Fallback, Transport
from lvdeploy.wire.session import Close, Dial, Effect, Fetch, Headers, Send


def ask(method: str, url: str, *, headers: Headers, body: bytes) -> Fetch:
    return Fetch(1, url, method, headers, body)


def made(fallback: Fallback | None) -> tuple[Transport, list[Effect]]:
    out: list[Effect] = []
    poll = LongPoll("http://app.test/live/longpoll?v", out=out, request=ask)
    return Transport(out=out, dial=lambda: Dial("ws://app.test/live"), poll=lambda: poll, fallback=fallback), out


def test_websocket_is_dialled_sent_to_and_closed() -> None:
    transport, out = made(None)
    transport.connect(0.0)
    assert not transport.opened(0.0)
    transport.send("frame")
    transport.close(1000, "bye")
    assert out == [Dial("ws://app.test/live"), Send("frame"), Close(1000, "bye")]
    assert transport.wake_at == (None, None)


def test_without_a_fallback_nothing_makes_it_poll() -> None:
    transport, out = made(None)
    transport.fall_back()
    transport.connect(0.0)
    assert transport.name == "websocket"
    assert out == [Dial("ws://app.test/live")]


def test_websocket_is_watched_until_its_ping_is_answered() -> None:
    transport, _ = made(Fallback(2.5))
    transport.connect(0.0)
    assert transport.falls_back_at == 2.5
    assert transport.opened(2.0)
    assert transport.falls_back_at == 4.5
    transport.proven()
    assert transport.falls_back_at is None


def test_closed_polling_sends_nothing_more() -> None:
    transport, out = made(Fallback(2.5))
    transport.fall_back()
    transport.connect(0.0)
    assert [type(each) for each in out] == [Fetch]
    transport.send("frame")
    transport.close(1000, "")
    transport.flush(0.0)
    assert [type(each) for each in out] == [Fetch]
    assert transport.name == "longpoll"


def test_fallback_of_a_page_whose_websocket_never_worked_is_memorized() -> None:
    fallback = Fallback(2.5)
    transport, _ = made(fallback)
    transport.fall_back()
    transport.opened(0.0)
    assert fallback.memorized
    another, out = made(fallback)
    another.connect(0.0)
    assert [type(each) for each in out] == [Fetch]
