"""Two traffics are the same exactly when there is no line of difference."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given

from lvdeploy.balancers.difference import between
from lvdeploy.model import Admission, Cookie, Mode, Pin, Traffic
from tests.balancers.test_traefik_render import traffics
from tests.balancers.traffics import server, traffic, version


@given(traffics(), traffics())
def test_no_lines_means_the_same(one: Traffic, other: Traffic):
    assert between(one, one) == ()
    assert bool(between(one, other)) == (one != other)


def test_nothing_against_something():
    held = traffic(version("1", server("a"), share=10_000), generation=4)
    assert between(None, None) == ()
    assert between(held, None) == ("traffic: generation 4 → nothing of lvdeploy's",)


def test_lines_name_what_changed():
    before = traffic(
        version("1", server("a"), server("b", "127.0.0.1:10"), share=10_000), version("0", server("z"))
    )
    after = traffic(
        version("1", server("a", "127.0.0.1:11", weight=5, mode=Mode.MAINT), server("c"), share=9_000),
        version("2", server("y"), share=1_000),
        generation=2, affinity=Cookie("other", ttl=60), pins=(Pin("secret", "2", "y"),),
    )  # fmt: skip
    assert between(before, after) == (
        "generation: 1 → 2",
        "cookie name: lvdeploy → other",
        "cookie lifetime: the browser session → 60 s",
        "version 0: is gone",
        "version 1: share 100 % → 90 %",
        "server b: is no longer in version 1",
        "server a: address 127.0.0.1:9 → 127.0.0.1:11",
        "server a: weight 1 → 5",
        "server a: mode ready → maint",
        "server c: is new in version 1",
        "version 2: is new",
        "pins: none → y",
    )


def test_order_and_admission_count():
    one, two = version("1", server("a"), share=10_000), version("2", server("b"))
    assert between(traffic(one, two), traffic(two, one)) == ("order of versions: 1, 2 → 2, 1",)
    closed = replace(one, admission=Admission.CLOSED)
    assert between(traffic(one), traffic(closed)) == ("version 1: admission open → closed",)
