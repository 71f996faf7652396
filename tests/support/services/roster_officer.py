"""An officer's client of qualification-registry: rosters, their versions, passwords."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import grpc

from refusals.status import from_rpc_error
from servicekit.credentials import CertificateFiles, create_channel_credentials
from tests.support.example_profile import PREFECTURE, WORKS
from tests.support.officers import AnyRequest, SigningOfficer
from toroku.officer.v1.officer_acts_pb2 import CreateActChallengeRequest
from toroku.officer.v1.officer_acts_pb2_grpc import OfficerActsStub
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

if TYPE_CHECKING:
    from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryAsyncStub

SERVICE = "qualification-registry"
OPTIONS = (("grpc.ssl_target_name_override", SERVICE), ("grpc.max_receive_message_length", 64 * 1024 * 1024))
WITH_IDS = "with-ids"
# What a bidder applies with for another password.
DOCUMENT = "ユーザID・パスワード再交付申請書"
PIECE = 512 * 1024


def list_questions(preview: bidder_pb2.RosterPreview) -> list[str]:
    """Returns the reasons that the commit of a preview has to confirm."""
    return [question.reason for question in preview.questions]


class Officer:
    """An officer's client: streams in both directions, changes signed; refusals are raised.

    A synchronous client, like the officer's command: while it still sends, an asynchronous one of grpcio 1.85 reports
    an internal error instead of the server's refusal.
    """

    asynchronous: "QualificationRegistryAsyncStub"

    def __init__(self, person: SigningOfficer, channel: grpc.Channel) -> None:
        self.person = person
        self._stub = QualificationRegistryStub(channel)
        self._acts = OfficerActsStub(channel)
        self.asynchronous = QualificationRegistryStub(person.channel)

    async def sign(self, method: str, request: AnyRequest, *, request_id: str = "") -> AnyRequest:
        """Returns a request of a method with the officer's signed act. Raises Refusal."""
        (signed,) = await self._collect(lambda: [self._sign(method, request, request_id)])
        return signed  # type: ignore[no-any-return]  # of the request's own type

    def _sign(self, method: str, request: AnyRequest, request_id: str = "") -> AnyRequest:
        question = CreateActChallengeRequest(
            method=f"toroku.qualification.v1.QualificationRegistry/{method}",
            request_id=request_id or str(uuid4()),
            request=request.SerializeToString(),
        )
        signed = type(request)()
        signed.CopyFrom(request)
        signed.act.CopyFrom(  # type: ignore[attr-defined]  # a request with the field `act`
            self.person.sign(self._acts.CreateActChallenge(question).purpose)
        )
        return signed

    async def preview(
        self,
        content: bytes,
        mapping_name: str = WITH_IDS,
        *,
        file_name: str = "roster.csv",
        term: tuple[str, str] = ("", ""),
    ) -> bidder_pb2.RosterPreview:
        """Sends a file, perhaps for a term, and returns the preview. Raises Refusal."""
        header = qualification_registry_pb2.RosterHeader(
            mapping=mapping_name, file_name=file_name, term_from=term[0], term_until=term[1]
        )
        requests = (
            qualification_registry_pb2.PreviewRosterRequest(content=content[start : start + PIECE])
            for start in range(0, len(content), PIECE)
        )
        *progress, last = await self.preview_messages(
            chain([qualification_registry_pb2.PreviewRosterRequest(header=header)], requests)
        )
        assert all(message.HasField("progress") for message in progress)
        return last.preview

    async def preview_messages(
        self, requests: Iterable[qualification_registry_pb2.PreviewRosterRequest]
    ) -> list[qualification_registry_pb2.PreviewRosterResponse]:
        """Returns all answers to a stream of requests."""
        return await self._collect(lambda: self._stub.PreviewRoster(iter(requests)))

    async def list_lines(
        self, import_id: str, *kinds: bidder_pb2.LineKind.ValueType, page: str = "", most: int = 0
    ) -> qualification_registry_pb2.ListPreviewLinesResponse:
        """Returns a page of a preview's lines. Raises Refusal."""
        request = qualification_registry_pb2.ListPreviewLinesRequest(
            import_id=import_id, kinds=kinds, page=page, most=most
        )
        (answer,) = await self._collect(lambda: [self._stub.ListPreviewLines(request)])
        response: qualification_registry_pb2.ListPreviewLinesResponse = answer
        return response

    async def list_undecided(self, import_id: str, *, after: int = 0, most: int = 0) -> list[bidder_pb2.UndecidedRow]:
        """Returns a page of a preview's undecided rows. Raises Refusal."""
        request = qualification_registry_pb2.ListUndecidedRowsRequest(import_id=import_id, after=after, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListUndecidedRows(request)])
        return list(answer.rows)

    async def commit(
        self,
        import_id: str,
        *,
        decisions: Iterable[tuple[int, str]] = (),
        accept_suggestions: bool = False,
        confirmed: Iterable[str] = (),
        request_id: str = "",
    ) -> qualification_registry_pb2.RosterCommit:
        """Commits a preview. Raises Refusal."""
        request = qualification_registry_pb2.CommitRosterRequest(
            import_id=import_id,
            decisions=[bidder_pb2.RowDecision(row=number, bidder_id=bidder_id) for number, bidder_id in decisions],
            accept_suggestions=accept_suggestions,
            confirmed=confirmed,
        )
        signed = await self.sign("CommitRoster", request, request_id=request_id)
        *_, last = await self._collect(lambda: self._stub.CommitRoster(signed))
        commit: qualification_registry_pb2.RosterCommit = last.commit
        return commit

    async def import_roster(
        self, content: bytes, mapping_name: str = WITH_IDS, *, term: tuple[str, str] = ("", "")
    ) -> qualification_registry_pb2.RosterCommit:
        """Previews a file and commits it with all suggestions, and whatever has to be confirmed."""
        preview = await self.preview(content, mapping_name, term=term)
        assert not preview.error_count, preview.errors
        return await self.commit(preview.import_id, accept_suggestions=True, confirmed=list_questions(preview))

    async def cancel(self, import_id: str, *, request_id: str = "") -> None:
        """Cancels a preview. Raises Refusal."""
        request = qualification_registry_pb2.CancelRosterPreviewRequest(import_id=import_id)
        signed = await self.sign("CancelRosterPreview", request, request_id=request_id)
        await self._collect(lambda: [self._stub.CancelRosterPreview(signed)])

    async def list_versions(self, name: str, *, before: int = 0, most: int = 0) -> list[bidder_pb2.RosterVersion]:
        """Returns a page of a roster's versions. Raises Refusal."""
        request = qualification_registry_pb2.ListRosterVersionsRequest(roster=name, before=before, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListRosterVersions(request)])
        return list(answer.versions)

    async def list_version_lines(
        self, name: str, version: int, *, page: str = "", most: int = 0
    ) -> qualification_registry_pb2.ListVersionLinesResponse:
        """Returns a page of a version's lines. Raises Refusal."""
        request = qualification_registry_pb2.ListVersionLinesRequest(roster=name, version=version, page=page, most=most)
        (answer,) = await self._collect(lambda: [self._stub.ListVersionLines(request)])
        response: qualification_registry_pb2.ListVersionLinesResponse = answer
        return response

    async def read_file(self, name: str, version: int) -> bytes:
        """Returns the file of a version. Raises Refusal."""
        request = qualification_registry_pb2.ReadRosterFileRequest(roster=name, version=version)
        return b"".join(answer.content for answer in await self._collect(lambda: self._stub.ReadRosterFile(request)))

    async def issue(
        self,
        *bidder_ids: str,
        reissue: bool = False,
        agency: str = PREFECTURE,
        category: str = WORKS,
        request_id: str = "",
    ) -> dict[str, bidder_pb2.PasswordLetter]:
        """Issues passwords and returns the letters by bidder id. Raises Refusal."""
        request = qualification_registry_pb2.IssuePasswordsRequest(
            agency=agency,
            category=category,
            bidder_ids=bidder_ids,
            reissue=reissue,
            reason="紛失" if reissue else "",
            document=DOCUMENT if reissue else "",
        )
        return await self.issue_as(request, request_id=request_id)

    async def issue_as(
        self, request: qualification_registry_pb2.IssuePasswordsRequest, *, request_id: str = ""
    ) -> dict[str, bidder_pb2.PasswordLetter]:
        """Issues passwords as this request says and returns the letters by bidder id. Raises Refusal."""
        signed = await self.sign("IssuePasswords", request, request_id=request_id)
        answers = await self._collect(lambda: self._stub.IssuePasswords(signed))
        letters = [answer.letter for answer in answers if answer.HasField("letter")]
        return {letter.company.bidder_id: letter for letter in letters}

    @staticmethod
    async def _collect(call: Callable[[], Iterable[Any]]) -> list[Any]:
        try:
            return await asyncio.to_thread(lambda: list(call()))
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None


@asynccontextmanager
async def roster_officer(name: str, files: CertificateFiles, address: str) -> AsyncIterator[Officer]:
    """Yields the client of a person (`agency/person`) with a certificate, at a registry's agency listener."""
    target = (address, create_channel_credentials(files), OPTIONS)
    async with grpc.aio.secure_channel(*target) as asynchronous:
        with grpc.secure_channel(*target) as channel:
            yield Officer(SigningOfficer(name, files, asynchronous), channel)
