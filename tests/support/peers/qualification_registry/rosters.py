"""qualification-registry as the officer's command sees it: previews, imports that happen once, passwords."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from refusals import Code, Refusal
from toroku.qualification.v1 import resources_pb2, service_pb2, service_pb2_grpc


@dataclass(slots=True)
class RosterRegistry(service_pb2_grpc.QualificationRegistryServicer):
    """Keeps what it was sent. The preview is what a test says; the rest it does itself, in memory."""

    preview: resources_pb2.RosterPreview = field(
        default_factory=lambda: resources_pb2.RosterPreview(import_id="import-1", roster="works")
    )
    header: service_pb2.RosterHeader | None = None
    content: bytes = b""
    largest_piece: int = 0
    most_bytes: int = 64 * 1024 * 1024
    commits: list[service_pb2.CommitRosterRequest] = field(default_factory=list)
    imported: dict[str, service_pb2.RosterCommit] = field(default_factory=dict)
    # How many answers to commits get lost, after the import was done.
    answers_to_lose: int = 0
    companies: list[resources_pb2.CompanyProfile] = field(default_factory=list)
    passwords: dict[str, str] = field(default_factory=dict, repr=False)
    # Runs before each letter goes out; may raise.
    before_letter: Callable[[str], None] | None = None

    async def PreviewRoster(
        self, requests: AsyncIterator[service_pb2.PreviewRosterRequest], context: Any
    ) -> AsyncIterator[service_pb2.PreviewRosterResponse]:
        self.content = b""
        async for request in requests:
            if request.HasField("header"):
                self.header = request.header
                if request.header.mapping != "works-list":
                    metadata = {"mapping": request.header.mapping, "mappings": "works-list"}
                    raise Refusal("ROSTER_MAPPING_UNKNOWN", Code.NOT_FOUND, metadata)
                continue
            self.largest_piece = max(self.largest_piece, len(request.content))
            self.content += request.content
            if len(self.content) > self.most_bytes:
                raise Refusal("ROSTER_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(self.most_bytes)})
            progress = resources_pb2.Progress(step="receive", done=len(self.content))
            yield service_pb2.PreviewRosterResponse(progress=progress)
        progress = resources_pb2.Progress(step="check", done=self.preview.rows, total=self.preview.rows)
        yield service_pb2.PreviewRosterResponse(progress=progress)
        yield service_pb2.PreviewRosterResponse(preview=self.preview)

    async def CommitRoster(
        self, request: service_pb2.CommitRosterRequest, context: Any
    ) -> AsyncIterator[service_pb2.CommitRosterResponse]:
        self.commits.append(request)
        if request.import_id != self.preview.import_id:
            raise Refusal("ROSTER_PREVIEW_UNKNOWN", Code.NOT_FOUND)
        if request.import_id not in self.imported:
            self.imported[request.import_id] = service_pb2.RosterCommit(
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
        done = resources_pb2.Progress(step="write", done=self.preview.rows, total=self.preview.rows)
        yield service_pb2.CommitRosterResponse(progress=done)
        yield service_pb2.CommitRosterResponse(commit=self.imported[request.import_id])

    async def IssuePasswords(
        self, request: service_pb2.IssuePasswordsRequest, context: Any
    ) -> AsyncIterator[service_pb2.IssuePasswordsResponse]:
        known = {company.bidder_id: company for company in self.companies}
        for bidder_id in request.bidder_ids:
            if bidder_id not in known:
                raise Refusal("BIDDER_UNKNOWN", Code.NOT_FOUND, {"bidder_id": bidder_id})
            if bidder_id in self.passwords and not request.reissue:
                raise Refusal("PASSWORD_ALREADY_ISSUED", Code.ALREADY_EXISTS, {"bidder_id": bidder_id})
        chosen = request.bidder_ids or [bidder_id for bidder_id in known if bidder_id not in self.passwords]
        for done, bidder_id in enumerate(chosen):
            progress = resources_pb2.Progress(step="hash", done=done, total=len(chosen))
            yield service_pb2.IssuePasswordsResponse(progress=progress)
            if self.before_letter is not None:
                self.before_letter(bidder_id)
            self.passwords[bidder_id] = secrets.token_hex(4)
            letter = resources_pb2.PasswordLetter(
                company=known[bidder_id], category=request.category, password=self.passwords[bidder_id]
            )
            yield service_pb2.IssuePasswordsResponse(letter=letter)
            await asyncio.sleep(0)
