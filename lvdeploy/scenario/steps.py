"""The scenario document: what a client does, and what must be there again when it comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, StrictBool, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from lvdeploy.document import Duration, Settings
from lvdeploy.model import StateClass

PLACEHOLDERS = ("client", "user", "seed")


def _number_as_text(value: object) -> object:
    """YAML reads an unquoted 42 as a number; what stands on a page is text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _known_placeholders(value: str) -> str:
    for name in re.findall(r"\{([a-z_]+)\}", value):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{name}}}; known are {known}")
    return value


Text = Annotated[str, BeforeValidator(_number_as_text), Field(max_length=10_000)]
"""A string in which ``{client}``, ``{user}`` and ``{seed}`` stand for the client's own."""

InputValue: TypeAlias = StrictBool | Text | tuple[Text, ...]
"""What a form's input is set to: text, ticked or not, several choices."""


class _Filled(Settings):
    """Settings whose strings may hold placeholders; a misspelt one is a problem."""

    @field_validator("*")
    @classmethod
    def _placeholders(cls, value: object) -> object:
        if isinstance(value, str):
            _known_placeholders(value)
        return value


class ChangeStep(_Filled):
    """Type or choose values in a form's inputs, by their names, in order."""

    form: Text
    values: Mapping[str, InputValue] = Field(min_length=1)

    @field_validator("values")
    @classmethod
    def _value_placeholders(cls, values: Mapping[str, InputValue]) -> Mapping[str, InputValue]:
        for value in values.values():
            for each in (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ():
                _known_placeholders(each)
        return values


class SubmitStep(_Filled):
    """Submit a form; ``by`` is the submitter's selector."""

    form: Text
    by: Text | None = None


class PushStep(_Filled):
    """Push an event as a hook does."""

    event: Text
    value: Mapping[str, Any] = Field(default_factory=dict)
    target: Text | None = None


class WaitStep(_Filled):
    """Wait for a time (``wait: 2s``), or until a selector finds something (``wait: {for: "#list li"}``)."""

    duration: Duration | None = None
    selector: Text | None = Field(default=None, alias="for")
    timeout: Duration | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return {"duration": value} if isinstance(value, str | int | float) else value

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.duration is None) == (self.selector is None):
            raise ValueError("should be a duration such as 2s, or {for: selector, timeout: 5s}")
        return self


class ExpectStep(_Filled):
    """
    Record what was wanted and what is there; waits for it up to ``timeout``.

    ``value`` alone is an input's value, beside ``attribute`` the attribute's. Without any of text,
    attribute, value and count the selector has to find something.
    """

    selector: Text
    name: str = ""
    text: Text | None = None
    attribute: str | None = None
    value: Text | None = None
    count: int | None = Field(default=None, ge=0)
    timeout: Duration | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if self.attribute is not None and self.value is None:
            raise ValueError("attribute needs a value beside it")
        if sum(each is not None for each in (self.text, self.value, self.count)) > 1:
            raise ValueError("should hold one of text, value, attribute with value, count")
        return self


class Step(_Filled):
    """One thing a client does: a mapping of exactly one key."""

    visit: Text | None = None
    click: Text | None = None
    change: ChangeStep | None = None
    submit: SubmitStep | None = None
    patch: Text | None = None
    navigate: Text | None = None
    push: PushStep | None = None
    wait: WaitStep | None = None
    expect: ExpectStep | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if len(self.model_fields_set) != 1 or getattr(self, self.kind) is None:
            raise ValueError(f"should have exactly one key of {', '.join(type(self).model_fields)}")
        return self

    @property
    def kind(self) -> str:
        """The step's key: ``click``, ``change`` …"""
        return next(iter(self.model_fields_set), "")


WRITING = frozenset({"click", "change", "submit", "push"})
"""The steps that may change something at the service, and so need ``writes: true``."""


class Migration(Settings):
    """What stands in a remembered value of the one version, and what is expected there from another."""

    before: Text = Field(alias="from")
    after: Text = Field(alias="to")


class Keep(_Filled):
    """
    One thing that must survive: where it is seen, and in which class of state it lives.

    One that ``grows`` is a whole number which others may raise meanwhile: it must not have become less.
    """

    name: str = Field(min_length=1)
    state_class: StateClass = Field(alias="class")
    selector: Text
    text: Literal[True] | None = None
    attribute: str | None = None
    value: Literal[True] | None = None
    grows: bool = False
    accept: Literal["lost"] | None = None
    migrates: Migration | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if sum(each is not None for each in (self.text, self.attribute, self.value)) != 1:
            raise ValueError("should say what is remembered: text: true, value: true or attribute: name")
        return self


class Meanwhile(Settings):
    """Steps that run again and again while the client waits; the state they make is remembered too."""

    every: Duration = Field(gt=0)
    steps: tuple[Step, ...] = Field(min_length=1)


class Part(_Filled):
    """What one client does."""

    visit: Text
    steps: tuple[Step, ...] = ()
    keep: tuple[Keep, ...] = ()
    meanwhile: Meanwhile | None = None

    @field_validator("keep")
    @classmethod
    def _unique(cls, keep: tuple[Keep, ...]) -> tuple[Keep, ...]:
        names = [each.name for each in keep]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name {name} is there twice")
        return keep


class Scenario(Part):
    """
    A scenario file.

    Safe by default: without ``writes: true`` nothing is clicked, typed, submitted or pushed.
    ``peer`` is a second client of the same user: another browser, so with cookies of its own. It
    shares ``{user}``, joins before the first one, and is how state is seen that others made.
    ``step_timeout`` bounds every step. ``restore_timeout`` is how long values that come after the
    rejoin's recovery are waited for; the gap ends when the last of them came.
    """

    version: Literal[1]
    name: str = Field(min_length=1)
    writes: bool = False
    peer: Part | None = None
    step_timeout: Duration = Field(default=10.0, gt=0)
    restore_timeout: Duration = Field(default=1.0, ge=0)

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not self.writes and (errors := [_unsafe(place) for place in self._writing_steps()]):
            raise ValidationError.from_exception_data("Scenario", errors)
        return self

    def _writing_steps(self) -> Iterator[tuple[str | int, ...]]:
        for place, part in (((), self), (("peer",), self.peer)):
            if part is None:
                continue
            yield from _writing((*place, "steps"), part.steps)
            if part.meanwhile is not None:
                yield from _writing((*place, "meanwhile", "steps"), part.meanwhile.steps)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The clients of one user, in the order in which they join."""
        return (self,) if self.peer is None else (self.peer, self)


@dataclass(frozen=True, slots=True)
class Names:
    """What a client's placeholders stand for."""

    client: str
    user: str
    seed: int

    def fill(self, text: str) -> str:
        """Put the names in; any other brace stays as it is."""
        values = {"client": self.client, "user": self.user, "seed": str(self.seed)}
        return re.sub(r"\{(client|user|seed)\}", lambda match: values[match[1]], text)


def cast(scenario: Scenario, number: int, *, client: str, seed: int) -> tuple[Part, Names]:
    """Give the client of this number (from 0 within the scenario) its part and its names."""
    parts = scenario.parts
    user, position = divmod(number, len(parts))
    return parts[position], Names(client=client, user=f"{scenario.name}-{user}", seed=seed)


# Private


def _writing(place: tuple[str | int, ...], steps: Sequence[Step]) -> Iterator[tuple[str | int, ...]]:
    for number, step in enumerate(steps):
        if step.kind in WRITING:
            yield (*place, number, step.kind)


def _unsafe(place: tuple[str | int, ...]) -> InitErrorDetails:
    message = "this step changes something at the service; say writes: true at the top of the scenario to allow it"
    return InitErrorDetails(type=PydanticCustomError("writes", message), loc=place, input=str(place[-1]))
