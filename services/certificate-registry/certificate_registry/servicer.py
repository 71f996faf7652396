"""One method per RPC: convert, call, convert. What each RPC promises stands in the proto file."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from certificate_registry import convert
from certificate_registry.adapters.trust_store_cache import Trusted
from certificate_registry.domain.bidder_proof import ProofKeys
from certificate_registry.domain.purpose import Operation
from certificate_registry.jobs import enqueue_propagated
from certificate_registry.operations.card_session import Place, Sessions
from certificate_registry.operations.registration import CONTACT_NOTIFICATION, CommitRequest, Registering, WantedAct
from certificate_registry.operations.resolve_user import Key, Resolver, Verdict
from certificate_registry.store import propagation as propagation_store
from certificate_registry.store import registrations as registration_store
from instance_profile.model import Profile
from refusals import Code, Refusal
from servicekit.clock import now
from servicekit.database import Database
from servicekit.identity import Kind, caller
from toroku.certificate.v1 import service_pb2, service_pb2_grpc

_Outcome = service_pb2.GetOutcomeResponse.Outcome
# The numbers of the domain's verdicts are those of the interface; a test compares them.
_GOOD = int(Verdict.GOOD)
# How many of the results of a propagation are converted before others get their turn; a few milliseconds' worth.
_MOST_IN_ONE_TURN = 500
# All answers of one query carry one moment.
_as_of = lru_cache(maxsize=16)(convert.timestamp)


class CertificateRegistry(service_pb2_grpc.CertificateRegistryServicer):
    """The registry of cards of one instance."""

    def __init__(
        self,
        *,
        database: Database,
        resolver: Resolver,
        profile: Profile,
        proof_keys: ProofKeys,
        clock: Callable[[], datetime] = now,
    ) -> None:
        trusted = Trusted(convert.authorities(profile))
        self._database = database
        self._resolver = resolver
        self._offered = {agency.code: frozenset(agency.categories) for agency in profile.agencies}
        self._categories = frozenset(category.code for category in profile.categories)
        self._clock = clock
        self._sessions = Sessions(database=database, trusted=trusted, instance=profile.id, clock=clock)
        self._registering = Registering(
            database=database,
            trusted=trusted,
            instance=profile.id,
            proof_keys=proof_keys,
            read_statement=convert.bidder_statement,
            clock=clock,
        )

    async def CreateChallenge(
        self, request: service_pb2.CreateChallengeRequest, context: Any
    ) -> service_pb2.CreateChallengeResponse:
        """See the proto file."""
        place = Place(convert.operation(request.operation), request.agency, request.category)
        self._require_offered(place.agency, place.category)
        challenged = await self._sessions.challenge(place, request.certificate, request.other_certificates)
        return service_pb2.CreateChallengeResponse(
            purpose=challenged.purpose,
            expires_at=convert.timestamp(challenged.expires_at),
            card=convert.card_message(challenged.card),
        )

    async def OpenCardSession(
        self, request: service_pb2.OpenCardSessionRequest, context: Any
    ) -> service_pb2.OpenCardSessionResponse:
        """See the proto file."""
        place = Place(convert.operation(request.operation), request.agency, request.category)
        log_in = convert.signed_purpose(request.log_in)
        resume = convert.request_id(request.resume_request_id) if request.resume_request_id else None
        opened = await self._sessions.open(place, request.certificate, log_in, resume)
        return service_pb2.OpenCardSessionResponse(
            session_token=opened.token,
            card=convert.card_message(opened.card),
            standing=convert.standing_message(opened.standing),
            expires_at=convert.timestamp(opened.session.expires_at),
        )

    async def CheckCardSession(
        self, request: service_pb2.CheckCardSessionRequest, context: Any
    ) -> service_pb2.CheckCardSessionResponse:
        """See the proto file."""
        place = Place(convert.operation(request.operation), request.agency, request.category)
        found = await self._sessions.check(request.session_token, place)
        return service_pb2.CheckCardSessionResponse(
            card=convert.card_message(found.card),
            expires_at=convert.timestamp(found.session.expires_at),
            opened_at=convert.timestamp(found.session.opened_at),
        )

    async def EndCardSession(
        self, request: service_pb2.EndCardSessionRequest, context: Any
    ) -> service_pb2.EndCardSessionResponse:
        """See the proto file."""
        await self._sessions.end(request.session_token)
        return service_pb2.EndCardSessionResponse()

    async def CreateActChallenge(
        self, request: service_pb2.CreateActChallengeRequest, context: Any
    ) -> service_pb2.CreateActChallengeResponse:
        """See the proto file."""
        is_trial = request.validate_only and not request.request_sha256
        wanted = WantedAct(
            request_id=convert.request_id(request.request_id),
            request_sha256=None if is_trial else convert.request_sha256(request.request_sha256),
            lines=tuple(request.lines),
        )
        made = await self._registering.create_act(
            request.session_token,
            Place(Operation.REGISTRATION, request.agency, request.category),
            convert.bidder_proof(request.proof),
            wanted,
            validate_only=request.validate_only,
        )
        if made is None:
            return service_pb2.CreateActChallengeResponse()
        purpose, expires_at = made
        return service_pb2.CreateActChallengeResponse(purpose=purpose, expires_at=convert.timestamp(expires_at))

    async def Register(self, request: service_pb2.RegisterRequest, context: Any) -> service_pb2.RegisterResponse:
        """See the proto file."""
        wanted = CommitRequest(
            token=request.session_token,
            place=Place(Operation.REGISTRATION, request.agency, request.category),
            proof=convert.bidder_proof(request.proof),
            request_id=convert.request_id(request.request_id),
            act=convert.signed_purpose(request.act),
        )
        registration, card = await self._registering.register(wanted)
        return service_pb2.RegisterResponse(
            registration=convert.registration_message(registration), card=convert.card_message(card)
        )

    async def GetOutcome(self, request: service_pb2.GetOutcomeRequest, context: Any) -> service_pb2.GetOutcomeResponse:
        """See the proto file."""
        asking = caller()
        if request.abandon and (asking.kind is not Kind.SERVICE or asking.name != CONTACT_NOTIFICATION):
            metadata = {"caller": f"{asking.kind} {asking.name}", "method": "GetOutcome with abandon"}
            raise Refusal("CALLER_NOT_ALLOWED", Code.PERMISSION_DENIED, metadata)
        request_id = convert.request_id(request.request_id)
        found = await self._registering.outcome(
            convert.certificate_sha256(request.certificate_sha256), request_id, abandon=request.abandon
        )
        if found.abandoned:
            return service_pb2.GetOutcomeResponse(outcome=_Outcome.OUTCOME_ABANDONED)
        if found.registration is None or found.card is None:
            return service_pb2.GetOutcomeResponse(outcome=_Outcome.OUTCOME_NONE)
        return service_pb2.GetOutcomeResponse(
            outcome=_Outcome.OUTCOME_REGISTERED,
            registration=convert.registration_event(found.registration, found.card, (request_id, found.request_sha256)),
        )

    async def ResolveUser(
        self, request: service_pb2.ResolveUserRequest, context: Any
    ) -> service_pb2.ResolveUserResponse:
        """See the proto file. The hottest of all: nothing here that need not be."""
        if not request.possession_verified:
            raise Refusal("POSSESSION_NOT_VERIFIED", Code.FAILED_PRECONDITION)
        agency, category, certificate_sha256 = request.agency, request.category, request.certificate_sha256
        if agency not in self._offered or category not in self._categories or len(certificate_sha256) != 32:
            raise self._unknown_key(agency, category)
        verdict, bidder_id, as_of = await self._resolver.resolve(Key(agency, category, certificate_sha256))
        return service_pb2.ResolveUserResponse(
            verdict=verdict,  # type: ignore[arg-type]  # the same numbers
            bidder_id=bidder_id if verdict == _GOOD and bidder_id else "",
            as_of=_as_of(as_of),
        )

    async def RecordBidders(
        self, request: service_pb2.RecordBiddersRequest, context: Any
    ) -> service_pb2.RecordBiddersResponse:
        """See the proto file."""
        bidders = [convert.bidder(message) for message in request.bidders]
        async with self._database.transaction() as connection:
            await registration_store.record_bidders(connection, bidders, self._clock())
        return service_pb2.RecordBiddersResponse()

    async def PropagateRegistrations(
        self, request: service_pb2.PropagateRegistrationsRequest, context: Any
    ) -> service_pb2.PropagateRegistrationsResponse:
        """See the proto file."""
        wanted = []
        for propagation in request.agencies:
            ids = [convert.registration_id(value) for value in propagation.registration_ids]
            wanted.append((propagation.agency, ids))
            await _let_others_in()
        async with self._database.transaction() as connection:
            results, made = await propagation_store.propagate(
                connection, wanted, who=f"service {caller().name}", now=self._clock()
            )
            await enqueue_propagated(connection, made)
        response = service_pb2.PropagateRegistrationsResponse()
        for start in range(0, len(results), _MOST_IN_ONE_TURN):
            response.results.extend(map(convert.propagated_message, results[start : start + _MOST_IN_ONE_TURN]))
            await _let_others_in()
        return response

    def _require_offered(self, agency: str, category: str) -> None:
        if agency not in self._offered:
            raise Refusal("AGENCY_UNKNOWN", Code.NOT_FOUND, {"agency": agency[:40]})
        if category not in self._categories:
            raise Refusal("CATEGORY_UNKNOWN", Code.NOT_FOUND, {"category": category[:40]})
        if category not in self._offered[agency]:
            metadata = {"agency": agency, "category": category}
            raise Refusal("CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)

    def _unknown_key(self, agency: str, category: str) -> Refusal:
        if agency not in self._offered:
            return Refusal("AGENCY_UNKNOWN", Code.NOT_FOUND, {"agency": agency[:40]})
        if category not in self._categories:
            return Refusal("CATEGORY_UNKNOWN", Code.NOT_FOUND, {"category": category[:40]})
        return Refusal("CERTIFICATE_SHA256_INVALID", Code.INVALID_ARGUMENT)


async def _let_others_in() -> None:
    """A turn of the event loop for everybody else: log-ins must not wait behind tens of thousands of ids."""
    await asyncio.sleep(0)
