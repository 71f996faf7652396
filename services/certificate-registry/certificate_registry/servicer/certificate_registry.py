"""The gRPC service CertificateRegistry: convert, call one operation, convert."""

import asyncio

from typing_extensions import override

from certificate_registry.convert import registry as convert
from certificate_registry.convert import renewal as renewal_messages
from certificate_registry.convert.act_proof import write_act_proof
from certificate_registry.convert.bidder_states import read_bidder_states
from certificate_registry.convert.serials import read_serial
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.operations.act_proof import ActProofs
from certificate_registry.operations.bidder_states import BidderStateRecord
from certificate_registry.operations.card_session import CardSessions
from certificate_registry.operations.outcomes import RequestOutcomes
from certificate_registry.operations.propagation import RegistrationPropagation
from certificate_registry.operations.registration import CardRegistration
from certificate_registry.operations.renewal import CardRenewal
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
        renewal: CardRenewal,
        outcomes: RequestOutcomes,
        bidder_states: BidderStateRecord,
        propagation: RegistrationPropagation,
        act_proofs: ActProofs,
    ) -> None:
        self._card_sessions = card_sessions
        self._registration = registration
        self._renewal = renewal
        self._outcomes = outcomes
        self._bidder_states = bidder_states
        self._propagation = propagation
        self._act_proofs = act_proofs

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
        checked = await self._card_sessions.check(request.session_token, convert.read_checked_scope(request))
        return convert.write_checked_session(checked)

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
            read_serial(request.predecessor_serial),
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
            read_serial(request.predecessor_serial),
        )
        return certificate_registry_pb2.CreateActChallengeResponse(
            purpose=act.purpose, expires_at=write_timestamp(act.expires_at)
        )

    @override
    async def Register(
        self, request: certificate_registry_pb2.RegisterRequest, context: Context
    ) -> certificate_registry_pb2.RegisterResponse:
        """Registers a card."""
        committed = await self._registration.register(convert.read_registration_request(request))
        return certificate_registry_pb2.RegisterResponse(
            registration=convert.write_registration(committed.registration),
            card=convert.write_card(committed.card),
            history_digest=committed.history_digest,
        )

    @override
    async def CreateChangeChallenge(
        self, request: certificate_registry_pb2.CreateChangeChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateChangeChallengeResponse:
        """Issues the act of a change."""
        scope = SessionScope(Operation.CHANGE, request.agency, request.category)
        act = await self._act_proofs.create_act(request.session_token, scope, convert.read_act_request(request))
        return certificate_registry_pb2.CreateChangeChallengeResponse(
            purpose=act.purpose, expires_at=write_timestamp(act.expires_at)
        )

    @override
    async def ProveAct(
        self, request: certificate_registry_pb2.ProveActRequest, context: Context
    ) -> certificate_registry_pb2.ProveActResponse:
        """Proves the act of a change to the service that commits it."""
        proven = await self._act_proofs.prove(
            request.session_token,
            SessionScope(Operation.CHANGE, request.agency, request.category),
            check_request_id(request.request_id),
            convert.read_signed_purpose(request.act),
        )
        return certificate_registry_pb2.ProveActResponse(
            proof=write_act_proof(proven.proof), card=convert.write_card(proven.card)
        )

    @override
    async def CreateSuccessionChallenge(
        self, request: certificate_registry_pb2.CreateSuccessionChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateSuccessionChallengeResponse:
        """Issues the act of a renewal's old card."""
        act = await self._renewal.create_succession(
            request.session_token,
            renewal_messages.read_succession_scope(request),
            renewal_messages.read_renewal_act_request(request),
        )
        return certificate_registry_pb2.CreateSuccessionChallengeResponse(
            purpose=act.purpose, expires_at=write_timestamp(act.expires_at)
        )

    @override
    async def CreateRenewalChallenge(
        self, request: certificate_registry_pb2.CreateRenewalChallengeRequest, context: Context
    ) -> certificate_registry_pb2.CreateRenewalChallengeResponse:
        """Checks whether a renewal would succeed, and issues the act of its new card."""
        act = await self._renewal.create_act(
            renewal_messages.read_renewal_sessions(request),
            convert.read_bidder_proof(request.proof),
            None if request.validate_only else renewal_messages.read_renewal_act_request(request),
        )
        if act is None:
            return certificate_registry_pb2.CreateRenewalChallengeResponse()
        return certificate_registry_pb2.CreateRenewalChallengeResponse(
            purpose=act.purpose, expires_at=write_timestamp(act.expires_at)
        )

    @override
    async def Renew(
        self, request: certificate_registry_pb2.RenewRequest, context: Context
    ) -> certificate_registry_pb2.RenewResponse:
        """Replaces a card by a new one."""
        committed = await self._renewal.renew(renewal_messages.read_renewal_request(request))
        return certificate_registry_pb2.RenewResponse(renewal=renewal_messages.write_renewal(committed))

    @override
    async def GetRenewal(
        self, request: certificate_registry_pb2.GetRenewalRequest, context: Context
    ) -> certificate_registry_pb2.GetRenewalResponse:
        """Reads the result of a renewal."""
        committed = await self._renewal.read(
            check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID"),
            check_request_id(request.request_id),
        )
        return certificate_registry_pb2.GetRenewalResponse(renewal=renewal_messages.write_renewal(committed))

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
    async def RecordBidderStates(
        self, request: certificate_registry_pb2.RecordBidderStatesRequest, context: Context
    ) -> certificate_registry_pb2.RecordBidderStatesResponse:
        """Records the states of bidders."""
        await self._bidder_states.record(read_bidder_states(request))
        return certificate_registry_pb2.RecordBidderStatesResponse()

    @override
    async def PropagateRegistrations(
        self, request: certificate_registry_pb2.PropagateRegistrationsRequest, context: Context
    ) -> certificate_registry_pb2.PropagateRegistrationsResponse:
        """Makes registrations at further agencies. Converts in portions, so that log-ins do not wait for it."""
        requested: dict[str, dict[str, None]] = {}
        for message in request.agencies:
            for registration_id in convert.read_registration_ids(message.registration_ids):
                requested.setdefault(registration_id, {})[message.agency] = None
            await asyncio.sleep(0)
        results = await self._propagation.propagate(
            requested, caller=caller(), taking_over=convert.read_registration_ids(request.taking_over_ids)
        )
        response = certificate_registry_pb2.PropagateRegistrationsResponse()
        for start in range(0, len(results), _RESULTS_PER_TURN):
            response.results.extend(map(convert.write_propagated, results[start : start + _RESULTS_PER_TURN]))
            await asyncio.sleep(0)
        return response
