"""One method per RPC: convert, call, convert."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any
from uuid import UUID

from instance_profile.model import Profile, RosterMapping
from qualification_registry import convert
from qualification_registry.domain.passwords import new_password
from qualification_registry.domain.proof import LIFETIME, ProofKey, Statement, check_statement
from qualification_registry.domain.search import category_of, checked_search, today_in_japan
from qualification_registry.operations.bidder_search import Finder
from qualification_registry.operations.password_issue import Issuer
from qualification_registry.adapters.password_hashing import PasswordHashing
from qualification_registry.operations.roster_upload import receive
from qualification_registry.operations.roster_commit import Committer
from qualification_registry.operations.roster_preview import Preview, Previewer, Received
from qualification_registry.store import bidders
from refusals import Code, Refusal
from servicekit.clock import now
from servicekit.database import Database
from servicekit.identity import caller
from toroku.qualification.v1 import resources_pb2, service_pb2, service_pb2_grpc

# A preview holds its file in memory, twice as long as the database needs for it; others wait for their turn.
_PREVIEWS_AT_ONCE = 2
# Bidders in one page of the list.
_USUALLY_LISTED = 100
_MOST_LISTED = 1000
_MOST_MAPPINGS_SHOWN = 20


class QualificationRegistry(service_pb2_grpc.QualificationRegistryServicer):
    """The service of bidders and their qualifications."""

    def __init__(
        self,
        *,
        database: Database,
        profile: Profile,
        proof_key: ProofKey,
        hashing: PasswordHashing,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._database = database
        self._profile = profile
        self._proof_key = proof_key
        self._clock = clock
        # A pattern that no password of ours fits is told when the service starts, not when letters are wanted.
        new_password(profile.password)
        self._finder = Finder(database, profile, hashing, clock)
        self._issuer = Issuer(database, profile, hashing, clock)
        self._previewer = Previewer(database, profile, clock)
        self._committer = Committer(database, profile, clock)
        self._previews = asyncio.Semaphore(_PREVIEWS_AT_ONCE)

    async def FindBidder(self, request: service_pb2.FindBidderRequest, context: Any) -> service_pb2.FindBidderResponse:
        """See the proto file."""
        search = checked_search(
            self._profile,
            agency=request.agency,
            category=request.category,
            certificate_sha256=request.certificate_sha256,
            name=request.name,
            bidder_id=request.bidder_id,
            password=request.password,
            certificate_company_name=(
                request.certificate_company_name if request.HasField("certificate_company_name") else None
            ),
        )
        company = await self._finder.find(search)
        issued_at = self._clock()
        statement = Statement(
            instance=self._profile.id,
            bidder_id=company.bidder_id,
            agency=search.agency.code,
            category=search.category.code,
            certificate_sha256=search.certificate_sha256,
            issued_at=issued_at,
            expires_at=issued_at + LIFETIME,
        )
        proof = self._proof_key.sign(convert.statement_message(statement).SerializeToString(deterministic=True))
        return service_pb2.FindBidderResponse(
            company=convert.company_message(company), proof=convert.proof_message(proof)
        )

    async def GetCompanyProfile(
        self, request: service_pb2.GetCompanyProfileRequest, context: Any
    ) -> service_pb2.GetCompanyProfileResponse:
        """See the proto file."""
        moment = self._clock()
        proof = convert.proof_of(request.proof)
        self._proof_key.check_signature(proof)
        statement = convert.statement_of(proof)
        check_statement(statement, instance=self._profile.id, now=moment)
        async with self._database.read() as connection:
            known = await bidders.qualifications(connection, statement.bidder_id, statement.category)
        for qualification in known:
            if qualification.holds(statement.agency, today_in_japan(moment)):
                return service_pb2.GetCompanyProfileResponse(
                    company=convert.company_message(qualification.company),
                    statement=convert.statement_message(statement),
                )
        raise Refusal("BIDDER_NOT_QUALIFIED", Code.FAILED_PRECONDITION)

    async def ListQualifiedAgencies(
        self, request: service_pb2.ListQualifiedAgenciesRequest, context: Any
    ) -> service_pb2.ListQualifiedAgenciesResponse:
        """See the proto file."""
        as_of = self._clock()
        category = category_of(self._profile, request.category)
        offering = [agency.code for agency in self._profile.agencies if category.code in agency.categories]
        # PostgreSQL takes no NUL in a text, and no bidder id has one.
        askable = {bidder_id for bidder_id in request.bidder_ids if bidder_id.isprintable()}
        async with self._database.read() as connection:
            found = await bidders.qualified_agencies(
                connection, askable, category.code, agencies=offering, today=today_in_japan(as_of)
            )
        response = service_pb2.ListQualifiedAgenciesResponse()
        for bidder_id in dict.fromkeys(request.bidder_ids):
            response.bidders.add(bidder_id=bidder_id, agencies=found.get(bidder_id, ()))
        response.as_of.FromDatetime(as_of)
        return response

    async def PreviewRoster(
        self, request_iterator: AsyncIterator[service_pb2.PreviewRosterRequest], context: Any
    ) -> AsyncIterator[service_pb2.PreviewRosterResponse]:
        """See the proto file."""
        async with self._previews:
            mapping, file_name, pieces = await receive(request_iterator, self._mapping)
            content = bytearray()
            async for piece in pieces:
                content += piece
                yield _progress("receive", len(content))
            received = Received(mapping, file_name, bytes(content), caller().name)
            del content
            async with aclosing(self._previewer.preview(received)) as steps:
                async for told in steps:
                    if isinstance(told, Preview):
                        yield service_pb2.PreviewRosterResponse(preview=convert.preview_message(told))
                    else:
                        yield service_pb2.PreviewRosterResponse(progress=convert.progress_message(told))

    async def CommitRoster(
        self, request: service_pb2.CommitRosterRequest, context: Any
    ) -> AsyncIterator[service_pb2.CommitRosterResponse]:
        """See the proto file."""
        try:
            import_id = UUID(request.import_id)
        except ValueError:
            raise Refusal("ROSTER_PREVIEW_UNKNOWN", Code.NOT_FOUND) from None
        yield service_pb2.CommitRosterResponse(progress=resources_pb2.Progress(step="write"))
        committed = await self._committer.commit(
            import_id,
            [(decision.row, decision.bidder_id) for decision in request.decisions],
            accept_suggestions=request.accept_suggestions,
            officer=caller().name,
        )
        yield service_pb2.CommitRosterResponse(commit=convert.commit_message(committed))

    async def ListBidders(
        self, request: service_pb2.ListBiddersRequest, context: Any
    ) -> service_pb2.ListBiddersResponse:
        """See the proto file."""
        category = category_of(self._profile, request.category)
        async with self._database.read() as connection:
            found = await bidders.listed(
                connection,
                category.code,
                # PostgreSQL takes no NUL in a text; what comes after such an id comes after what stands before it.
                after=request.after.partition("\0")[0],
                most=min(request.most, _MOST_LISTED) if request.most > 0 else _USUALLY_LISTED,
                today=today_in_japan(self._clock()),
            )
        return service_pb2.ListBiddersResponse(bidders=map(convert.listed_message, found))

    async def IssuePasswords(
        self, request: service_pb2.IssuePasswordsRequest, context: Any
    ) -> AsyncIterator[service_pb2.IssuePasswordsResponse]:
        """See the proto file."""
        category = category_of(self._profile, request.category)
        issuing = self._issuer.issue(category, request.bidder_ids, reissue=request.reissue, officer=caller().name)
        async for issued in issuing:
            for letter in issued.letters:
                yield service_pb2.IssuePasswordsResponse(letter=convert.letter_message(letter))
            progress = resources_pb2.Progress(step="hash", done=issued.done, total=issued.total)
            yield service_pb2.IssuePasswordsResponse(progress=progress)

    def _mapping(self, name: str) -> RosterMapping:
        try:
            return self._profile.mapping(name)
        except KeyError:
            mappings = ", ".join(mapping.name for mapping in self._profile.roster_mappings[:_MOST_MAPPINGS_SHOWN])
            metadata = {"mapping": "".join(filter(str.isprintable, name))[:60], "mappings": mappings or "-"}
            raise Refusal("ROSTER_MAPPING_UNKNOWN", Code.NOT_FOUND, metadata) from None


def _progress(step: str, done: int) -> service_pb2.PreviewRosterResponse:
    return service_pb2.PreviewRosterResponse(progress=resources_pb2.Progress(step=step, done=done))
