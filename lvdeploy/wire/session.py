"""The contract of a wire protocol: inputs in, effects out, no I/O, no clock, no randomness of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from lvdeploy.model import Kind

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Header lines in order; names in any case, one line each even where a name repeats (Set-Cookie)."""


# Inputs: what the world did


@dataclass(frozen=True, slots=True)
class Fetched:
    """
    The answer to a ``Fetch``: redirects are not followed by the pump.

    ``body`` is cut at the pump's bound. ``number`` is that of the ``Fetch``.
    """

    number: int
    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """A ``Fetch`` got no answer: refused, cut or timed out."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Opened:
    """The websocket handshake was answered with 101; ``headers`` are those of the answer (cookies too)."""

    headers: Headers


@dataclass(frozen=True, slots=True)
class Refused:
    """A ``Dial`` did not open: no connection (status ``None``) or an HTTP answer other than 101."""

    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message: text as ``str``, binary as ``bytes``."""

    frame: str | bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """An open connection ended without our ``Close``; 1006 where no close frame came."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Woken:
    """The time asked for by ``wake_at`` has come."""


Input: TypeAlias = Fetched | FetchFailed | Opened | Refused | Received | Lost | Woken


# Effects: what the session wants done, in order


@dataclass(frozen=True, slots=True)
class Fetch:
    """An HTTP request, answered by exactly one ``Fetched`` or ``FetchFailed`` of its ``number``."""

    number: int
    url: str
    method: str = "GET"
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Dial:
    """
    Open a websocket, answered by exactly one ``Opened`` or ``Refused``.

    A session has one connection at most; a ``Dial`` while one is open or being opened abandons that
    one as ``Close`` does.
    """

    url: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Send:
    """One whole message on the open connection."""

    frame: str | bytes


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection, or the attempt at one; nothing more of it is handed in."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Observe:
    """Something worth a line among the observations; the pump adds the time and the client's name."""

    kind: Kind
    value: float | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    step: str = ""


Effect: TypeAlias = Fetch | Dial | Send | Close | Observe


# Actions: what a user does


@dataclass(frozen=True, slots=True)
class Visit:
    """Load a page by its path or URL, as typing it into the address bar does."""

    url: str


@dataclass(frozen=True, slots=True)
class Click:
    """Click an element: its phx-click, its live link, or its plain link."""

    selector: str


@dataclass(frozen=True, slots=True)
class Change:
    """
    Type or choose values in a form's inputs, by their names, in order.

    Each value is set and its change event sent, as a browser does input by input. A list chooses
    several; booleans tick and untick.
    """

    form: str
    values: Mapping[str, str | bool | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Submit:
    """Submit a form, by its submitter if one is named."""

    form: str
    submitter: str | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """Push an event: to the view as a hook does, or to the ``topic`` of a channel."""

    event: str
    value: Mapping[str, object] = field(default_factory=dict)
    target: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Join a channel's topic, anew where it is joined already."""

    topic: str
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """Leave a channel's topic, and stay on the others."""

    topic: str


@dataclass(frozen=True, slots=True)
class Blur:
    """Take the cursor out of the input it stands in, which keeps its value from the server as long as it does."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Close the page, as a browser does when its tab is closed."""


@dataclass(frozen=True, slots=True)
class Navigate:
    """Go to an address as a page's script does, without a page load where that can be done (``JS.navigate``)."""

    href: str


@dataclass(frozen=True, slots=True)
class Back:
    """Press the browser's back button."""


@dataclass(frozen=True, slots=True)
class Hide:
    """Turn to another tab: this one goes on in the background."""


@dataclass(frozen=True, slots=True)
class Show:
    """Turn to this tab again."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as a browser knows it: a MIME type, and when it was modified in milliseconds since 1970."""

    name: str
    type: str
    content: bytes
    modified: int = 0


@dataclass(frozen=True, slots=True)
class Upload:
    """Choose files in a form's file input, in place of those it had; they travel when the form is submitted."""

    form: str
    name: str
    files: Sequence[File]


Action: TypeAlias = (
    Visit | Click | Change | Submit | Push | Join | Part | Blur | Leave | Upload
    | Navigate | Back | Hide | Show
)


@dataclass(frozen=True, slots=True)
class Found:
    """An element a selector found: its text, attributes, and the value a user sees in it if it has one."""

    text: str
    attributes: Mapping[str, str]
    value: str | None = None


class CannotAct(Exception):
    """The action cannot be done on this page now; says why (no such element, not connected …)."""


class Session(Protocol):
    """One synthetic user's connection to the service. Every ``now`` is monotonic seconds."""

    @property
    def wake_at(self) -> float | None:
        """When it wants ``Woken``; asked again after each call."""
        ...

    @property
    def idle(self) -> bool:
        """True when it is joined and nothing it sent or was asked to do is still unanswered."""
        ...

    @property
    def url(self) -> str:
        """The address a browser would show."""
        ...

    def begin(self, now: float) -> list[Effect]:
        """Start: usually the first page's ``Fetch``."""
        ...

    def act(self, action: Action, now: float) -> list[Effect]:
        """Do what a user does. Raises ``CannotAct``, having changed nothing."""
        ...

    def handle(self, event: Input, now: float) -> list[Effect]:
        """Take in what the world did. Never raises, whatever the server sent."""
        ...

    def look(self, selector: str) -> tuple[Found, ...]:
        """Return what a CSS selector finds on the page as the user sees it now."""
        ...
