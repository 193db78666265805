"""What machines ask the application."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import httpx
import pytest

from tests.demo.conftest import Launch
from tests.demo.instance import SECRET, TOKEN, Instance

pytestmark = pytest.mark.real


def test_health_names_its_checks(shared: Instance):
    answer = httpx.get(f"{shared.url}/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "healthy", "version": "1.0", "instance": "shared", "checks": {"database": "ok", "pubsub": "ok"},
    }


def test_a_release_that_is_never_healthy_says_which_check_fails(launch: Launch):
    instance = launch(version="2.0", DEMO_BREAK="health")
    answer = httpx.get(f"{instance.url}/health")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unhealthy"
    assert "users.phone" in answer.json()["checks"]["database"]
    assert httpx.get(f"{instance.url}/version").json()["version"] == "2.0"


def test_a_database_that_cannot_be_used_makes_it_unhealthy(launch: Launch):
    instance = launch()
    with closing(sqlite3.connect(instance.log.parent / "demo.sqlite3")) as database:
        database.execute("drop table last_read")
    answer = httpx.get(f"{instance.url}/health")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"database": "no such table: last_read", "pubsub": "ok"}


def test_notes_are_found_again_on_every_instance_and_a_repeated_one_shows(launch: Launch):
    one, two = launch("one"), launch("two")
    assert httpx.post(f"{one.url}/api/notes", json={"id": "a", "text": "first"}).json() == {"id": "a", "times": 1}
    assert httpx.post(f"{two.url}/api/notes", json={"id": "b"}).status_code == 201
    last = httpx.get(f"{one.url}/api/notes").json()["last"]
    assert httpx.post(f"{two.url}/api/notes", json={"id": "a", "text": "again"}).json() == {"id": "a", "times": 2}
    assert httpx.get(f"{one.url}/api/notes").json()["ids"] == ["a", "b", "a"]
    assert httpx.get(f"{one.url}/api/notes", params={"since": last}).json()["ids"] == ["a"]


@pytest.mark.parametrize(("content", "status"), [
    (b"", 400), (b"[", 400), (b'{"text": "x"}', 400), (b'{"id": ""}', 400), (b'{"id": "x", "text": 5}', 400),
    (b" " * 10_000, 413),
])
def test_what_is_no_note_is_refused(shared: Instance, content: bytes, status: int):
    before = httpx.get(f"{shared.url}/api/notes").json()
    assert httpx.post(f"{shared.url}/api/notes", content=content).status_code == status
    assert httpx.get(f"{shared.url}/api/notes").json() == before


def test_secrets_and_tokens_reach_no_log(launch: Launch):
    instance = launch()
    instance.drain(1)
    instance.drain(1, token="wrong")
    httpx.get(f"{instance.url}/live/websocket?_csrf_token=leaked&vsn=2.0.0")
    instance.terminate()
    instance.ended()
    log = instance.log.read_text()
    assert not any(secret in log for secret in (SECRET, TOKEN, "wrong", "leaked"))
