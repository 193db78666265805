"""Each page's state survives what it says it survives, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.demo.browser import Browser, View, run
from tests.demo.conftest import Launch
from tests.demo.instance import Instance

pytestmark = pytest.mark.real


async def open_page(browser: Browser, instance: Instance, path: str) -> View:
    view = await browser.visit(instance, path)
    await view.connect(instance)
    await view.join()
    return view


async def drained(view: View, to: Instance) -> None:
    """Lose the view by a drain of its instance, and rejoin elsewhere."""
    await asyncio.to_thread(view.here.drain, 100)
    assert await view.closed() == 1012
    await view.connect(to)
    await view.join()


Story = Callable[[Browser, Instance, Instance], Coroutine[Any, Any, None]]


def moving(launch: Launch, story: Story, *, to: str = "1.0") -> None:
    run(story(Browser(), launch("old"), launch("new", version=to)))


def test_the_tab_in_the_url_comes_back_and_the_tab_in_assigns_does_not(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        good = await open_page(browser, old, "/dashboard?tab=overview")
        bad = await open_page(browser, old, "/bad-dashboard")
        await good.ask("live_patch", {"url": f"{old.url}/dashboard?tab=settings"})
        good.path = "/dashboard?tab=settings"
        await bad.click("select-tab", tab="settings")
        assert "active" in (good.attribute("#settings-tab", "class") or "")
        assert "active" in (bad.attribute("#settings-tab", "class") or "")
        await drained(good, new)
        assert await bad.closed() == 1012
        await bad.connect(new)
        await bad.join()
        assert good.attribute("#panel", "data-tab") == "settings"
        assert bad.attribute("#panel", "data-tab") == "overview"

    moving(launch, story)


USER = [
    ("user[name]", "Ann & Bo"), ("user[email]", "ann@example.org"), ("user[bio]", "line 1\nline 2 <b>"),
    ("user[role]", "editor"), ("user[plan]", "pro"), ("user[newsletter]", "false"), ("user[newsletter]", "true"),
]


def test_the_form_gives_every_recovered_value_back_and_version_2_asks_for_a_phone(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        view = await open_page(browser, old, "/users/new")
        assert view.document.css_first("#user-form_phone") is None
        await view.fill("validate", USER, target="user[newsletter]")
        await drained(view, new)
        assert view.attribute("#user-form_name", "value") == "", "a new view knows nothing"
        await view.fill("validate", USER, target="user[name]")
        assert view.attribute("#user-form_name", "value") == "Ann & Bo"
        assert view.attribute("#user-form_email", "value") == "ann@example.org"
        assert view.text("#user-form_bio") == "line 1\nline 2 <b>"
        assert [node.attributes["value"] for node in view.document.css("option[selected]")] == ["editor"]
        checked = [node.attributes["value"] for node in view.document.css("input[checked]")]
        assert checked == ["pro", "true"]
        assert view.attribute("#user-form_phone", "value") == ""

    moving(launch, story, to="2.0")


def test_an_emptied_field_is_shown_empty(shared: Instance):
    async def story() -> None:
        view = await open_page(Browser(), shared, "/users/new")
        await view.fill("validate", USER, target="user[name]")
        await view.fill("validate", [("user[name]", ""), *USER[1:6]], target="user[name]")
        assert view.attribute("#user-form_name", "value") == ""
        assert not view.document.css("#user-form_newsletter[checked]")
        assert view.attribute("#user-form_email", "value") == "ann@example.org"

    run(story())


def test_the_wizard_recovers_its_step_by_an_event_of_its_own(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        view = await open_page(browser, old, "/users/new")
        assert view.attribute("#wizard-form", "phx-auto-recover") == "recover_wizard"
        await view.fill("validate_wizard", [("wizard[step]", "1"), ("wizard[a]", "first")], target="wizard[a]")
        await view.click("wizard_next")
        fields = [("wizard[step]", "2"), ("wizard[a]", "first"), ("wizard[b]", "second")]
        await view.fill("validate_wizard", fields, target="wizard[b]")
        assert view.attribute("#wizard_b", "value") == "second"
        await drained(view, new)
        assert view.attribute("#wizard-form", "data-step") == "1"
        await view.fill("recover_wizard", fields, target="wizard[a]")
        assert view.attribute("#wizard-form", "data-step") == "2"
        assert view.attribute("#wizard-form", "data-recovered") == "true"
        assert (view.attribute("#wizard_a", "value"), view.attribute("#wizard_b", "value")) == ("first", "second")

    moving(launch, story)


@pytest.mark.parametrize(("breakage", "form", "change"), [
    ("form", "user-form", "check"), ("form-id", "new-user-form", "validate"),
])
def test_a_release_with_another_form_says_so_in_its_page(launch: Launch, breakage: str, form: str, change: str):
    async def story() -> None:
        view = await open_page(Browser(), launch(DEMO_BREAK=breakage), "/users/new")
        assert view.attribute(f"#{form}", "phx-change") == change
        await view.fill(change, USER, target="user[name]")
        assert view.attribute("#user-form_name", "value") == "Ann & Bo"

    run(story())


def test_chat_reaches_the_other_instance_and_the_same_users_second_client(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        ann = await open_page(browser, old, "/chat/lobby?user=ann")
        again = await open_page(Browser(), new, "/chat/lobby?user=ann")
        bo = await open_page(Browser(), new, "/chat/lobby?user=bo")
        elsewhere = await open_page(Browser(), new, "/chat/attic?user=ann")
        await ann.submit("send", [("msg[text]", "hello <all>")])
        assert ann.text("#messages li .text") == "hello <all>"
        for view in (again, bo):
            await view.until("#messages li")
            assert view.text("#messages li .text") == "hello <all>"
            assert view.attribute("#room", "data-unread") == "1"
        message = (ann.attribute("#messages li", "id") or "").removeprefix("messages-")
        await again.click("read", id=message)
        await ann.until(f'#room[data-last-read="{message}"]')
        assert ann.attribute("#room", "data-unread") == "0"
        assert bo.attribute("#room", "data-last-read") == "0", "another user has not read it"
        assert elsewhere.attribute("#room", "data-last-read") == "0"
        await drained(ann, new)
        assert ann.attribute("#room", "data-last-read") == message
        assert ann.text("#messages li .text") == "hello <all>"

    moving(launch, story)


def test_each_counter_keeps_what_it_says_through_a_drain(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        counts = {}
        for path in ("/counter", "/counter-saved", "/counter-shutdown"):
            view = await open_page(browser, old, path)
            await view.click("inc")
            await view.click("inc")
            counts[path] = view
        await drained(counts["/counter"], new)
        for path in ("/counter-saved", "/counter-shutdown"):
            assert await counts[path].closed() == 1012
            await counts[path].connect(new)
            await counts[path].join()
        assert {path: view.text("#count") for path, view in counts.items()} == {
            "/counter": "0", "/counter-saved": "2", "/counter-shutdown": "2",
        }

    moving(launch, story)


def test_a_kill_loses_what_is_saved_only_at_the_end(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        saved = await open_page(browser, old, "/counter-saved")
        late = await open_page(browser, old, "/counter-shutdown")
        for view in (saved, late):
            await view.click("inc")
        old.kill()
        for view in (saved, late):
            assert await view.closed() == 1006
            await view.connect(new)
            await view.join()
        assert (saved.text("#count"), late.text("#count")) == ("1", "0")

    moving(launch, story)


def test_another_browser_has_counters_of_its_own(shared: Instance):
    async def story() -> None:
        first = await open_page(Browser(), shared, "/counter-saved")
        await first.click("inc")
        second = await open_page(Browser(), shared, "/counter-saved")
        assert second.text("#count") == "0"

    run(story())


def test_state_migrates_forward_and_stays_readable_for_the_old_version(launch: Launch):
    async def story(browser: Browser, old: Instance, new: Instance) -> None:
        def seen(view: View) -> tuple[str | None, str | None, str]:
            attributes = (view.attribute("#versioned", f"data-{name}") for name in ("state-version", "migration"))
            return (*attributes, view.text("#name"))  # type: ignore[return-value]  # two attributes

        view = await open_page(browser, old, "/versioned")
        assert seen(view) == ("1.0", "fresh", "")
        await view.submit("set", [("name", "Ann")])
        assert seen(await open_page(browser, old, "/versioned")) == ("1.0", "none", "Ann")
        await drained(view, new)
        assert seen(view) == ("2.0", "migrated", "Ann")
        assert seen(await open_page(browser, old, "/versioned")) == ("1.0", "none", "Ann")
        await view.submit("set", [("name", "Bo")])
        assert seen(await open_page(browser, new, "/versioned")) == ("2.0", "none", "Bo")
        assert seen(await open_page(browser, old, "/versioned")) == ("1.0", "unsupported", "")

    moving(launch, story, to="2.0")
