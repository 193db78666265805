"""One rollout of a service at a time: who holds it, why, since when, and until when if nobody renews it."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from lvdeploy.clock import Clock
from lvdeploy.errors import LeaseHeld, StateError
from lvdeploy.hosts.launcher import birth
from lvdeploy.rollout.journal import Journal

TTL = 30.0
"""Seconds after which a lease that nobody renewed may be taken over."""

RENEWAL = 5.0


@dataclass(frozen=True, slots=True)
class Holder:
    """
    Who asks for the lease, or has it; ``acquired`` and ``expires`` are seconds since the epoch.

    ``birth`` marks the process's start: unlike a time of day it stays when somebody sets the clock.
    """

    owner: str
    host: str
    pid: int
    birth: str
    reason: str
    acquired: float = 0.0
    expires: float = 0.0
    token: str = ""

    def __str__(self) -> str:
        return f"{self.owner}@{self.host} (pid {self.pid}): {self.reason}"


def this_process(reason: str) -> Holder:
    """Return this process as a holder."""
    return Holder(getpass.getuser(), socket.gethostname(), os.getpid(), birth(os.getpid()) or "", reason)


def alive(holder: Holder) -> bool:
    """True unless the holder is known to be dead; of another host nothing is known."""
    if holder.host != socket.gethostname():
        return True
    return birth(holder.pid) == holder.birth


class Lease:
    """The lease of one service, held by this process. ``lives`` tells of a holder. Raises ``LeaseHeld``."""

    def __init__(
        self, journal: Journal, service: str, *, clock: Clock, lives: Callable[[Holder], bool] = alive
    ) -> None:
        self._journal = journal
        self._service = service
        self._clock = clock
        self._lives = lives
        self._token = ""

    def holder(self) -> Holder | None:
        """Return who has the lease now, expired or not."""
        with self._journal.transaction("read lease") as read:
            return self._read(read)

    def acquire(self, holder: Holder) -> Holder | None:
        """Take the lease; return the dead or expired holder it was taken over from, if there was one."""
        now = self._clock.wall()
        token = secrets.token_hex(16)
        with self._journal.transaction("acquire lease") as write:
            before = self._read(write)
            if before is not None and self._lives(before) and not _expired(before, now):
                raise LeaseHeld(
                    f"another rollout of {self._service} is under way since {_since(before, now)}: {before}",
                    hint="wait for it, or `lvdeploy lock status` and `lvdeploy lock release`",
                )
            write.execute(
                "insert or replace into lease values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self._service, token, holder.owner, holder.host, holder.pid, holder.birth, holder.reason, now,
                 now + TTL),
            )
        self._token = token
        return before

    def confirm(self) -> None:
        """
        Renew the lease, or raise where it is no longer this process's; asked before each deed.

        Renewed in the same transaction: who was frozen for longer than the lease lasts, and finds that
        nobody took it, must not lose it in the middle of the deed that follows.
        """
        with self._journal.transaction("confirm lease") as write:
            self._extend(write)
            holder = self._read(write)
        if holder is None or holder.token != self._token:
            who = "it was released" if holder is None else f"{holder} has it"
            raise LeaseHeld(
                f"this rollout of {self._service} lost its lease: {who}",
                hint="nothing more was done here; `lvdeploy status` shows where it stands",
            )

    async def renew(self) -> None:
        """Renew until cancelled."""
        while True:
            await self._clock.sleep(RENEWAL)
            # Where it cannot be written, the next step says so; until then the lease holds.
            with suppress(StateError), self._journal.transaction("renew lease") as write:
                self._extend(write)

    def release(self) -> None:
        """Give the lease back; nothing happens where it is not this process's."""
        with self._journal.transaction("release lease") as write:
            write.execute("delete from lease where service = ? and token = ?", (self._service, self._token))

    def break_(self) -> Holder | None:
        """Take the lease away from whoever has it; return who had it."""
        with self._journal.transaction("break lease") as write:
            holder = self._read(write)
            write.execute("delete from lease where service = ?", (self._service,))
        return holder

    def _extend(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "update lease set expires = ? where service = ? and token = ?",
            (self._clock.wall() + TTL, self._service, self._token),
        )

    def _read(self, connection: sqlite3.Connection) -> Holder | None:
        row = connection.execute("select * from lease where service = ?", (self._service,)).fetchone()
        if row is None:
            return None
        return Holder(
            row["owner"], row["host"], row["pid"], row["birth"], row["reason"], row["acquired"], row["expires"],
            row["token"],
        )


def _since(holder: Holder, now: float) -> str:
    if holder.acquired > now:
        return f"an instant {holder.acquired - now:.0f} s from now (was the clock set back?)"
    return f"{now - holder.acquired:.0f} s"


def _expired(holder: Holder, now: float) -> bool:
    """A lease from the future is one whose clock was set back since: its time says nothing, so it is kept."""
    return holder.expires < now
