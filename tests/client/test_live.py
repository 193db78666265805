"""Pages used from async code, against a real instance of the demo application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest

from lvdeploy.client import Live, Stuck, View
from lvdeploy.model import Kind
from lvdeploy.wire.session import CannotAct
from tests.client.web import web
from tests.demo.instance import Instance

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def instances(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Instance, Instance]]:
    directory = tmp_path_factory.mktemp("instances")
    both = [
        Instance(directory, name=f"web-{each}", version=f"{each}.0", environment={}).answering() for each in (1, 2)
    ]
    yield both[0], both[1]
    for each in both:
        each.kill()


@pytest.fixture
def url(instances: tuple[Instance, Instance]) -> str:
    return instances[0].url


def use(url: str, story: Callable[[Live], Awaitable[None]], **settings) -> None:
    async def main() -> None:
        async with Live(url, **settings) as live:
            await story(live)

    asyncio.run(main())


def kinds(view: View) -> list[Kind]:
    return [each.kind for each in view.observations]


def test_what_a_user_does_is_answered_when_it_returns(url: str):
    async def story(live: Live) -> None:
        view = await live("/users/new")
        await view.change("#user-form", {"user[name]": "Ann", "user[newsletter]": True, "user[role]": "editor"})
        assert view.value("#user-form_name") == "Ann"
        assert view.value("#user-form_newsletter") == "true"
        assert view.attribute("#user-form", "data-validates") == "3"
        await view.change("#user-form", {"user[email]": "ann@example.org"})
        await view.submit("#user-form")
        assert view.attribute("#user-form", "data-saved") == "ann@example.org"

    use(url, story)


def test_live_links_change_the_address(url: str):
    async def story(live: Live) -> None:
        view = await live("/dashboard")
        await view.click("#settings-tab")
        assert view.url == f"{url}/dashboard?tab=settings"
        assert view.text("#panel") == "settings"
        await view.click("#home")
        assert view.has("#links")

    use(url, story)


def test_users_have_cookies_of_their_own(url: str):
    async def story(live: Live) -> None:
        one, other = await live("/counter-saved"), await live("/counter-saved")
        await one.click("#inc")
        await one.reload()
        await other.reload()
        assert (one.text("#count"), other.text("#count")) == ("1", "0")

    use(url, story)


def test_a_connection_that_is_refused_for_a_while_comes_back(url: str):
    async def story(live: Live) -> None:
        view = await live("/counter")
        await view.click("#inc")
        await view.lose(1006, refused=0.3)
        assert view.text("#count") == "0"
        seen = kinds(view)
        assert Kind.REFUSED in seen[seen.index(Kind.LOST) :]
        assert seen[-1] is Kind.RECOVERED

    use(url, story)


def test_a_normal_closure_loads_the_page_again(url: str):
    """live_socket.ts: code 1000 means reloadWithJitter."""

    async def story(live: Live) -> None:
        view = await live("/dashboard?tab=settings")
        await view.lose(1000)
        assert kinds(view).count(Kind.PAGE_LOADED) == 2
        assert view.text("#panel") == "settings"

    use(url, story)


def test_a_cutover_leads_to_the_other_instance_under_the_same_address(instances: tuple[Instance, Instance]):
    before, after = instances

    async def story(live: Live) -> None:
        view = await live("/counter-saved")
        await view.click("#inc")
        await view.lose(to=after.url)
        assert view.attribute("main", "data-instance") == "web-2"
        assert view.text("#count") == "1"
        assert view.url.startswith(before.url)
        await view.reload()
        assert view.attribute("main", "data-instance") == "web-2"

    use(before.url, story)


def test_what_the_server_does_by_itself_can_be_awaited(url: str):
    async def story(live: Live) -> None:
        reader, writer = await live("/chat/hall?user=ann"), await live("/chat/hall?user=bob")
        await writer.change("#msg-form", {"msg[text]": "hello"})
        await writer.submit("#msg-form")
        await reader.until(lambda: reader.has("li.message"), what="bob's message")
        assert reader.text("li.message .text") == "hello"

    use(url, story)


def test_an_action_that_cannot_be_done_says_why(url: str):
    async def story(live: Live) -> None:
        view = await live("/counter")
        with pytest.raises(CannotAct, match="#nothing"):
            await view.click("#nothing")
        with pytest.raises(CannotAct, match=r"'button' finds 2 elements on .*/counter, not one"):
            view.text("button")
        await view.click("#inc")

    use(url, story)


def test_a_wait_in_vain_says_what_was_seen(url: str):
    async def story(live: Live) -> None:
        view = await live("/counter", timeout=0.2)
        with pytest.raises(Stuck, match=r"waited 0.2 s for the end of time, seen last:(.|\n)*joined"):
            await view.until(lambda: False, what="the end of time")

    use(url, story)


def test_an_error_page_is_told_at_once():
    async def story(live: Live) -> None:
        with pytest.raises(Stuck, match=r"page_loaded.*status 500"):
            await live("/")

    with web(lambda request: request.answer(500, b"<h1>oh</h1>")) as port:
        use(f"http://127.0.0.1:{port}", story)


def test_a_plain_page_has_no_connection_to_lose():
    async def story(live: Live) -> None:
        view = await live("/")
        assert view.text("h1") == "hi"
        with pytest.raises(CannotAct, match="no open connection"):
            await view.lose(1012)

    with web(lambda request: request.answer(200, b"<h1>hi</h1>")) as port:
        use(f"http://127.0.0.1:{port}", story)


@pytest.mark.parametrize("path", ["/counter", "ftp://127.0.0.1/", "counter"])
def test_a_path_needs_an_address(path: str):
    async def story(live: Live) -> None:
        with pytest.raises(ValueError, match=f"where is '{path}'"):
            await live(path)

    use("", story)
