"""Events as plain lines: one each, with its time, for logs and for output that is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from lvdeploy.model import Event
from lvdeploy.report.masking import mask

_KIND_WIDTH = 15
_LONGEST = 500


def line(event: Event, wall_time: float, *, zone: tzinfo | None = None) -> str:
    """Return ``2026-11-22T16:36:04.120+01:00  step began       start web-4``; ``wall_time`` in epoch seconds."""
    moment = datetime.fromtimestamp(wall_time, zone).astimezone(zone)
    kind = event.kind.replace("_", " ")
    return f"{moment.isoformat(timespec='milliseconds')}  {kind:<{_KIND_WIDTH}}  {words(event)}".rstrip()


def words(event: Event) -> str:
    """Say what happened, in one line without secrets and control characters."""
    text = one_line(mask(_words(event)))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def duration(seconds: float) -> str:
    """Return ``340 ms``, ``1.3 s``, ``2 min 05 s`` or ``1 h 02 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def one_line(text: str) -> str:
    """Return the text without line ends and whatever else could move a terminal's cursor."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


# Private


def _words(event: Event) -> str:
    match event.kind:
        case "rollout_began" if not event.message:
            return _described(event.detail)
        case "step_began" | "step_ended":
            return _joined(event.message, event.subject) + _outcome(event.detail)
        case "traffic_changed":
            return f"new sessions: {event.message}"
        case "turned_back":
            return f"back to {event.subject}: {event.message}"
        case "observed":
            return _fleet(event.detail)
        case "instance_gone" | "step_failed":
            return event.message
        case _ if event.message and event.subject:
            return f"{event.subject}: {event.message}"
        case _:
            return event.message or _joined(event.subject, _described(event.detail))


def _outcome(detail: Mapping[str, object]) -> str:
    took, said = detail.get("took"), detail.get("said")
    parts = [duration(took)] if isinstance(took, int | float) else []
    parts += [str(said)] if said else []
    return f" ({', '.join(parts)})" if parts else ""


def _described(detail: Mapping[str, object]) -> str:
    """Return an unknown event's details as ``name=value``."""
    return " ".join(f"{name}={value}" for name, value in detail.items() if isinstance(value, str | int | float))


def _fleet(detail: Mapping[str, object]) -> str:
    slots = detail.get("slots")
    return ", ".join(_slot(each) for each in slots if isinstance(each, Mapping)) if isinstance(slots, Sequence) else ""


def _slot(told: Mapping[str, object]) -> str:
    if told.get("version") is None:
        return f"{told.get('slot')} empty"
    return " ".join(str(told[name]) for name in ("slot", "version", "health", "mode") if told.get(name))


def _joined(*parts: str) -> str:
    return " ".join(each for each in parts if each)
