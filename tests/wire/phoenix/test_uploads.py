"""Files on their way: chosen, allowed, sent in chunks, submitted; and what becomes of them when the connection goes."""

from __future__ import annotations

from typing import Any

import pytest

from lvdeploy.model import Kind
from lvdeploy.wire.session import CannotAct, File, Submit, Upload
from tests.wire.phoenix.peer import TOPIC, Peer, page, reconnected, tree

INPUT = '<input type="file" name="doc" data-phx-upload-ref="phx-UP"{}>'
FORM = f'<form id="upl" phx-change="upl" phx-submit="save">{INPUT}<button>go</button></form>'
TEXT = File("x.txt", "text/plain", b"a" * 70_000, 1795347456534)
SMALL = File("y.txt", "text/plain", b"b" * 10)
ALLOWED = {"ref": "phx-UP", "config": {"chunk_size": 64_000, "chunk_timeout": 10_000}, "errors": {}}


def with_form(more: str = "") -> Peer:
    form = FORM.format(more)
    return Peer().joined(html=page(form), rendered=tree(form))


def chosen(*files: File, more: str = "") -> Peer:
    peer = with_form(more).act(Upload("#upl", "doc", files or (TEXT,)))
    return peer.reply(peer.last("event"))


def allowed(*files: File) -> Peer:
    """A page whose submit waits for its files, which the server lets in."""
    peer = chosen(*files).act(Submit("#upl"))
    tokens = {each["ref"]: f"TOKEN{each['ref']}" for each in peer.last("allow_upload")[4]["entries"]}
    return peer.reply(peer.last("allow_upload"), {**ALLOWED, "entries": tokens})


def sending() -> Peer:
    """The same with the file's channel joined, and its first chunk on the way."""
    peer = allowed()
    return peer.reply(peer.last("phx_join"))


def shape(peer: Peer) -> list[Any]:
    return [frame[3] if frame[3] != "event" else frame[4]["event"] for frame in peer.sent]


def test_chosen_files_are_told_with_the_change() -> None:
    """live_uploader.js serializeUploads: by the input's ref, and no byte of them in the value."""
    peer = with_form().act(Upload("#upl", "doc", [TEXT]))
    assert peer.last("event")[4] == {
        "type": "form", "event": "upl", "value": "", "meta": {"_target": "doc"},
        "uploads": {"phx-UP": [{
            "path": "doc", "ref": "0", "last_modified": 1795347456534, "name": "x.txt", "relative_path": "",
            "type": "text/plain", "size": 70000,
        }]},
    }  # fmt: skip
    assert shape(peer.reply(peer.last("event"))) == ["phx_join", "upl"]


def test_submit_asks_leave_for_the_files_first() -> None:
    """view.ts pushFormSubmit, uploadFiles: allow_upload with the entries; the submit waits."""
    peer = chosen().act(Submit("#upl"))
    assert peer.sent[-1][3:] == ["allow_upload", {"ref": "phx-UP", "entries": [{
        "last_modified": 1795347456534, "name": "x.txt", "relative_path": "", "size": 70000, "type": "text/plain",
        "ref": "0",
    }]}]  # fmt: skip
    assert not peer.client.idle


def test_file_travels_in_chunks_on_its_own_channel_and_then_the_form() -> None:
    """entry_uploader.js: join lvu:<ref> with the token, chunk by chunk, progress after each, then the submit."""
    peer = allowed()
    join = peer.last("phx_join")
    assert join[2:] == ["lvu:0", "phx_join", {"token": "TOKEN0"}]
    peer.reply(join)
    chunk = peer.last("chunk")
    assert [chunk[0], chunk[2], len(chunk[4])] == [join[1], "lvu:0", 64_000]
    peer.reply(chunk)
    told = {"event": None, "ref": "phx-UP", "entry_ref": "0"}
    assert [peer.sent[-2][4], len(peer.sent[-1][4])] == [{**told, "progress": 91}, 6_000]
    peer.reply(peer.sent[-2]).reply(peer.sent[-1])
    assert peer.sent[-1][4] == {**told, "progress": 100}
    peer.reply(peer.sent[-1])
    assert peer.sent[-1][4] == {"type": "form", "event": "save", "value": "", "meta": {}}
    peer.reply(peer.sent[-1])
    peer.frame(join[1], join[1], "lvu:0", "phx_close", {})
    assert peer.client.idle
    assert peer.act(Submit("#upl")).sent[-1][4]["event"] == "save"


def test_form_waits_for_the_last_of_its_files() -> None:
    peer = allowed(SMALL, SMALL)
    joins = [frame for frame in peer.sent if frame[3] == "phx_join"][1:]
    assert [each[2] for each in joins] == ["lvu:0", "lvu:1"]
    for join in joins:
        peer.reply(join)
        peer.reply(peer.last("chunk"))
    first, second = [frame for frame in peer.sent if frame[3] == "progress"]
    peer.reply(first)
    assert shape(peer)[-1] == "progress"
    assert shape(peer.reply(second))[-1] == "save"


def test_automatic_upload_starts_with_the_reply_to_its_change() -> None:
    """view.ts pushInput: DOM.isAutoUpload."""
    peer = chosen(SMALL, more=' data-phx-auto-upload phx-progress="moved"')
    assert shape(peer)[-1] == "allow_upload"
    peer.reply(peer.last("allow_upload"), {**ALLOWED, "entries": {"0": "T"}})
    peer.reply(peer.last("phx_join"))
    peer.reply(peer.last("chunk"))
    assert peer.last("progress")[4]["event"] == "moved"
    assert shape(peer.reply(peer.last("progress")))[-1] == "progress"
    assert peer.client.idle


@pytest.mark.parametrize(
    "answer",
    [
        {"ref": "phx-UP", "error": [["0", "too_large"]]},
        {**ALLOWED, "entries": {}},
        {**ALLOWED, "entries": {"0": {"uploader": "S3"}}},
        {},
    ],
)
def test_files_that_are_not_let_in_keep_the_form_back(answer: dict[str, Any]) -> None:
    """view.ts uploadFiles: handleFailedEntryPreflight, and no submit."""
    peer = chosen().act(Submit("#upl"))
    peer.reply(peer.last("allow_upload"), answer)
    assert shape(peer)[-1] == "allow_upload"
    assert peer.client.idle
    assert [each["event"] for each in peer.seen(Kind.UNANSWERED)] == ["allow_upload"]


def test_lost_connection_aborts_the_upload() -> None:
    """Case 56; LiveUploader.clearFiles: recovery tells of no files, and nothing of the upload comes back."""
    peer = sending().lose()
    peer.wake()
    peer.open()
    assert [frame[2] for frame in peer.sent if frame[3] == "phx_join"] == [TOPIC]
    form = FORM.format("")
    peer.reply_join(tree(form + '<form id="g" phx-change="gv"><input name="gx"></form>'))
    assert all(not frame[4].get("uploads") for frame in peer.sent if frame[3] == "event")
    assert [each["reason"] for each in peer.seen(Kind.UNANSWERED)] == ["connection lost"]


def test_upload_may_be_done_again_after_a_reconnect() -> None:
    form = FORM.format("")
    peer = reconnected(sending()).reply_join(tree(form))
    if peer.sent[-1][3] == "event":
        peer.reply(peer.sent[-1])
    peer.act(Upload("#upl", "doc", [SMALL]))
    assert peer.last("event")[4]["uploads"]["phx-UP"][0]["ref"] == "1"


def test_file_whose_channel_crashes_is_told_and_forgotten() -> None:
    """entry_uploader.js error: leave, and a progress event with the error."""
    peer = sending()
    join = peer.last("phx_join")
    peer.frame(join[1], join[1], "lvu:0", "phx_error", {"reason": "channel_crash"})
    assert [frame[3] for frame in peer.sent[-2:]] == ["phx_leave", "progress"]
    assert peer.sent[-1][4]["progress"] == {"error": "channel_crash"}
    assert peer.reply(peer.sent[-1]).client.idle
    assert peer.client.wake_at is not None
    assert len([frame for frame in peer.wait(5.0).sent if frame[2] == "lvu:0" and frame[3] == "phx_join"]) == 1


def test_refused_chunk_ends_the_upload() -> None:
    """entry_uploader.js pushChunk: the server's reason is passed on."""
    peer = sending()
    peer.reply(peer.last("chunk"), {"reason": "file_size_limit_exceeded"}, status="error")
    assert peer.last("progress")[4]["progress"] == {"error": "file_size_limit_exceeded"}


def test_empty_file_is_none() -> None:
    """upload_entry.js isActive: size > 0."""
    peer = with_form()
    with pytest.raises(CannotAct, match="empty"):
        peer.act(Upload("#upl", "doc", [File("e", "text/plain", b"")]))
    assert shape(peer) == ["phx_join"]
