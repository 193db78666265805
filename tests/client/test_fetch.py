from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lvdeploy.client import Route, tls_context
from lvdeploy.client.fetch import Fetcher
from lvdeploy.wire.session import Fetch, Fetched, FetchFailed
from tests.client.scripted import Run, Scripted, pump
from tests.client.web import Request, web

pytestmark = pytest.mark.real


@asynccontextmanager
async def fetcher(**options) -> AsyncIterator[Fetcher]:
    made = Fetcher(route=options.pop("route", Route(frozenset({"127.0.0.1"}))), tls=tls_context(), **options)
    try:
        yield made
    finally:
        await made.close()


def fetch(url: str, *, run: Run, **options) -> Fetched | FetchFailed:
    answers: list[Fetched | FetchFailed] = []

    async def story() -> None:
        async with fetcher(**options) as made:
            answers.append(await made.fetch(Fetch(7, url)))

    run(story())
    return answers[0]


def test_an_answer_comes_with_its_number_status_headers_and_body(run: Run):
    def respond(request: Request) -> None:
        request.answer(404, b"not here", ("X-Instance", "web-1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))

    with web(respond) as port:
        answer = fetch(f"http://127.0.0.1:{port}/x", run=run)
    assert isinstance(answer, Fetched)
    assert (answer.number, answer.status, answer.body) == (7, 404, b"not here")
    assert [value for name, value in answer.headers if name.lower() == "set-cookie"] == ["a=1", "b=2"]


def test_nothing_is_sent_that_the_session_did_not_ask_for(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    seen: list[list[str]] = []

    def respond(request: Request) -> None:
        seen.append(sorted(name.lower() for name in request.headers))
        request.answer(200, b"", ("Set-Cookie", "a=1"))

    async def story() -> None:
        async with fetcher() as made:
            for _ in range(2):
                await made.fetch(Fetch(1, url, headers=(("Accept", "text/html"),)))

    with web(respond) as port:
        url = f"http://127.0.0.1:{port}/"
        run(story())
    assert seen == [["accept", "host"]] * 2


def test_redirects_are_handed_back(run: Run):
    with web(lambda request: request.answer(302, b"", ("Location", "/elsewhere"))) as port:
        answer = fetch(f"http://127.0.0.1:{port}/", run=run)
    assert isinstance(answer, Fetched)
    assert answer.status == 302


def test_a_body_is_cut_at_the_bound(run: Run):
    with web(lambda request: request.answer(200, b"x" * 5000)) as port:
        answer = fetch(f"http://127.0.0.1:{port}/", run=run, body_limit=1000)
    assert isinstance(answer, Fetched)
    assert answer.body == b"x" * 1000


def test_a_compressed_body_is_cut_at_the_bound_of_what_it_unpacks_to(run: Run):
    packed = gzip.compress(b"x" * 5_000_000)
    with web(lambda request: request.answer(200, packed, ("Content-Encoding", "gzip"))) as port:
        answer = fetch(f"http://127.0.0.1:{port}/", run=run, body_limit=1000)
    assert isinstance(answer, Fetched)
    assert answer.body == b"x" * 1000


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://elsewhere.example/", "not one of the hosts"),
        ("ftp://127.0.0.1/", "not a scheme"),
        ("http://127.0.0.1:1/", "connection refused"),
    ],
)
def test_what_cannot_be_asked_fails_with_the_reason(run: Run, url: str, reason: str):
    answer = fetch(url, run=run)
    assert isinstance(answer, FetchFailed)
    assert answer.number == 7
    assert reason in answer.reason


def test_a_cut_answer_fails(run: Run):
    with web(Request.cut) as port:
        assert isinstance(fetch(f"http://127.0.0.1:{port}/", run=run), FetchFailed)


def test_no_answer_fails_at_the_timeout(run: Run):
    async def story() -> None:
        over = asyncio.Event()

        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(1024):
                pass
            writer.close()
            await writer.wait_closed()
            over.set()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        async with server, fetcher(timeout=0.1) as made:
            port = server.sockets[0].getsockname()[1]
            answer = await made.fetch(Fetch(1, f"http://127.0.0.1:{port}/"))
            assert answer == FetchFailed(1, "no answer within 0.1 s")
            await over.wait()

    run(story())


def test_headers_that_cannot_be_sent_fail(run: Run):
    async def story() -> None:
        async with fetcher() as made:
            for value in ("a\r\nb: c", "grüße ☃"):
                answer = await made.fetch(Fetch(1, "http://127.0.0.1:1/", headers=(("X", value),)))
                assert isinstance(answer, FetchFailed)

    run(story())


@pytest.mark.parametrize(("keep_alive", "connections"), [(None, 3), (5.0, 1)])
def test_connections_are_fresh_unless_kept(run: Run, keep_alive: float | None, connections: int):
    ports: set[int] = set()

    def respond(request: Request) -> None:
        ports.add(request.client_address[1])
        request.answer(200, b"ok")

    async def story() -> None:
        async with fetcher(keep_alive=keep_alive) as made:
            for _ in range(3):
                assert isinstance(await made.fetch(Fetch(1, url)), Fetched)

    with web(respond) as port:
        url = f"http://127.0.0.1:{port}/"
        run(story())
    assert len(ports) == connections


def test_the_pump_answers_every_fetch_by_its_number(run: Run):
    async def story() -> None:
        async with pump() as running:
            session = Scripted(*(Fetch(number, f"http://127.0.0.1:{port}/{number}") for number in range(5)))
            session.first.append(Fetch(5, "http://elsewhere.example/"))
            running.start("u", session)
            answers = {answer.number: answer.body for answer in await session.until(Fetched, count=5)}
            assert answers == {number: f"/{number}".encode() for number in range(5)}
            assert [answer.number for answer in await session.until(FetchFailed)] == [5]

    with web(lambda request: request.answer(200, request.path.encode())) as port:
        run(story())
