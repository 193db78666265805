"""The only pump: the effects of many sessions done over sockets, and what came of them handed back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import assert_never

from lvdeploy.client.connection import CLOSE_PATIENCE, Connection, ConnectionEvent
from lvdeploy.client.dialer import Dialer
from lvdeploy.client.fetch import Fetcher
from lvdeploy.client.route import Outside, Route
from lvdeploy.client.wheel import Wheel
from lvdeploy.model import Kind, Observation
from lvdeploy.wire.session import (
    Action,
    CannotAct,
    Close,
    Dial,
    Effect,
    Fetch,
    Headers,
    Input,
    Leave,
    Lost,
    Observe,
    Refused,
    Send,
    Session,
    Woken,
)

_log = logging.getLogger(__name__)

BUFFER_SIZE = 256 * 1024
GOING_AWAY = 1001
LEAVES_UNJOINED = frozenset({Kind.PAGE_LOADED, Kind.LOST, Kind.CRASHED, Kind.JOIN_FAILED, Kind.GONE})


class Client:
    """One session with what it has open: no task, timer or queue of its own."""

    __slots__ = ("connection", "fetches", "headers", "joined", "name", "over", "refusal", "route", "session")

    def __init__(self, name: str, session: Session, route: Route) -> None:
        self.name = name
        self.session = session
        self.route = route
        self.headers: Headers = ()
        self.connection: Connection | None = None
        self.refusal: asyncio.Handle | None = None
        self.fetches: set[asyncio.Task[None]] = set()
        self.joined = False
        self.over = False


class Pump:
    """
    Runs sessions on the running loop; ``emit`` gets every observation, stamped with seconds since ``origin``.

    ``now`` is monotonic seconds. ``headers`` go with every request that does not carry them itself.
    A session that raises is gone, with the reason; the others never notice.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float],
        emit: Callable[[Observation], None],
        origin: float,
        route: Route,
        tls: ssl.SSLContext,
        headers: Headers = (),
        dials: int = 200,
        fetches: int = 100,
        fetch_timeout: float = 60.0,
    ) -> None:
        self._now = now
        self._emit = emit
        self._origin = origin
        self._route = route
        self._headers = headers
        self._clients: dict[str, Client] = {}
        self._owner: dict[Connection, Client] = {}
        self._wheel: Wheel[Client | Connection] = Wheel()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")
        self._buffer = memoryview(bytearray(BUFFER_SIZE))
        self._dialer = Dialer(tls=tls, limit=dials)
        self._fetcher = Fetcher(route=route, tls=tls, timeout=fetch_timeout)
        self._fetch_slots = asyncio.Semaphore(fetches)
        self._worst_lag = 0.0
        self._quiet = asyncio.Event()

    def __len__(self) -> int:
        return len(self._clients)

    # What the shard asks for

    def start(self, name: str, session: Session) -> None:
        """Begin a client; the name must be free."""
        if name in self._clients:
            raise ValueError(f"there is a client {name} already")
        client = self._clients[name] = Client(name, session, self._route)
        self._step(client, session.begin)

    def lose(self, name: str, *, code: int, headers: Headers = ()) -> bool:
        """
        Take a client's connection away as if the server had closed it; ``headers`` go with all it sends from now on.

        Returns ``False``, and nothing happens, where it has no connection or is gone.
        """
        client = self._clients.get(name)
        if client is None or client.over or client.connection is None:
            return False
        client.headers = headers
        connection, client.connection = client.connection, None
        connection.abandon(GOING_AWAY, "")
        self._hand_in(client, Lost(code))
        return True

    def act(self, name: str, action: Action) -> None:
        """Have a client's user do something. Raises ``CannotAct`` with nothing changed, also where it is gone."""
        client = self._clients.get(name)
        if client is None or client.over:
            raise CannotAct(f"client {name} is gone")
        refusals: list[CannotAct] = []
        self._step(client, lambda now: _acted(client.session, action, now, refusals))
        if refusals:
            raise refusals[0]

    def reroute(self, name: str, route: Route) -> None:
        """Lead all that a client asks for from now on by another way; what it has open stays open."""
        client = self._clients.get(name)
        if client is not None:
            client.route = route

    def stop(self, name: str) -> None:
        """End a client as a browser whose tab is closed: politely, and at once."""
        client = self._clients.pop(name, None)
        if client is None or client.over:
            return
        away = not client.joined
        self._step(client, lambda now: _leave(client.session, now))
        if not client.over:
            self._observe(client, Observe(Kind.ENDED, detail={"away": away}), self._now())
        self._retire(client)

    async def close(self) -> None:
        """End every client, give their close frames a moment, and cut what is left."""
        for name in list(self._clients):
            self.stop(name)
        if self._owner:
            self._quiet.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), CLOSE_PATIENCE)
        for connection in list(self._owner):
            connection.abort()
        if self._timer is not None:
            self._timer.cancel()
        await self._fetcher.close()

    def take_lag(self) -> float:
        """Return by how many seconds the worst wake-up since the last call was late, and forget it."""
        worst, self._worst_lag = self._worst_lag, 0.0
        return worst

    # What connections tell (connection.Owner)

    def happened(self, connection: Connection, event: ConnectionEvent) -> None:
        client = self._owner[connection]
        if isinstance(event, Refused | Lost):
            client.connection = None
        self._hand_in(client, event)

    def settled(self, connection: Connection) -> None:
        self._dialer.release(connection)

    def patient(self, connection: Connection, seconds: float | None) -> None:
        if seconds is None:
            self._wheel.cancel(connection)
        else:
            self._wheel.set(connection, self._now() + seconds)
            self._arm()

    def ended(self, connection: Connection) -> None:
        self._wheel.cancel(connection)
        self._owner.pop(connection, None)
        if not self._owner:
            self._quiet.set()

    # A session's turn

    def _hand_in(self, client: Client, event: Input) -> None:
        if not client.over:
            self._step(client, lambda now: client.session.handle(event, now))

    def _step(self, client: Client, turn: Callable[[float], list[Effect]]) -> None:
        now = self._now()
        try:
            for effect in turn(now):
                self._perform(client, effect, now)
            wake_at = client.session.wake_at
        except Exception as error:  # noqa: BLE001 - one broken session must not take the shard's others along
            self._gone(client, error)
            return
        if wake_at is None or client.over:
            self._wheel.cancel(client)
        else:
            self._wheel.set(client, wake_at)
            self._arm()

    def _perform(self, client: Client, effect: Effect, now: float) -> None:
        match effect:
            case Send(frame):
                if client.connection is not None:
                    client.connection.send(frame)
            case Observe():
                self._observe(client, effect, now)
            case Fetch():
                self._fetch(client, effect)
            case Dial():
                self._dial(client, effect)
            case Close(code, reason):
                self._close(client, code, reason)
            case _:
                assert_never(effect)

    def _observe(self, client: Client, observe: Observe, now: float) -> None:
        if observe.kind is Kind.JOINED:
            client.joined = True
        elif observe.kind in LEAVES_UNJOINED:
            client.joined = False
        self._emit(
            Observation(now - self._origin, client.name, observe.kind, observe.step, observe.value, observe.detail)
        )

    def _dial(self, client: Client, dial: Dial) -> None:
        self._close(client, GOING_AWAY, "")
        try:
            target = client.route.target(dial.url)
            headers = self._with_defaults(client, dial.headers)
            connection = Connection(dial.url, headers, owner=self, buffer=self._buffer)
        except (Outside, ValueError) as error:
            refused = Refused(None, str(error))
            # not at once: a session's turn ends before its next one begins
            client.refusal = asyncio.get_running_loop().call_soon(self._hand_in, client, refused)
            return
        client.connection = connection
        self._owner[connection] = client
        self.patient(connection, connection.patience)
        self._dialer.dial(connection, target)

    def _fetch(self, client: Client, fetch: Fetch) -> None:
        asked = Fetch(fetch.number, fetch.url, fetch.method, self._with_defaults(client, fetch.headers), fetch.body)
        task = asyncio.get_running_loop().create_task(self._exchange(client, asked))
        client.fetches.add(task)
        task.add_done_callback(client.fetches.discard)

    async def _exchange(self, client: Client, fetch: Fetch) -> None:
        async with self._fetch_slots:
            answer = await self._fetcher.fetch(fetch, route=client.route)
        self._hand_in(client, answer)

    def _close(self, client: Client, code: int, reason: str) -> None:
        if client.refusal is not None:
            client.refusal.cancel()
        connection, client.connection = client.connection, None
        if connection is not None:
            connection.abandon(code, reason)

    def _with_defaults(self, client: Client, headers: Headers) -> Headers:
        lines = list(headers)
        for defaults in (client.headers, self._headers):
            present = {name.lower() for name, _ in lines}
            lines += [line for line in defaults if line[0].lower() not in present]
        return tuple(lines)

    # The end of a client

    def _gone(self, client: Client, error: Exception) -> None:
        _log.error("client %s: its session raised", client.name, exc_info=error)
        reason = f"internal error ({type(error).__name__}); the log has the traceback"
        self._observe(client, Observe(Kind.GONE, detail={"reason": reason}), self._now())
        self._retire(client)

    def _retire(self, client: Client) -> None:
        client.over = True
        self._wheel.cancel(client)
        self._close(client, GOING_AWAY, "")
        for task in client.fetches:
            task.cancel()

    # Time

    def _arm(self) -> None:
        at = self._wheel.next_at()
        if at is None or at >= self._armed_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = at
        self._timer = asyncio.get_running_loop().call_later(max(0.0, at - self._now()), self._tick)

    def _tick(self) -> None:
        now = self._now()
        if now > self._armed_for:
            self._worst_lag = max(self._worst_lag, now - self._armed_for)
        self._armed_for = float("inf")
        for key in self._wheel.due(now):
            if isinstance(key, Client):
                self._wake(key)
            else:
                key.give_up()
        self._arm()

    def _wake(self, client: Client) -> None:
        if not client.over:
            self._step(client, lambda now: _woken(client.session, now))


def _woken(session: Session, now: float) -> list[Effect]:
    wake_at = session.wake_at
    # an earlier turn of the same tick may have put it off
    return session.handle(Woken(), now) if wake_at is not None and wake_at <= now else []


def _leave(session: Session, now: float) -> list[Effect]:
    return _acted(session, Leave(), now, [])


def _acted(session: Session, action: Action, now: float, refusals: list[CannotAct]) -> list[Effect]:
    try:
        return session.act(action, now)
    except CannotAct as error:
        refusals.append(error)
        return []
