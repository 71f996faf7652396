"""The RPCs of the front door: check the entry, ask the registries, put their answers together."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias
from uuid import uuid4

import grpc

from front_door import convert
from front_door.adapters.registries import REGISTRATION, CardSession, InSession, Registries
from front_door.domain.act_lines import Entry, act_lines, enter, representative_contact_wanted
from front_door.servicer.input_limits import check_input
from instance_profile.hours import check_open
from instance_profile.model import Operation, Profile
from refusals import Code, Refusal
from servicekit.clients import DEADLINE
from servicekit.clock import now
from servicekit.concurrency import gather_in_order
from servicekit.messages import canonical_sha256, check_request_id
from toroku.certificate.v1 import service_pb2 as certificate_service_pb2
from toroku.contact.v1 import service_pb2 as contact_service_pb2
from toroku.frontdoor.v1 import entry_pb2, entry_pb2_grpc, registration_pb2, registration_pb2_grpc, resources_pb2
from toroku.qualification.v1 import service_pb2 as qualification_service_pb2

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class EntryServicer(entry_pb2_grpc.EntryServicer):
    """What all operations share: the instance, and the end of a session."""

    def __init__(self, profile: Profile, registries: Registries, clock: Callable[[], datetime] = now) -> None:
        self._profile = profile
        self._registries = registries
        self._clock = clock

    async def DescribeInstance(
        self, request: entry_pb2.DescribeInstanceRequest, context: Context
    ) -> entry_pb2.DescribeInstanceResponse:
        """See the proto file."""
        return entry_pb2.DescribeInstanceResponse(instance=convert.instance_message(self._profile, self._clock()))

    async def EndSession(self, request: entry_pb2.EndSessionRequest, context: Context) -> entry_pb2.EndSessionResponse:
        """See the proto file."""
        check_input(request)
        await self._registries.certificate.EndCardSession(
            certificate_service_pb2.EndCardSessionRequest(session_token=request.session_token),
            timeout=_time_left(context),
        )
        return entry_pb2.EndSessionResponse()


class RegistrationServicer(registration_pb2_grpc.RegistrationServicer):
    """登録, from the first question to the receipt. A session's hours count from the moment it was opened."""

    def __init__(self, profile: Profile, registries: Registries, clock: Callable[[], datetime] = now) -> None:
        self._profile = profile
        self._registries = registries
        self._clock = clock

    async def BeginRegistration(
        self, request: registration_pb2.BeginRegistrationRequest, context: Context
    ) -> registration_pb2.BeginRegistrationResponse:
        """See the proto file."""
        self._enter(request)
        self._check_may_open(request.resume_request_id)
        challenge = await self._registries.certificate.CreateChallenge(
            certificate_service_pb2.CreateChallengeRequest(
                operation=REGISTRATION,
                agency=request.agency,
                category=request.category,
                certificate=request.certificate,
                other_certificates=request.other_certificates,
            ),
            timeout=_time_left(context),
        )
        return registration_pb2.BeginRegistrationResponse(
            purpose=challenge.purpose, expires_at=challenge.expires_at, card=challenge.card
        )

    async def OpenSession(
        self, request: registration_pb2.OpenSessionRequest, context: Context
    ) -> registration_pb2.OpenSessionResponse:
        """See the proto file."""
        self._enter(request)
        self._check_may_open(request.resume_request_id)
        session = await self._registries.certificate.OpenCardSession(
            certificate_service_pb2.OpenCardSessionRequest(
                operation=REGISTRATION,
                agency=request.agency,
                category=request.category,
                certificate=request.certificate,
                log_in=request.log_in,
                resume_request_id=request.resume_request_id,
            ),
            timeout=_time_left(context),
        )
        return registration_pb2.OpenSessionResponse(
            session_token=session.session_token,
            card=session.card,
            standing=session.standing,
            expires_at=session.expires_at,
        )

    async def FindBidder(
        self, request: registration_pb2.FindBidderRequest, context: Context
    ) -> registration_pb2.FindBidderResponse:
        """See the proto file."""
        entry = self._enter(request)
        session = await self._registries.session(request, _time_left(context))
        self._check_still_open(session)
        found = await self._registries.qualification.FindBidder(
            qualification_service_pb2.FindBidderRequest(
                agency=request.agency,
                category=request.category,
                certificate_sha256=session.card.certificate_sha256,
                name=request.name,
                bidder_id=request.bidder_id,
                password=request.password,
                certificate_company_name=(session.card.company_name if session.card.HasField("company_name") else None),
            ),
            timeout=_time_left(context),
        )
        # A card that is bound to another bidder is told so now, not after a long form was filled in (CRD-06).
        trial = resources_pb2.RegistrationForm(
            request_id=str(uuid4()),
            instance=self._profile.id,
            agency=request.agency,
            category=request.category,
            bidder_id=found.company.bidder_id,
            certificate_sha256=session.card.certificate_sha256,
        )
        _, standing = await gather_in_order(
            self._registries.check_would_register(request.session_token, found.proof, trial, _time_left(context)),
            self._registries.representative_contact(found.company.bidder_id, request.category, _time_left(context)),
        )
        wanted = representative_contact_wanted(
            entry.category.representative_contact, stands=standing.HasField("contact")
        )
        return registration_pb2.FindBidderResponse(
            company=found.company,
            proof=found.proof,
            representative_contact_wanted=wanted,
            representative_contact=standing.contact if standing.HasField("contact") else None,
        )

    async def PrepareRegistration(
        self, request: registration_pb2.PrepareRegistrationRequest, context: Context
    ) -> registration_pb2.PrepareRegistrationResponse:
        """See the proto file."""
        entry = self._enter(request)
        check_request_id(request.request_id)
        form = convert.registration_form(request, convert.bidder_statement(request.proof), self._profile.id)
        session, profile, _ = await gather_in_order(
            self._registries.session(request, _time_left(context)),
            self._registries.qualification.GetCompanyProfile(
                qualification_service_pb2.GetCompanyProfileRequest(proof=request.proof), timeout=_time_left(context)
            ),
            # This also holds the proof against the card of the session; from here on the form's card and bidder are
            # verified ones.
            self._registries.check_would_register(request.session_token, request.proof, form, _time_left(context)),
        )
        self._check_still_open(session)
        # Wrong fields are refused before anything is kept. After this only the act is missing, which was just found
        # to be possible; where it is refused none the less, what was kept here is cleared by itself.
        staging = self._registries.contact.StageContacts(
            contact_service_pb2.StageContactsRequest(
                request_id=request.request_id,
                certificate_sha256=session.card.certificate_sha256,
                agency=request.agency,
                category=request.category,
                company=profile.company,
                card_contact=request.card_contact,
                representative_contact=convert.given(request.representative_contact),
                request_sha256=canonical_sha256(form),
                validate_only=request.validate_only,
            ),
            timeout=_time_left(context),
        )
        response = registration_pb2.PrepareRegistrationResponse(form=form, company=profile.company, card=session.card)
        if form.HasField("representative_contact"):
            await staging
            response.representative_contact.CopyFrom(form.representative_contact)
        else:
            _, standing = await gather_in_order(
                staging,
                self._registries.representative_contact(
                    profile.company.bidder_id, request.category, _time_left(context)
                ),
            )
            if standing.HasField("contact"):
                response.representative_contact.CopyFrom(standing.contact)
        if request.validate_only:
            return response
        act = await self._registries.certificate.CreateActChallenge(
            certificate_service_pb2.CreateActChallengeRequest(
                session_token=request.session_token,
                agency=request.agency,
                category=request.category,
                proof=request.proof,
                request_id=request.request_id,
                request_sha256=canonical_sha256(form),
                lines=act_lines(self._profile, entry, convert.binding(session.card, profile.company)),
            ),
            timeout=_time_left(context),
        )
        response.purpose = act.purpose
        response.expires_at.CopyFrom(act.expires_at)
        return response

    async def Register(
        self, request: registration_pb2.RegisterRequest, context: Context
    ) -> registration_pb2.RegisterResponse:
        """See the proto file."""
        self._enter(request)
        check_request_id(request.request_id)
        session = await self._registries.session(request, _time_left(context))
        try:
            self._check_still_open(session)
        except Refusal:
            # What has happened already is told at any hour; the registry finds it before it looks at anything else.
            if not await self._registries.registered_here(request, session, _time_left(context)):
                raise
        registered, staged = await gather_in_order(
            self._registries.certificate.Register(
                certificate_service_pb2.RegisterRequest(
                    session_token=request.session_token,
                    agency=request.agency,
                    category=request.category,
                    proof=request.proof,
                    request_id=request.request_id,
                    act=request.act,
                ),
                timeout=_time_left(context),
            ),
            self._registries.staged_contacts(request.request_id, session, _time_left(context)),
        )
        return registration_pb2.RegisterResponse(
            receipt=convert.receipt(request.request_id, registered.registration, registered.card, staged)
        )

    async def GetReceipt(
        self, request: registration_pb2.GetReceiptRequest, context: Context
    ) -> registration_pb2.GetReceiptResponse:
        """See the proto file."""
        self._enter(request)
        check_request_id(request.request_id)
        session = await self._registries.session(request, _time_left(context))
        registered = await self._registries.registered_here(request, session, _time_left(context))
        if registered is None:
            raise Refusal("REGISTRATION_NOT_FOUND", Code.NOT_FOUND)
        staged = await self._registries.staged_contacts(request.request_id, session, _time_left(context))
        return registration_pb2.GetReceiptResponse(
            receipt=convert.receipt(request.request_id, registered.registration, registered.card, staged)
        )

    def _enter(
        self, request: registration_pb2.BeginRegistrationRequest | registration_pb2.OpenSessionRequest | InSession
    ) -> Entry:
        check_input(request)
        return enter(self._profile, request.agency, request.category, Operation.REGISTRATION)

    def _check_may_open(self, resume_request_id: str) -> None:
        # To read the receipt of a lost answer is possible at any hour; such a session registers nothing, since it was
        # opened outside of the opening hours.
        if resume_request_id:
            check_request_id(resume_request_id)
        else:
            check_open(self._profile.opening_hours, self._clock())

    def _check_still_open(self, session: CardSession) -> None:
        check_open(self._profile.opening_hours, self._clock(), began_at=convert.instant(session.opened_at))


def _time_left(context: Context) -> float:
    """How long a peer may take, in seconds: never longer than the caller itself waits."""
    left = context.time_remaining()
    return DEADLINE if left is None else min(DEADLINE, left)
