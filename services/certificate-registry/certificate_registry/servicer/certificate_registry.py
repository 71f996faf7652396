"""The gRPC service CertificateRegistry: convert, call one operation, convert."""

import asyncio

from typing_extensions import override

from certificate_registry import convert
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.operations.bidders import BidderRecords
from certificate_registry.operations.card_session import CardSessions
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from servicekit.context import Context
from servicekit.identity import caller
from servicekit.messages import check_request_id, check_sha256, write_timestamp
from signed_acts.purpose import Operation
from toroku.certificate.v1 import certificate_registry_pb2, certificate_registry_pb2_grpc

# Results that are converted in one turn of the event loop: a few milliseconds.
_RESULTS_PER_TURN = 500


class CertificateRegistry(certificate_registry_pb2_grpc.CertificateRegistryServicer):
    """The certificate registry of one instance."""

    def __init__(
        self,
        *,
        card_sessions: CardSessions,
        registration: CardRegistration,
        outcomes: RequestOutcomes,
        bidders: BidderRecords,
        propagation: RegistrationPropagation,
    ) -> None:
        self._card_sessions = card_sessions
        self._registration = registration
        self._outcomes = outcomes
        self._bidders = bidders
        self._propagation = propagation

    @override
    async def CreateChallenge(
        self, request: certificate_registry_pb2.CreateChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateChallengeResponse:
        """Validates a certificate and issues a log-in for its card."""
        scope = convert.read_scope(request)
        log_in, card = await self._card_sessions.create_challenge(
            scope, request.certificate, request.other_certificates
        )
        return certificate_registry_pb2.CreateChallengeResponse(
            purpose=log_in.purpose, expires_at=write_timestamp(log_in.expires_at), card=convert.write_card(card)
        )

    @override
    async def OpenCardSession(
        self, request: certificate_registry_pb2.OpenCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.OpenCardSessionResponse:
        """Opens a session for a signed log-in."""
        scope = convert.read_scope(request)
        log_in = convert.read_signed_purpose(request.log_in)
        resume = check_request_id(request.resume_request_id) if request.resume_request_id else None
        opened = await self._card_sessions.open(scope, request.certificate, log_in, resume)
        return certificate_registry_pb2.OpenCardSessionResponse(
            session_token=opened.token,
            card=convert.write_card(opened.card),
            standing=convert.write_standing(opened.standing),
            expires_at=write_timestamp(opened.session.expires_at),
        )

    @override
    async def CheckCardSession(
        self, request: certificate_registry_pb2.CheckCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.CheckCardSessionResponse:
        """Checks a session, and renews its idle time."""
        scope = convert.read_scope(request)
        authenticated = await self._card_sessions.check(request.session_token, scope)
        return certificate_registry_pb2.CheckCardSessionResponse(
            card=convert.write_card(authenticated.card),
            expires_at=write_timestamp(authenticated.session.expires_at),
            opened_at=write_timestamp(authenticated.session.opened_at),
        )

    @override
    async def EndCardSession(
        self, request: certificate_registry_pb2.EndCardSessionRequest, context: Context
    ) -> certificate_registry_pb2.EndCardSessionResponse:
        """Ends a session."""
        await self._card_sessions.end(request.session_token)
        return certificate_registry_pb2.EndCardSessionResponse()

    @override
    async def CheckRegistrable(
        self, request: certificate_registry_pb2.CheckRegistrableRequest, context: Context
    ) -> certificate_registry_pb2.CheckRegistrableResponse:
        """Checks whether a registration would succeed."""
        await self._registration.check(
            request.session_token,
            SessionScope(Operation.REGISTRATION, request.agency, request.category),
            convert.read_bidder_proof(request.proof),
            convert.read_checked_request(request),
        )
        return certificate_registry_pb2.CheckRegistrableResponse()

    @override
    async def CreateActChallenge(
        self, request: certificate_registry_pb2.CreateActChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateActChallengeResponse:
        """Issues the act of a registration."""
        act = await self._registration.create_act(
            request.session_token,
            SessionScope(Operation.REGISTRATION, request.agency, request.category),
            convert.read_bidder_proof(request.proof),
            convert.read_act_request(request),
        )
        return certificate_registry_pb2.CreateActChallengeResponse(
            purpose=act.purpose, expires_at=write_timestamp(act.expires_at)
        )

    @override
    async def Register(
        self, request: certificate_registry_pb2.RegisterRequest, context: Context
    ) -> certificate_registry_pb2.RegisterResponse:
        """Registers a card."""
        registration, card = await self._registration.register(convert.read_registration_request(request))
        return certificate_registry_pb2.RegisterResponse(
            registration=convert.write_registration(registration), card=convert.write_card(card)
        )

    @override
    async def GetOutcome(
        self, request: certificate_registry_pb2.GetOutcomeRequest, context: Context
    ) -> certificate_registry_pb2.GetOutcomeResponse:
        """Reports the outcome of a request, or abandons it."""
        request_id = check_request_id(request.request_id)
        report = await self._outcomes.report(
            check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID"),
            request_id,
            abandon=request.abandon,
            caller=caller(),
        )
        return convert.write_outcome(report)

    @override
    async def RecordBidders(
        self, request: certificate_registry_pb2.RecordBiddersRequest, context: Context
    ) -> certificate_registry_pb2.RecordBiddersResponse:
        """Records the states of bidders."""
        await self._bidders.record([convert.read_bidder(message) for message in request.bidders])
        return certificate_registry_pb2.RecordBiddersResponse()

    @override
    async def PropagateRegistrations(
        self, request: certificate_registry_pb2.PropagateRegistrationsRequest, context: Context
    ) -> certificate_registry_pb2.PropagateRegistrationsResponse:
        """Makes registrations at further agencies. Converts in portions, so that log-ins do not wait for it."""
        propagations = []
        for message in request.agencies:
            propagations.append(convert.read_propagation(message))
            await asyncio.sleep(0)
        results = await self._propagation.propagate(propagations, caller=caller())
        response = certificate_registry_pb2.PropagateRegistrationsResponse()
        for start in range(0, len(results), _RESULTS_PER_TURN):
            response.results.extend(map(convert.write_propagated, results[start : start + _RESULTS_PER_TURN]))
            await asyncio.sleep(0)
        return response
