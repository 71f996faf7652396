"""Roster previews, commits and password issue of the fake qualification-registry."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from google.protobuf.message import Message
from typing_extensions import override

from officers.act import OfficerAct
from refusals import Code, Refusal
from servicekit.context import Context
from tests.support.peers.officer_acts import OfficerActsPeer
from tests.support.peers.qualification_registry.bidder_records import BidderRecords
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2


@dataclass(kw_only=True)
class RosterImport(BidderRecords):
    """Keeps the file it receives and answers with the preview that the test prepared; commits once per import."""

    preview: bidder_pb2.RosterPreview = field(
        default_factory=lambda: bidder_pb2.RosterPreview(import_id="import-1", roster="works")
    )
    # The lines of the preview, in their order, and all its undecided rows, where it has more than the first ones.
    lines: list[bidder_pb2.PreviewLine] = field(default_factory=list)
    undecided: list[bidder_pb2.UndecidedRow] = field(default_factory=list)
    header: qualification_registry_pb2.RosterHeader | None = None
    content: bytes = b""
    largest_piece: int = 0
    most_bytes: int = 64 * 1024 * 1024
    # The agencies of the requests for passwords.
    issued_for: list[str] = field(default_factory=list)
    commits: list[qualification_registry_pb2.CommitRosterRequest] = field(default_factory=list)
    imported: dict[str, qualification_registry_pb2.RosterCommit] = field(default_factory=dict)
    # The imports of which the preview was cancelled.
    cancelled: list[str] = field(default_factory=list)
    # How many commits take effect without their answer reaching the caller.
    answers_to_lose: int = 0
    # Reads the signed act of a request, where officers call the peer; the acts that it read.
    acts: OfficerActsPeer | None = None
    signed: list[OfficerAct] = field(default_factory=list)
    # Runs before each letter is sent, with the bidder id; may raise.
    before_letter: Callable[[str], None] | None = None

    @override
    async def PreviewRoster(
        self, requests: AsyncIterator[qualification_registry_pb2.PreviewRosterRequest], context: Context
    ) -> AsyncIterator[qualification_registry_pb2.PreviewRosterResponse]:
        self.receive("PreviewRoster")
        self.content = b""
        async for request in requests:
            if request.HasField("header"):
                self.header = request.header
                if request.header.mapping != "works-list":
                    metadata = {
                        "mapping": request.header.mapping,
                        "mappings_ja": "works-list（工事）",
                        "mappings_en": "works-list (Works)",
                    }
                    raise Refusal("ROSTER_MAPPING_UNKNOWN", Code.NOT_FOUND, metadata)
                continue
            self.largest_piece = max(self.largest_piece, len(request.content))
            self.content += request.content
            if len(self.content) > self.most_bytes:
                raise Refusal("ROSTER_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(self.most_bytes)})
            progress = bidder_pb2.Progress(step="receive", done=len(self.content))
            yield qualification_registry_pb2.PreviewRosterResponse(progress=progress)
        progress = bidder_pb2.Progress(step="check", done=self.preview.rows, total=self.preview.rows)
        yield qualification_registry_pb2.PreviewRosterResponse(progress=progress)
        yield qualification_registry_pb2.PreviewRosterResponse(preview=self.preview)

    @override
    async def ListPreviewLines(
        self, request: qualification_registry_pb2.ListPreviewLinesRequest, context: Context
    ) -> qualification_registry_pb2.ListPreviewLinesResponse:
        self.receive("ListPreviewLines")
        lines = [line for line in self.lines if not request.kinds or line.kind in request.kinds]
        first = int(request.page or 0)
        end = first + request.most
        return qualification_registry_pb2.ListPreviewLinesResponse(
            lines=lines[first:end], next_page=str(end) if end < len(lines) else ""
        )

    @override
    async def ListUndecidedRows(
        self, request: qualification_registry_pb2.ListUndecidedRowsRequest, context: Context
    ) -> qualification_registry_pb2.ListUndecidedRowsResponse:
        self.receive("ListUndecidedRows")
        rows = [row for row in self.undecided if row.row > request.after]
        return qualification_registry_pb2.ListUndecidedRowsResponse(rows=rows[: request.most])

    @override
    async def CommitRoster(
        self, request: qualification_registry_pb2.CommitRosterRequest, context: Context
    ) -> AsyncIterator[qualification_registry_pb2.CommitRosterResponse]:
        self.receive("CommitRoster")
        self._read_act(request)
        self.commits.append(request)
        if request.import_id != self.preview.import_id:
            raise Refusal("ROSTER_PREVIEW_UNKNOWN", Code.NOT_FOUND)
        if request.import_id not in self.imported:
            self.imported[request.import_id] = qualification_registry_pb2.RosterCommit(
                import_id=request.import_id,
                roster_version=len(self.imported) + 1,
                new=self.preview.new,
                changed=self.preview.changed,
                gone=self.preview.gone,
                unchanged=self.preview.unchanged,
            )
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE, {"code": "UNAVAILABLE"})
        done = bidder_pb2.Progress(step="write", done=self.preview.rows, total=self.preview.rows)
        yield qualification_registry_pb2.CommitRosterResponse(progress=done)
        yield qualification_registry_pb2.CommitRosterResponse(commit=self.imported[request.import_id])

    @override
    async def CancelRosterPreview(
        self, request: qualification_registry_pb2.CancelRosterPreviewRequest, context: Context
    ) -> qualification_registry_pb2.CancelRosterPreviewResponse:
        self.receive("CancelRosterPreview")
        self._read_act(request)
        self.cancelled.append(request.import_id)
        return qualification_registry_pb2.CancelRosterPreviewResponse()

    @override
    async def IssuePasswords(
        self, request: qualification_registry_pb2.IssuePasswordsRequest, context: Context
    ) -> AsyncIterator[qualification_registry_pb2.IssuePasswordsResponse]:
        self.receive("IssuePasswords")
        self._read_act(request)
        self.issued_for.append(request.agency)
        for bidder_id in request.bidder_ids:
            if bidder_id not in self.companies:
                raise Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, {"bidder_id": bidder_id})
            if bidder_id in self.passwords and not request.reissue:
                raise Refusal("PASSWORD_ALREADY_ISSUED", Code.ALREADY_EXISTS, {"bidder_id": bidder_id})
        bidder_ids = request.bidder_ids or [
            bidder_id for bidder_id in self.companies if bidder_id not in self.passwords
        ]
        for done, bidder_id in enumerate(bidder_ids):
            progress = bidder_pb2.Progress(step="hash", done=done, total=len(bidder_ids))
            yield qualification_registry_pb2.IssuePasswordsResponse(progress=progress)
            if self.before_letter is not None:
                self.before_letter(bidder_id)
            self.passwords[bidder_id] = secrets.token_hex(4)
            letter = bidder_pb2.PasswordLetter(
                company=self.companies[bidder_id], category=request.category, password=self.passwords[bidder_id]
            )
            yield qualification_registry_pb2.IssuePasswordsResponse(letter=letter)
            await asyncio.sleep(0)

    def _read_act(self, request: Message) -> None:
        if self.acts is not None:
            self.signed.append(self.acts.read(request))
