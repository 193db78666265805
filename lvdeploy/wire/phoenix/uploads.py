"""Files on their way to the server: chosen, allowed, sent in chunks, as live_uploader.js and entry_uploader.js do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lvdeploy.model import Kind
from lvdeploy.wire.phoenix import message as frames
from lvdeploy.wire.phoenix.bindings import PushEvent
from lvdeploy.wire.phoenix.channel import Answered, Channel, Closed, Errored, Happening, Joined, JoinFailed
from lvdeploy.wire.phoenix.file_inputs import FileInput
from lvdeploy.wire.phoenix.navigation import Tab
from lvdeploy.wire.phoenix.view import PUSH_TIMEOUT, Sent, View
from lvdeploy.wire.session import CannotAct, File

if TYPE_CHECKING:
    from lvdeploy.wire.phoenix.live_socket import LiveSocket

CHUNK_SIZE = 64_000
"""What a server that does not say takes at once; phoenix_live_view upload_config.ex."""

CHUNK_TIMEOUT = 10.0


@dataclass(slots=True, eq=False)
class Chosen:
    """The files somebody chose in one input; ``submit`` waits until all of them are there."""

    input: FileInput
    view: View
    files: dict[str, File]
    transfers: list[Transfer] = field(default_factory=list)
    asked: bool = False
    submit: PushEvent | None = None


@dataclass(slots=True, eq=False)
class Transfer:
    """One file under way on a channel of its own."""

    chosen: Chosen
    ref: str
    file: File
    token: str
    chunk_size: int
    timeout: float
    channel: Channel[Any] = field(init=False)
    offset: int = 0
    told: int = -1
    is_done: bool = False

    def __post_init__(self) -> None:
        self.channel = Channel(f"lvu:{self.ref}", owner=self, payload=lambda: {"token": self.token})


class Uploads:
    """All uploads of one page."""

    __slots__ = ("_chosen", "_live", "_refs", "_tab")

    def __init__(self, live: LiveSocket, tab: Tab) -> None:
        self._live = live
        self._tab = tab
        self._chosen: dict[str, Chosen] = {}
        self._refs = 0

    @property
    def is_busy(self) -> bool:
        return any(each.asked and not each.view.destroyed for each in self._chosen.values())

    def choose(self, view: View, input_: FileInput, files: Sequence[File]) -> None:
        """Give an input its files, and tell its view. Raises ``CannotAct``, having changed nothing."""
        if not all(file.content for file in files):
            raise CannotAct("a browser uploads no empty file")
        if not self._live.socket.can_push(view.channel):
            raise CannotAct("not connected")
        refs = {str(self._refs + index): file for index, file in enumerate(files)}
        self._refs += len(files)
        chosen = self._chosen[input_.ref] = Chosen(input_, view, refs)
        if input_.event is not None:
            payload = {**input_.event.payload, "uploads": described(chosen)}
            sent = PushEvent(view.id, payload, input_.event.lock)
            view.push(sent, self._tab.now, upload=chosen)

    def happened(self, happening: Happening[Any, Any]) -> bool:
        """Take in what happened to a file's channel; False where it is no file's."""
        channel = happening.push.channel if isinstance(happening, Answered) else happening.channel
        transfer = channel.owner
        if not isinstance(transfer, Transfer):
            return False
        match happening:
            case Joined():
                self._next_chunk(transfer)
            case Answered(_, frames.OK, _):
                self._taken(transfer)
            case Answered(_, frames.FAILED, response) | JoinFailed(_, response):
                self._failed(transfer, frames.text(response.get("reason")))
            case Errored(_, reason, _):
                self._failed(transfer, reason)
            case Closed() | _:
                # the server ends the channel of a file that it took in; a chunk that times out waits on
                pass
        return True

    def answered(self, sent: Sent, response: dict[str, Any]) -> None:
        """Take in an ok reply to what was pushed for an upload."""
        upload = sent.upload
        if isinstance(upload, Transfer):
            self._told(upload)
        elif isinstance(upload, Chosen) and sent.name == frames.ALLOW_UPLOAD:
            self._allowed(upload, response)
        elif isinstance(upload, Chosen) and upload.input.is_auto:
            self._ask(upload)

    def refused(self, sent: Sent, reason: str) -> None:
        """Take in that what was pushed for an upload failed."""
        if isinstance(sent.upload, Chosen):
            self._end(sent.upload, reason)

    def submitted(self, form: str, event: PushEvent) -> bool:
        """Hold a submit back while the form's files are not there; return whether it must wait."""
        waiting = [each for each in self._chosen.values() if each.input.form == form]
        for chosen in waiting:
            chosen.submit = event
            self._ask(chosen)
        return bool(waiting)

    def lost(self, view: View, reason: str) -> None:
        """Forget every upload of a view whose channel is gone: its tokens name a process that is no more."""
        for chosen in [each for each in self._chosen.values() if each.view is view]:
            self._end(chosen, reason)

    # What the server says

    def _allowed(self, chosen: Chosen, response: dict[str, Any]) -> None:
        tokens, config = frames.mapping(response.get("entries")), frames.mapping(response.get("config"))
        refused = response.get("error") or not tokens
        if self._chosen.get(chosen.input.ref) is not chosen:
            return
        if refused or any(not isinstance(tokens.get(ref), str) for ref in chosen.files):
            # view.ts: files over the limit, or an uploader that is no channel's
            self._end(chosen, f"not allowed: {response.get('error') or 'no token for each file'}")
            return
        size, timeout = config.get("chunk_size"), config.get("chunk_timeout")
        chunk_size = size if isinstance(size, int) and size > 0 else CHUNK_SIZE
        seconds = timeout / 1000 if isinstance(timeout, int) and timeout > 0 else CHUNK_TIMEOUT
        for ref, file in chosen.files.items():
            chosen.transfers.append(Transfer(chosen, ref, file, tokens[ref], chunk_size, seconds))
        for transfer in chosen.transfers:
            self._live.socket.join(transfer.channel, self._tab.now)

    def _taken(self, transfer: Transfer) -> None:
        progress = transfer.offset * 100 // len(transfer.file.content)
        if progress > transfer.told:
            transfer.told = progress
            self._tell(transfer, progress)
        if transfer.offset < len(transfer.file.content):
            self._next_chunk(transfer)

    def _told(self, transfer: Transfer) -> None:
        # the answer to the last progress event of the last file lets the submit go
        if transfer.told < 100 or transfer.is_done:
            return
        transfer.is_done = True
        chosen = transfer.chosen
        if all(each.is_done for each in chosen.transfers) and self._chosen.pop(chosen.input.ref, None) is chosen:
            self._let_go(chosen)

    def _failed(self, transfer: Transfer, reason: str) -> None:
        if self._chosen.get(transfer.chosen.input.ref) is transfer.chosen:
            transfer.is_done = True
            self._live.socket.leave(transfer.channel)
            self._tell(transfer, {"error": reason or "failed"})
            self._end(transfer.chosen, reason or "failed")

    # What goes to it

    def _ask(self, chosen: Chosen) -> None:
        if chosen.asked:
            return
        chosen.asked = True
        entries = [_preflight(ref, file) for ref, file in chosen.files.items()]
        if not self._push(chosen, frames.ALLOW_UPLOAD, {"ref": chosen.input.ref, "entries": entries}, upload=chosen):
            self._end(chosen, "not connected")

    def _next_chunk(self, transfer: Transfer) -> None:
        data = transfer.file.content[transfer.offset : transfer.offset + transfer.chunk_size]
        transfer.offset += len(data)
        sent = Sent(frames.CHUNK, transfer.chosen.view.join_count, upload=transfer)
        self._live.socket.push_bytes(
            transfer.channel, frames.CHUNK, data, now=self._tab.now, timeout=transfer.timeout, context=sent
        )  # fmt: skip

    def _tell(self, transfer: Transfer, progress: int | dict[str, str]) -> None:
        about = transfer.chosen.input
        payload: dict[str, Any] = {
            "event": about.on_progress, "ref": about.ref, "entry_ref": transfer.ref, "progress": progress,
        }  # fmt: skip
        self._push(transfer.chosen, frames.PROGRESS, payload, upload=transfer)

    def _push(self, chosen: Chosen, event: str, payload: dict[str, Any], *, upload: Chosen | Transfer) -> bool:
        socket, view = self._live.socket, chosen.view
        if view.destroyed or not socket.can_push(view.channel):
            return False
        if chosen.input.cid is not None:
            payload["cid"] = chosen.input.cid
        sent = Sent(event, view.join_count, upload=upload)
        socket.push(view.channel, event, payload, now=self._tab.now, timeout=PUSH_TIMEOUT, context=sent)
        return True

    def _end(self, chosen: Chosen, reason: str) -> None:
        if self._chosen.pop(chosen.input.ref, None) is not chosen:
            return
        for transfer in chosen.transfers:
            if not transfer.is_done:
                self._live.socket.leave(transfer.channel)
        if chosen.asked:
            self._live.observe(Kind.UNANSWERED, event=frames.ALLOW_UPLOAD, reason=reason)
        if chosen.submit is not None:
            self._live.page.acknowledge(chosen.submit.lock)

    def _let_go(self, chosen: Chosen) -> None:
        others = any(each.submit is chosen.submit for each in self._chosen.values())
        if chosen.submit is not None and not others:
            self._live.push_or_drop(chosen.submit)


def described(chosen: Chosen) -> dict[str, Any]:
    """Return what a change event says of the files, by the input's ref."""
    # live_uploader.js serializeUploads
    about = chosen.input
    return {
        about.ref: [
            {
                "path": about.name, "ref": ref, "last_modified": file.modified, "name": file.name or ref,
                "relative_path": "", "type": file.type, "size": len(file.content),
            }
            for ref, file in chosen.files.items()
        ]
    }  # fmt: skip


def _preflight(ref: str, file: File) -> dict[str, Any]:
    # upload_entry.js toPreflightPayload
    return {
        "last_modified": file.modified, "name": file.name, "relative_path": "", "size": len(file.content),
        "type": file.type, "ref": ref,
    }  # fmt: skip
