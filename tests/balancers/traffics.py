"""Traffics to try: the ordinary ones, the extremes, and the odd names."""

from __future__ import annotations

from lvdeploy.model import Admission, Cookie, Mode, Pin, Scope, Server, Traffic, VersionTraffic

COOKIE = Cookie("lvdeploy")


def version(
    name: str, *servers: Server, share: int = 0, admission: Admission | None = None
) -> VersionTraffic:
    chosen = admission or (Admission.OPEN if share else Admission.CLOSED)
    return VersionTraffic(name, share, chosen, servers)


def server(name: str, address: str = "127.0.0.1:9", *, weight: int = 1, mode: Mode = Mode.READY) -> Server:
    return Server(name, address, weight, mode)


def traffic(
    *versions: VersionTraffic, generation: int = 1, affinity: Cookie | None = COOKIE, pins: tuple[Pin, ...] = ()
) -> Traffic:
    return Traffic(generation, affinity, versions, pins)


def shared(share: int, *, affinity: Cookie | None = COOKIE) -> Traffic:
    return traffic(
        version("1", server("a"), share=10_000 - share, admission=Admission.OPEN),
        version("2", server("b", "127.0.0.1:10"), share=share, admission=Admission.OPEN),
        affinity=affinity,
    )


_ODD = (
    "2.0+build/7", "v1", "V1", "a b", "{{ .Env }}", "`x`", 'quo"te', "release@file", "größe", "日本", "%2E", "x" * 200,
)  # fmt: skip

CORPUS: dict[str, Traffic] = {
    "nothing": traffic(),
    "one server": traffic(version("1", server("web-1"), share=10_000)),
    "no server": traffic(version("1", share=10_000)),
    "no cookie": shared(5_000, affinity=None),
    "cookie of both scopes": shared(5_000, affinity=Cookie("lv.x-1", Scope.SERVER)),
    "cookie with a lifetime": shared(5_000, affinity=Cookie("lvdeploy", ttl=3_600.5)),
    **{f"share of {each}": shared(each) for each in (0, 1, 100, 1_000, 9_900, 10_000)},
    "all closed": traffic(version("1", server("a")), version("2", server("b"))),
    "closed": traffic(version("1", server("a")), version("2", server("b"), share=10_000)),
    "sticky only": traffic(
        version("1", server("a"), admission=Admission.STICKY_ONLY), version("2", server("b"), share=10_000)
    ),
    "sticky only and alone": traffic(version("1", server("a"), admission=Admission.STICKY_ONLY)),
    "sticky only without a cookie": traffic(
        version("1", server("a"), admission=Admission.STICKY_ONLY),
        version("2", server("b"), share=10_000),
        affinity=None,
    ),
    "weights": traffic(
        version("1", *(server(f"a-{n}", f"127.0.0.1:{n}", weight=n) for n in (1, 2, 100, 255, 256)), share=10_000)
    ),
    "maint": traffic(
        version("1", server("a", mode=Mode.MAINT), server("b", "127.0.0.1:10"), share=10_000),
        version("2", server("c", "127.0.0.1:11", mode=Mode.MAINT)),
    ),
    "all in maint": traffic(version("1", server("a", mode=Mode.MAINT), share=10_000)),
    "two servers at one address": traffic(version("1", server("a"), server("b", weight=7), share=10_000)),
    "IPv6": traffic(version("1", server("a", "[::1]:4001"), server("b", "[fe80::1]:80"), share=10_000)),
    "a host's name": traffic(version("1", server("a", "web-1.internal:4001"), share=10_000)),
    "odd names": traffic(
        version("1", server("a"), share=10_000),
        *(version(each, server(each, f"127.0.0.1:{number}")) for number, each in enumerate(_ODD, 100)),
        pins=tuple(Pin(f"token-{number}", each, each) for number, each in enumerate(_ODD)),
    ),
    "pins": traffic(
        version("1", server("a", mode=Mode.MAINT), server("b"), share=10_000),
        version("2", server("c")),
        pins=(Pin("t1", "1"), Pin("t2", "1", "a"), Pin("t3", "2"), Pin("t4", "2", "c")),
    ),
    "many": traffic(
        *(version(f"{each}", *(server(f"{each}-{n}", f"127.0.0.1:{each}{n:02}") for n in range(20)), share=2_500)
          for each in range(1, 5)),
        generation=2**40,
    ),
}  # fmt: skip
