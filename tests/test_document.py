"""Documents: every mistake at once, each with its place; values as they were written; nothing secret printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from lvdeploy.document import Check, Duration, Key, Location, Rate, Secret, Settings, Share, load, parse_duration
from lvdeploy.errors import ConfigurationError


class Probe(Settings):
    path: str = "/"
    json_: dict[str, str | int | float | bool | None] = Field(default_factory=dict, alias="json")
    anything: Any = None


class Slot(Settings):
    name: str
    port: int = Field(default=80, ge=1, le=65535)


class Document(Settings):
    version: str = ""
    slots: list[Slot] = Field(default_factory=list)
    probe: Probe = Probe()
    spare: Probe | None = None
    target: str | Slot = "x"
    every: Duration = 5.0
    limit: Rate = 1.0
    share: Share = 0
    sessions: Literal["updated", "any"] = "updated"
    token: Secret | None = None
    directory: Location = Path(".state")


def read(text: str, tmp_path: Path = Path("/srv"), **environment: str) -> Document:
    return load(text, Document, environment=environment, file="a.yml", directory=tmp_path)


def problems(text: str, tmp_path: Path = Path("/srv"), **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(text, tmp_path, **environment)
    return [str(each) for each in caught.value.problems]


# Mistakes


def test_every_mistake_is_told_at_once_with_its_place():
    text = """\
version: 1
slots:
  - {name: web-1, prot: 4001}
  - {port: 70000}
probe:
  path: [a]
every: 5
limit: fast
share: 101%
sessions: updatd
slots: []
"""
    assert problems(text) == [
        "a.yml:3:19: slots[0].prot: unknown key; did you mean 'port'?",
        "a.yml:4:5: slots[1]: missing key 'name'",
        "a.yml:4:12: slots[1].port: should be 65535 or less, not 70000",
        "a.yml:6:9: probe.path: should be text, not a list",
        "a.yml:7:8: every: should be a duration such as 500ms, 30s or 5m, not 5",
        "a.yml:8:8: limit: should be a rate such as 20/s or 300/m, not 'fast'",
        "a.yml:9:8: share: should be a share such as 10% or 2.5%, not '101%'",
        "a.yml:10:11: sessions: should be 'updated' or 'any', not 'updatd'",
        "a.yml:11:1: slots: is there twice; first in line 2",
    ]


def test_a_misspelt_key_is_one_mistake_although_another_is_missing():
    assert problems("slots: [{nmae: web}]") == ["a.yml:1:10: slots[0].nmae: unknown key; did you mean 'name'?"]


def test_an_alias_is_what_may_be_meant():
    assert problems("probe: {jsn: {}}") == ["a.yml:1:9: probe.jsn: unknown key; did you mean 'json'?"]


def test_keys_inside_an_optional_section_are_known():
    assert problems("spare: {pth: /}") == ["a.yml:1:9: spare.pth: unknown key; did you mean 'path'?"]


def test_what_no_member_of_a_union_takes_is_one_mistake():
    assert problems("target: [1]") == ["a.yml:1:9: target: should be text or a mapping, not a list"]


def test_a_mistake_inside_one_member_of_a_union_is_told_alone():
    assert problems("target: {name: a, port: many}") == [
        "a.yml:1:25: target.port: should be a whole number, not 'many'"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a.yml:1:1: is empty"),
        ("# nothing\n", "a.yml:1:1: is empty"),
        ("- a\n", "a.yml:1:1: should be a mapping, not a list"),
        ("a: 1\n---\nb: 2\n", "a.yml:2:1: a second document begins; one file holds one"),
        ("a:\n\t- 1\n", "a.yml:2:1: is not YAML: a tab; indent with spaces"),
        ("token: {a: ${B}}\n", 'a.yml:1:13: is not YAML: between { and } a variable stands in quotes, "${NAME}"'),
        ("a: \x01\n", "a.yml:1:4: is not YAML: a character that may not stand in text"),
        ("[a]: 1\n", "a.yml:1:1: a key should be text"),
        ("version: !now 1\n", "a.yml:1:10: version: the tag '!now' is not known here"),
        ("slots: [{<<: 3, name: a}]\n", "a.yml:1:14: slots[0]: '<<' takes a mapping, or a list of them"),
    ],
)
def test_what_is_not_a_document_is_told_with_its_place(text, problem):
    assert problems(text) == [problem]


def test_broken_syntax_is_told_with_where_it_began():
    (problem,) = problems("version: 1\nslots: [{name: a}\nevery: 5s\n")

    assert problem.startswith("a.yml:3:1: is not YAML: ")
    assert problem.endswith("(while parsing a flow sequence, line 2)")


def test_a_long_value_is_shown_cut():
    (problem,) = problems(f"sessions: {'x' * 500}")

    assert len(problem) < 150


# Bounds


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "&a a: *a\nb: &b {c: *b}",
        "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
        "[" * 5000,
        "[" * 60 + "]" * 60,
        "a: " + "x" * 1_000_001,
    ],
    ids=["itself", "mapping in itself", "billion laughs", "open brackets", "deep", "long"],
)
def test_a_document_that_unfolds_without_end_is_refused(text):
    (problem,) = problems(text)

    assert "too many" in problem or "too deeply" in problem or "longer than" in problem


def test_a_number_too_long_for_a_number_is_text():
    assert read(f"version: {'9' * 5000}").version == "9" * 5000


@given(st.text(max_size=60))
def test_no_text_makes_it_crash(text):
    try:
        read(text)
    except ConfigurationError as error:
        assert error.problems


# Values


@pytest.mark.parametrize("written", ["1.10", "1.0", "007", "2026-01-31", "12:30", "1e3", "yes", "0x1F", "1_000"])
def test_a_version_stays_as_it_was_written(written):
    assert read(f"version: {written}").version == written


def test_numbers_stay_numbers_where_they_may_be():
    document = read("probe: {json: {a: 200, b: 1.5, c: true, d: null, e: on}, anything: [1, {x: 2.5}]}")

    assert document.probe.json_ == {"a": 200, "b": 1.5, "c": True, "d": None, "e": "on"}
    assert document.probe.anything == [1, {"x": 2.5}]
    assert type(document.probe.json_["a"]) is int


@pytest.mark.parametrize(
    ("written", "seconds"), [("500ms", 0.5), ("30s", 30), ("5m", 300), ("1.5h", 5400), ("1m30s", 90), ("1d", 86400)]
)
def test_durations_are_seconds(written, seconds):
    assert read(f"every: {written}").every == pytest.approx(seconds)


@pytest.mark.parametrize("written", ["5", "5 s", "-5s", "s", "5x", "1e3s", "''", "[5s]", "true"])
def test_what_is_no_duration_is_refused(written):
    assert "should be a duration such as" in problems(f"every: {written}")[0]


@given(st.integers(0, 10**9))
def test_a_duration_in_milliseconds_is_as_many_thousandths(milliseconds):
    assert parse_duration(f"{milliseconds}ms") == pytest.approx(milliseconds / 1000)


@pytest.mark.parametrize(("written", "per_second"), [("20/s", 20), ("300/m", 5), ("0.5 / s", 0.5)])
def test_rates_are_per_second(written, per_second):
    assert read(f"limit: {written}").limit == pytest.approx(per_second)


@pytest.mark.parametrize(("written", "share"), [("10%", 1000), ("2.5%", 250), ("0.01%", 1), ("100%", 10_000)])
def test_shares_are_basis_points(written, share):
    assert read(f"share: {written}").share == share


def test_a_program_gives_numbers_and_reads_back_what_it_wrote():
    document = Document(every=0.25, limit=2.0, share=1000)

    assert Document.model_validate_json(document.model_dump_json(by_alias=True, exclude={"token"})) == document


def test_an_empty_section_has_its_defaults():
    assert read("probe:\n").probe == read("version: x\n").probe == Probe()


def test_an_optional_section_stays_away():
    assert read("version: x\n").spare is None


def test_anchors_and_merge_keys_serve_several_places():
    document = read("slots:\n  - &one {name: a, port: 4001}\n  - {<<: *one, name: b}\n  - *one\n")

    assert [(each.name, each.port) for each in document.slots] == [("a", 4001), ("b", 4001), ("a", 4001)]


def test_a_mistake_that_an_anchor_repeats_is_told_once():
    assert len(problems("slots:\n  - &one {name: a, port: 0}\n  - *one\n")) == 1


# Paths and secrets


def test_paths_begin_at_the_document_and_so_do_default_ones(tmp_path):
    assert read("directory: here", tmp_path).directory == tmp_path / "here"
    assert read("version: x", tmp_path).directory == tmp_path / ".state"
    assert read("directory: /var/lib", tmp_path).directory == Path("/var/lib")


def test_a_file_is_read_by_its_path_and_named_in_problems(tmp_path):
    path = tmp_path / "deploy.yml"
    path.write_text("every: 5")

    with pytest.raises(ConfigurationError, match=r"deploy\.yml:1:8: every: "):
        load(path, Document, environment={})


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match=r"cannot read .*/none\.yml: No such file"):
        load(tmp_path / "none.yml", Document, environment={})
    (tmp_path / "latin.yml").write_bytes(b"version: \xe9")
    with pytest.raises(ConfigurationError, match="it is not UTF-8"):
        load(tmp_path / "latin.yml", Document, environment={})


def test_a_secret_prints_masked():
    document = read("token: hunter2")

    assert document.token is not None
    assert document.token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(document) + str(document) + document.model_dump_json()


def test_a_secret_comes_from_a_file_beside_the_document(tmp_path):
    (tmp_path / "token").write_text("hunter2\n")
    document = read("token: file:token", tmp_path)

    assert document.token is not None
    assert document.token.get_secret_value() == "hunter2"


def test_a_secret_file_that_cannot_be_read_is_a_mistake_with_its_place(tmp_path):
    assert problems("token: file:none", tmp_path) == [
        f"a.yml:1:8: token: cannot read the secret in {tmp_path}/none: No such file or directory"
    ]
    (tmp_path / "big").write_bytes(b"x" * 100_000)
    assert "larger than" in problems("token: file:big", tmp_path)[0]


# The environment


def test_variables_are_put_in():
    document = read("version: v${MAJOR}.${MINOR:-0}\nslots: [{name: a, port: '${PORT}'}]\n", MAJOR="2", PORT="4001")

    assert document.version == "v2.0"
    assert document.slots[0].port == 4001


@pytest.mark.parametrize(("environment", "version"), [({}, ""), ({"V": ""}, ""), ({"V": "1.10"}, "1.10")])
def test_a_variable_may_be_empty_by_default(environment, version):
    assert read("version: ${V:-}", **environment).version == version


def test_a_missing_variable_is_a_mistake_with_its_place():
    assert problems("version: x\nlimit: ${RATE}\nshare: ${1}") == [
        "a.yml:2:8: limit: the environment has no variable RATE",
        "a.yml:3:8: share: ${1} should be ${NAME} or ${NAME:-default}; write $${ for ${ itself",
    ]


def test_what_a_variable_holds_is_not_shown():
    assert problems("limit: ${TOKEN}", TOKEN="hunter2") == [
        "a.yml:1:8: limit: should be a rate such as 20/s or 300/m, not '${TOKEN}'"
    ]


def test_a_doubled_dollar_is_a_dollar():
    assert read("version: $${HOME} costs $5", HOME="/root").version == "${HOME} costs $5"


def test_what_a_variable_holds_is_not_read_as_yaml():
    assert read("version: ${V}", V="{a: ${V}, b: *c}").version == "{a: ${V}, b: *c}"


# Laws over several sections


def _quick_enough(probe: Probe, slots: list[Slot]) -> Iterator[tuple[Key, str]]:
    for number, slot in enumerate(slots):
        if slot.name == probe.path:
            yield ("slots", number, "name"), "is the probe's path"
    yield ("probe", "nowhere"), "is about the section"


def test_a_check_tells_the_place_although_another_section_is_wrong():
    check = Check(("probe", "slots"), _quick_enough)
    with pytest.raises(ConfigurationError) as caught:
        load(
            "probe: {path: a}\nslots: [{name: a}]\nevery: 5", Document, environment={}, file="a.yml", checks=[check],
        )

    assert [str(each) for each in caught.value.problems] == [
        "a.yml:1:8: probe.nowhere: is about the section",
        "a.yml:2:16: slots[0].name: is the probe's path",
        "a.yml:3:8: every: should be a duration such as 500ms, 30s or 5m, not 5",
    ]


def test_a_check_does_not_look_at_what_is_wrong():
    check = Check(("probe", "slots"), _quick_enough)
    with pytest.raises(ConfigurationError) as caught:
        load("slots: [{name: a, port: 0}]", Document, environment={}, file="a.yml", checks=[check])

    assert len(caught.value.problems) == 1


def test_a_check_does_not_look_at_what_a_missing_variable_left_behind():
    check = Check(("probe", "slots"), _quick_enough)
    with pytest.raises(ConfigurationError) as caught:
        load("slots: [{name: '${A}'}]\nprobe: {path: ''}", Document, environment={}, file="a.yml", checks=[check])

    assert [str(each) for each in caught.value.problems] == [
        "a.yml:1:16: slots[0].name: the environment has no variable A"
    ]
