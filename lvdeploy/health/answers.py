"""What an instance answered, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from lvdeploy.health.settings import HttpCheck, ReportedVersion, Scalar
from lvdeploy.model import Version

BODY_BOUND = 65_536
"""So many bytes of an answer are looked at."""
_QUOTE_BOUND = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; ``body`` is cut one byte beyond the bound."""

    path: str
    status: int
    body: bytes

    @property
    def quote(self) -> str:
        return one_line(self.body.decode(errors="replace")) or "(nothing)"


def judge(answer: Answer, check: HttpCheck) -> str:
    """Return what is wrong with an answer, or nothing."""
    said = f"GET {answer.path}"
    if answer.status != check.status:
        return f"{said} answered {answer.status}, wanted {check.status}: {answer.quote}"
    if check.contains is not None and check.contains.encode() not in answer.body:
        return f"{said} does not contain {check.contains!r}: {answer.quote}"
    if not check.json_:
        return ""
    if isinstance(document := _document(answer), _NotJson):
        return document.reason
    for place, wanted in check.json_.items():
        found = _find(document, place)
        if not _same(found, wanted):
            return f"{said} answered {_shown(found)} at {place}, wanted {json.dumps(wanted)}: {answer.quote}"
    return ""


def judge_version(answer: Answer, said: ReportedVersion, version: Version) -> str:
    if answer.status != HTTPStatus.OK:
        return f"GET {answer.path} answered {answer.status}, wanted 200 and version {version}: {answer.quote}"
    if isinstance(document := _document(answer), _NotJson):
        return document.reason
    found = _find(document, said.json_)
    # JSON's 2.0 may have been meant as text.
    if version in (found, _shown(found)):
        return ""
    return f"GET {answer.path} answered {_shown(found)} at {said.json_}, wanted version {version}: {answer.quote}"


@dataclass(frozen=True, slots=True)
class _NotJson:
    reason: str


_NOTHING = object()


def _document(answer: Answer) -> object:
    if len(answer.body) > BODY_BOUND:
        return _NotJson(f"GET {answer.path} answered more than {BODY_BOUND // 1024} KiB: {answer.quote}")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return _NotJson(f"GET {answer.path} answered {answer.status}, but not JSON: {answer.quote}")


def _find(document: object, place: str) -> object:
    """Follow ``checks.database`` or ``nodes.0.name``."""
    for part in place.split("."):
        if isinstance(document, Mapping):
            document = document.get(part, _NOTHING)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return _NOTHING
    return document


def _same(found: object, wanted: Scalar) -> bool:
    """Compare as JSON does: true is not 1, but 1 is 1.0."""
    return isinstance(found, bool) is isinstance(wanted, bool) and found == wanted


def _shown(found: object) -> str:
    return "nothing" if found is _NOTHING else one_line(json.dumps(found))


def one_line(text: str) -> str:
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= _QUOTE_BOUND else f"{line[:_QUOTE_BOUND]}…"
