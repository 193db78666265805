"""What was intended, decided and done: SQLite, committed before the balancer or an instance hears of it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lvdeploy.errors import StateError
from lvdeploy.hook import Hook, nobody
from lvdeploy.model import Event, Fact, Instance, StepRecord, Traffic
from lvdeploy.rollout.intent import Intent

SCHEMA = 3

ROOM = 1024 * 1024
"""Bytes that must be free where the state is before anything is begun."""

_TRAFFIC = """
create table traffic (service text primary key, generation integer not null, traffic text not null);
"""

_TABLES = """
create table runs (
  id text primary key, service text not null, command text not null, intent text not null,
  began real not null, ended real, outcome text not null default '', exit_code integer, reason text not null default ''
);
create table steps (
  number integer primary key, run text not null references runs(id), name text not null, subject text not null,
  began real not null, ended real, outcome text not null default '', detail text not null default ''
);
create table facts (
  slot text not null, pid integer not null, started real not null, fact text not null, run text not null,
  primary key (slot, pid, started, fact)
);
create table events (
  number integer primary key, run text not null references runs(id), at real not null, kind text not null,
  subject text not null, message text not null, detail text not null
);
"""

_LEASE = """
create table lease (
  service text primary key, token text not null, owner text not null, host text not null, pid integer not null,
  birth text not null, reason text not null, acquired real not null, expires real not null
);
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One rollout as the journal knows it; ``began`` and ``ended`` are seconds since the epoch."""

    id: str
    service: str
    command: str
    intent: Intent
    began: float
    ended: float | None = None
    outcome: str = ""
    exit_code: int | None = None
    reason: str = ""


class Journal:
    """The journal of one state directory. Every method that writes has committed when it returns."""

    def __init__(self, connection: sqlite3.Connection, *, path: Path, hook: Hook = nobody) -> None:
        self._connection = connection
        self._path = path
        self._hook = hook

    @classmethod
    def open(cls, path: Path, *, hook: Hook = nobody) -> Journal:
        """Open or create the journal, private to its owner. Raises ``StateError``."""
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            return cls.on(connection, path=path, hook=hook)

    @classmethod
    def on(cls, connection: sqlite3.Connection, *, path: Path, hook: Hook = nobody) -> Journal:
        """Keep the journal on a connection that is open, in autocommit mode; ``path`` is for messages."""
        connection.row_factory = sqlite3.Row
        _migrate(connection, path)
        return cls(connection, path=path, hook=hook)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self, point: str) -> Iterator[sqlite3.Connection]:
        """Commit what is written inside, or nothing; ``point`` names it to the hook."""
        self._hook(f"before {point}")
        with _explained(self._path):
            self._connection.execute("begin immediate")
            try:
                yield self._connection
            except BaseException:
                # On a full disk SQLite has done so itself.
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
            self._connection.execute("commit")
        self._hook(f"after {point}")

    # Runs

    def begin_run(self, run: Run) -> None:
        self._require_room()
        with self.transaction("begin run") as write:
            write.execute(
                "insert into runs (id, service, command, intent, began) values (?, ?, ?, ?, ?)",
                (run.id, run.service, run.command, _packed(run.intent), run.began),
            )

    def turn(self, intent: Intent) -> None:
        """Replace a run's intent: its direction and the reason for it."""
        with self.transaction("turn") as write:
            write.execute("update runs set intent = ? where id = ?", (_packed(intent), intent.run))

    def end_run(self, run: str, *, outcome: str, exit_code: int, reason: str, at: float) -> None:
        with self.transaction("end run") as write:
            write.execute(
                "update runs set ended = ?, outcome = ?, exit_code = ?, reason = ? where id = ?",
                (at, outcome, exit_code, reason, run),
            )

    def runs(self, service: str, *, limit: int = 50) -> tuple[Run, ...]:
        """Return the newest runs of a service, newest first."""
        # Not by the time it began: somebody may have set the clock back since.
        rows = self._rows("select * from runs where service = ? order by rowid desc limit ?", service, limit)
        return tuple(_run(row) for row in rows)

    def run(self, run: str) -> Run | None:
        rows = self._rows("select * from runs where id = ?", run)
        return _run(rows[0]) if rows else None

    def unfinished(self, service: str) -> Run | None:
        """Return the newest run if it never ended."""
        newest = self.runs(service, limit=1)
        return newest[0] if newest and newest[0].ended is None else None

    # Steps

    def begin_step(self, run: str, *, name: str, subject: str, at: float, traffic: Traffic | None = None) -> int:
        """Record a step and, where it changes it, the traffic that the balancer is to be told."""
        self._require_room()
        with self.transaction(f"begin {name}") as write:
            cursor = write.execute(
                "insert into steps (run, name, subject, began) values (?, ?, ?, ?)", (run, name, subject, at)
            )
            if traffic is not None:
                write.execute(
                    "insert or replace into traffic select service, ?, ? from runs where id = ?",
                    (traffic.generation, _packed(traffic), run),
                )
        return int(cursor.lastrowid or 0)

    def end_step(self, number: int, *, outcome: str, detail: str, at: float) -> None:
        with self.transaction("end step") as write:
            write.execute(
                "update steps set ended = ?, outcome = ?, detail = ? where number = ?", (at, outcome, detail, number)
            )

    def steps(self, run: str) -> tuple[StepRecord, ...]:
        return tuple(
            StepRecord(row["name"], row["subject"], row["began"], row["ended"], row["outcome"], row["detail"])
            for row in self._rows("select * from steps where run = ? order by number", run)
        )

    # Traffic

    def intend(self, service: str, traffic: Traffic) -> None:
        """Record what the balancer is to be told outside of a run."""
        with self.transaction("intend traffic") as write:
            write.execute(
                "insert or replace into traffic values (?, ?, ?)", (service, traffic.generation, _packed(traffic))
            )

    def intended(self, service: str) -> Traffic | None:
        """Return what the balancer was last to be told; it may not have heard of it."""
        rows = self._rows("select traffic from traffic where service = ?", service)
        with _explained(None):
            return msgspec.json.decode(rows[0]["traffic"], type=Traffic) if rows else None

    # Facts

    def learn(self, instance: Instance, fact: Fact, *, run: str) -> None:
        with self.transaction(f"learn {fact}") as write:
            write.execute(
                "insert or ignore into facts values (?, ?, ?, ?, ?)", (*instance.identity, fact.value, run)
            )

    def forget(self, instance: Instance, fact: Fact) -> None:
        with self.transaction(f"forget {fact}") as write:
            write.execute(
                "delete from facts where slot = ? and pid = ? and started = ? and fact = ?",
                (*instance.identity, fact.value),
            )

    def facts(self, instance: Instance) -> frozenset[Fact]:
        """Return what is known of this very process; another one in the slot has none of it."""
        rows = self._rows("select fact from facts where slot = ? and pid = ? and started = ?", *instance.identity)
        return frozenset(Fact(row["fact"]) for row in rows)

    # Events

    def tell(self, run: str, event: Event) -> None:
        with self.transaction("event") as write:
            write.execute(
                "insert into events (run, at, kind, subject, message, detail) values (?, ?, ?, ?, ?, ?)",
                (run, event.at, event.kind, event.subject, event.message, _packed(dict(event.detail))),
            )

    def events(self, run: str) -> tuple[Event, ...]:
        return tuple(
            Event(row["at"], row["kind"], row["subject"], row["message"], msgspec.json.decode(row["detail"]))
            for row in self._rows("select * from events where run = ? order by number", run)
        )

    def _require_room(self) -> None:
        """Raise while there is still room to say so: a deed needs more than its record, SQLite may need none."""
        full = _full(self._path)
        if full is not None:
            raise full

    def _rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        with _explained(None):
            return self._connection.execute(query, values).fetchall()


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    version = int(connection.execute("pragma user_version").fetchone()[0])
    if version > SCHEMA:
        raise StateError(
            f"{path} was written by a newer lvdeploy (schema {version}, this one knows {SCHEMA})",
            hint="use that version of lvdeploy, or another state.directory",
        )
    if version == 0:
        connection.executescript(f"begin; {_TABLES} {_LEASE} {_TRAFFIC} pragma user_version = {SCHEMA}; commit;")
    elif version < SCHEMA:
        # A lease is of the moment: whoever held one wrote it in another form, and is of another lvdeploy.
        connection.executescript(
            f"begin; drop table lease; {_LEASE} {_TRAFFIC} pragma user_version = {SCHEMA}; commit;"
        )


def _full(path: Path | None) -> StateError | None:
    """Say so where the disk is full: SQLite then complains of this or that."""
    if path is None:
        return None
    with suppress(OSError):
        free = shutil.disk_usage(path.parent).free
        if free < ROOM:
            return StateError(
                f"the disk of {path.parent} is full: {free // 1024} KiB are left, {ROOM // 1024} are needed",
                hint="free some space",
            )
    return None


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """Turn what SQLite and the disk say into a sentence."""
    where = f" {path}" if path is not None else ""
    try:
        yield
    except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
        full = _full(path)
        if full is not None:
            raise full from error
        raise StateError(
            f"the journal{where} cannot be read or written: {error}",
            hint="look at the disk's space and the permissions of state.directory",
        ) from error


def _packed(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _run(row: sqlite3.Row) -> Run:
    with _explained(None):
        intent = msgspec.json.decode(row["intent"], type=Intent)
    return Run(
        id=row["id"], service=row["service"], command=row["command"], intent=intent, began=row["began"],
        ended=row["ended"], outcome=row["outcome"], exit_code=row["exit_code"], reason=row["reason"],
    )
