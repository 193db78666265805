"""What depends on the version of LiveView's JavaScript."""

from __future__ import annotations

import pytest

from lvdeploy.wire.session import (
    Change,
    Visit,
)
from tests.wire.phoenix.peer import LINKS, Peer, page, reconnected, tree


def test_auto_imitates_the_version_of_the_first_join() -> None:
    """pyview announces 0.20.17 and reads ``_target`` inside the value; 0.20 marks no unused fields."""
    peer = Peer().joined(version="0.20.17").act(Change("#f", {"u[name]": "A"}))
    payload = peer.last("event")[4]
    assert payload["value"] == "u%5Bname%5D=A&_target=u%5Bname%5D"
    assert "meta" not in payload
    join = reconnected(peer).last("phx_join")[4]
    assert "sticky" not in join
    assert "_mount_attempts" not in join["params"]


def test_version_stays_until_the_page_is_loaded_again() -> None:
    """The JavaScript in the browser stays the old release's after a cutover."""
    peer = reconnected(Peer().joined(version="1.0.5", html=page(LINKS), rendered=tree(LINKS)))
    peer.reply_join(tree(LINKS), version="1.2.10")
    assert peer.client._live is not None
    assert peer.client._live.javascript == (1, 0, 5)
    peer.act(Visit("/")).answer_page().open().reply_join(version="1.2.10")
    assert peer.client._live.javascript == (1, 2, 10)


@pytest.mark.parametrize(("version", "flash"), [((1, 1, 3), True), ((1, 2, 0), False)])
def test_rejoin_says_null_flash_up_to_1_1(version: tuple[int, int, int], flash: bool) -> None:
    peer = Peer(javascript=version).joined()
    assert "flash" not in peer.last("phx_join")[4]
    assert ("flash" in reconnected(peer).last("phx_join")[4]) is flash
