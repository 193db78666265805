"""What outlives an instance: one SQLite file that all instances share."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = """
create table if not exists counters (
    kind text not null, owner text not null, value integer not null, primary key (kind, owner)
);
create table if not exists profiles (owner text primary key, state_version text not null, state text not null);
create table if not exists messages (
    id integer primary key autoincrement, room text not null, author text not null, text text not null
);
create index if not exists messages_of_room on messages (room, id);
create table if not exists last_read (
    room text not null, reader text not null, message integer not null, primary key (room, reader)
);
create table if not exists changes (id integer primary key autoincrement, room text not null);
create table if not exists notes (seq integer primary key autoincrement, id text not null, text text not null);
create index if not exists notes_by_id on notes (id);
create table if not exists users (email text primary key, details text not null);
"""

_CHANGES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Message:
    id: int
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's stored state as the version ``state_version`` of the application wrote it."""

    state_version: str
    state: dict[str, str]


class Storage:
    """Synchronous: every statement is short, and waits at most the busy timeout for another instance's."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        self._prepare()

    def close(self) -> None:
        self._connection.close()

    def check(self) -> None:
        """Raise ``sqlite3.Error`` where the database cannot be used."""
        self._connection.execute("select count(*) from last_read").fetchone()

    def counter(self, kind: str, owner: str) -> int:
        row = self._connection.execute(
            "select value from counters where kind = ? and owner = ?", (kind, owner)
        ).fetchone()
        return int(row[0]) if row else 0

    def save_counter(self, kind: str, owner: str, value: int) -> None:
        self._connection.execute("insert or replace into counters values (?, ?, ?)", (kind, owner, value))

    def profile(self, owner: str) -> Profile | None:
        row = self._connection.execute(
            "select state_version, state from profiles where owner = ?", (owner,)
        ).fetchone()
        return Profile(row[0], json.loads(row[1])) if row else None

    def save_profile(self, owner: str, profile: Profile) -> None:
        self._connection.execute(
            "insert or replace into profiles values (?, ?, ?)",
            (owner, profile.state_version, json.dumps(profile.state)),
        )

    def save_user(self, email: str, details: dict[str, str]) -> None:
        self._connection.execute("insert or replace into users values (?, ?)", (email, json.dumps(details)))

    def messages(self, room: str, *, after: int = 0, limit: int = 50) -> list[Message]:
        """Return the newest messages after an id, oldest first."""
        rows = self._connection.execute(
            "select id, author, text from messages where room = ? and id > ? order by id desc limit ?",
            (room, after, limit),
        ).fetchall()
        return [Message(*row) for row in reversed(rows)]

    def unread(self, room: str, reader: str) -> int:
        row = self._connection.execute(
            "select count(*) from messages where room = ? and id > ?", (room, self.last_read(room, reader))
        ).fetchone()
        return int(row[0])

    def post(self, room: str, author: str, text: str) -> int:
        cursor = self._connection.execute(
            "insert into messages (room, author, text) values (?, ?, ?)", (room, author, text)
        )
        self._changed(room)
        return int(cursor.lastrowid or 0)

    def last_read(self, room: str, reader: str) -> int:
        row = self._connection.execute(
            "select message from last_read where room = ? and reader = ?", (room, reader)
        ).fetchone()
        return int(row[0]) if row else 0

    def mark_read(self, room: str, reader: str, message: int) -> None:
        """Move a reader's place in a room forward; it never moves back."""
        self._connection.execute(
            "insert into last_read values (?, ?, ?) on conflict (room, reader)"
            " do update set message = max(message, excluded.message)",
            (room, reader, message),
        )
        self._changed(room)

    def newest_change(self) -> int:
        row = self._connection.execute("select coalesce(max(id), 0) from changes").fetchone()
        return int(row[0])

    def changed_rooms(self, *, after: int) -> set[str]:
        rows = self._connection.execute("select distinct room from changes where id > ?", (after,)).fetchall()
        return {row[0] for row in rows}

    def add_note(self, note: str, text: str) -> int:
        """Store a note and return how often its id was stored by now; 1 unless something repeats requests."""
        self._connection.execute("insert into notes (id, text) values (?, ?)", (note, text))
        row = self._connection.execute("select count(*) from notes where id = ?", (note,)).fetchone()
        return int(row[0])

    def notes(self, *, after: int, limit: int) -> tuple[list[str], int]:
        """Return the newest ids in the order they came, one for each time they did, and the last one's number."""
        rows = self._connection.execute(
            "select seq, id from notes where seq > ? order by seq desc limit ?", (after, limit)
        ).fetchall()
        return [row[1] for row in reversed(rows)], (int(rows[0][0]) if rows else after)

    def _changed(self, room: str) -> None:
        cursor = self._connection.execute("insert into changes (room) values (?)", (room,))
        self._connection.execute(
            "delete from changes where id <= ?", (int(cursor.lastrowid or 0) - _CHANGES_KEPT,)
        )

    def _prepare(self) -> None:
        # Changing the journal mode does not wait for the busy timeout while another instance does the same.
        deadline = time.monotonic() + 10.0
        while True:
            try:
                self._connection.execute("pragma journal_mode = wal")
                self._connection.execute("pragma synchronous = normal")
                self._connection.executescript(_SCHEMA)
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
