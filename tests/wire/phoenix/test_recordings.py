"""The client does what a real browser did, frame for frame, on recorded sessions of a real application."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lvdeploy.wire.phoenix import LiveView, socket
from lvdeploy.wire.session import Action, Effect, Input, Received, Send
from tests.wire.phoenix.recording import RECORDED, names, read
from tests.wire.phoenix.replay import Differs, Replay

Frame = list[Any]
Alter = Callable[[Frame], Frame | None]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "recorded" in metafunc.fixturenames:
        folder = Path(metafunc.config.getoption("--recordings"))
        metafunc.parametrize("recorded", [folder / name for name in names(folder)], ids=lambda path: path.name)


def test_client_does_what_the_browser_did(recorded: Path) -> None:
    """Frames, their order and time, addresses, cookies and what the page shows are the browser's."""
    Replay(read(recorded)).run()


# What a replay notices: clients that are a little wrong


class Mutant(LiveView):
    """A client that sends something else than it should; None swallows the frame."""

    __slots__ = ("alter",)

    def act(self, action: Action, now: float) -> list[Effect]:
        return self._altered(super().act(action, now))

    def handle(self, event: Input, now: float) -> list[Effect]:
        return self._altered(super().handle(event, now))

    def _altered(self, effects: list[Effect]) -> list[Effect]:
        altered: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, Send) or not isinstance(effect.frame, str):
                altered.append(effect)
            elif (frame := self.alter(json.loads(effect.frame))) is not None:
                altered.append(replace(effect, frame=json.dumps(frame)))
        return altered


def replay_mutant(name: str, alter: Alter) -> None:
    def make(*arguments: Any, **settings: Any) -> LiveView:
        mutant = Mutant(*arguments, **settings)
        mutant.alter = alter
        return mutant

    Replay(read(RECORDED / name), make=make).run()


def unchanged(frame: Frame) -> Frame:
    return frame


def without_unused_marks(frame: Frame) -> Frame:
    if isinstance(frame[4].get("value"), str):
        frame[4]["value"] = re.sub(r"[^&]*_unused_[^&]*=&", "", frame[4]["value"])
    return frame


def with_another_target(frame: Frame) -> Frame:
    if frame[4].get("meta", {}).get("_target") == "user[name]":
        frame[4]["meta"]["_target"] = "user[email]"
    return frame


def with_sorted_keys(frame: Frame) -> Frame:
    frame[4] = dict(sorted(frame[4].items()))
    return frame


def without_mounts(frame: Frame) -> Frame:
    if "params" in frame[4]:
        frame[4]["params"]["_mounts"] = 0
    return frame


def without_recovery(frame: Frame) -> Frame | None:
    return None if frame[4].get("event") == "recover_wizard" else frame


def without_leaving(frame: Frame) -> Frame | None:
    return None if frame[3] == "phx_leave" else frame


def test_mutants_replay_what_they_do_not_change() -> None:
    replay_mutant("d1-users-new", unchanged)


@pytest.mark.parametrize(
    ("name", "alter"),
    [
        ("a-users-new", without_unused_marks),
        ("d1-users-new", with_another_target),
        ("a-counter", with_sorted_keys),
        ("f-crash", without_mounts),
        ("b-users-new", without_recovery),
        ("bsecret-users-new", without_leaving),
    ],
)
def test_wrong_frame_turns_the_replay_red(name: str, alter: Alter) -> None:
    with pytest.raises(Differs):
        replay_mutant(name, alter)


@pytest.mark.parametrize(
    ("name", "wait"),
    [("f-crash", "rejoin_after"), ("b-dashboard", "reconnect_after"), ("e-refused", "reconnect_after")],
)
def test_late_client_turns_the_replay_red(name: str, wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    on_time = getattr(socket, wait)
    monkeypatch.setattr(socket, wait, lambda tries: on_time(tries) + 0.5)
    with pytest.raises(Differs):
        Replay(read(RECORDED / name)).run()


def test_page_that_misses_a_diff_turns_the_replay_red() -> None:
    class Deaf(LiveView):
        __slots__ = ()

        def handle(self, event: Input, now: float) -> list[Effect]:
            if isinstance(event, Received) and isinstance(event.frame, str):
                event = Received(event.frame.replace('"diff"', '"lost"'))
            return super().handle(event, now)

    with pytest.raises(Differs):
        Replay(read(RECORDED / "a-counter"), make=Deaf).run()
