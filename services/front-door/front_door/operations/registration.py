"""登録, from the log-in to the receipt (REG-01). It keeps nothing: every fact comes from the service that owns it."""

from dataclasses import dataclass

from front_door.adapters import SecondsLeft
from front_door.adapters.certificate_registry import CertificateRegistry
from front_door.adapters.contact_notification import ContactNotification
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.domain.act_lines import compose_act_lines, require_signed_predecessor
from front_door.domain.bidder import BidderProof, BidderSearch, require_statement
from front_door.domain.card_session import (
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from front_door.domain.contact import requires_representative_contact
from front_door.domain.registration import (
    CommittedRegistration,
    PreparedRegistration,
    Receipt,
    RegistrationDraft,
    SearchResult,
    fill_form,
)
from front_door.operations.card_sessions import CardSessions
from instance_profile.model import Profile
from instance_profile.offers import Offer
from refusals import Code, Refusal
from servicekit.concurrency import gather_in_order
from servicekit.incidents import note_subject
from servicekit.messages import check_request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationOperation:
    """The steps of 登録. Each raises what its RPC names (registration.proto)."""

    profile: Profile
    sessions: CardSessions
    certificate_registry: CertificateRegistry
    qualification_registry: QualificationRegistry
    contact_notification: ContactNotification

    async def begin(self, presented: PresentedCard, seconds_left: SecondsLeft) -> LogInChallenge:
        """Returns the log-in that the card has to sign."""
        return await self.sessions.begin(CardUse.REGISTRATION, presented, seconds_left)

    async def open_session(
        self, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens a session with the signed log-in."""
        return await self.sessions.open(CardUse.REGISTRATION, presented, log_in, seconds_left)

    async def find_bidder(
        self, reference: SessionReference, search: BidderSearch, seconds_left: SecondsLeft
    ) -> SearchResult:
        """Returns the bidder that a contractor searches for, if the session's card may be registered for it."""
        offer = self._require_offer(reference)
        session = await self._check_session(reference, seconds_left)
        self.sessions.require_within_hours(session)
        bidder = await self.qualification_registry.find_bidder(
            reference.agency, reference.category, session.card, search, seconds_left
        )
        note_subject(session.card.certificate_sha256, bidder.company.bidder_id)
        # A card that is bound to another bidder is refused now, not after a long form was filled in (CRD-06).
        _, representative_contact = await gather_in_order(
            self.certificate_registry.check_registrable(reference, bidder.proof, None, seconds_left),
            self.contact_notification.find_representative_contact(
                bidder.company.bidder_id, reference.category, seconds_left
            ),
        )
        return SearchResult(
            bidder=bidder,
            representative_contact_required=requires_representative_contact(
                offer.category.representative_contact, exists=representative_contact is not None
            ),
            representative_contact=representative_contact,
        )

    async def ask_for_approval(
        self, reference: SessionReference, search: BidderSearch, mail_address: str, seconds_left: SecondsLeft
    ) -> str:
        """Asks the agency's officers about the session's card, by a search that was refused for it.

        Returns the question's number. Nothing of the session is kept for the answer, which comes by mail.
        """
        self._require_offer(reference)
        session = await self._check_session(reference, seconds_left)
        self.sessions.require_within_hours(session)
        return await self.qualification_registry.ask_for_approval(
            reference.agency, reference.category, session.card, search, mail_address, seconds_left
        )

    async def prepare(
        self, reference: SessionReference, draft: RegistrationDraft, seconds_left: SecondsLeft
    ) -> PreparedRegistration:
        """Checks a draft and, unless it is a dry run, makes the act to be signed and stages the contacts."""
        offer = self._require_offer(reference)
        check_request_id(draft.request_id)
        form = fill_form(
            draft,
            require_statement(draft.proof),
            instance=self.profile.id,
            agency=reference.agency,
            category=reference.category,
        )
        session = await self._check_session(reference, seconds_left)
        self.sessions.require_within_hours(session)
        confirmation = self.qualification_registry.confirm_bidder(draft.proof, session.card, seconds_left)
        act = None
        if draft.validate_only:
            _, bidder = await gather_in_order(
                # This also verifies the proof for the card of the session, and so the form's card and bidder.
                self.certificate_registry.check_registrable(reference, draft.proof, form, seconds_left),
                confirmation,
            )
        else:
            try:
                bidder = await confirmation
            except Refusal:
                # What certificate-registry refuses is said first, as in a dry run.
                await self.certificate_registry.check_registrable(reference, draft.proof, form, seconds_left)
                raise
            lines = compose_act_lines(
                self.profile, offer, session.card, bidder.company, form.person_in_charge, form.predecessor_serial
            )
            # Before the contacts: none are kept for an act that is refused, nor does it replace what the card left
            # pending. An act whose contacts are refused is never seen, and expires.
            act = await self.certificate_registry.create_act_challenge(
                reference, draft.proof, form, lines, seconds_left
            )
        existing_contact = await self.contact_notification.stage_contacts(
            session.card.certificate_sha256, draft, form, bidder.company, seconds_left
        )
        return PreparedRegistration(
            form, bidder.company, session.card, form.representative_contact or existing_contact, act
        )

    async def register(
        self,
        reference: SessionReference,
        proof: BidderProof,
        request_id: str,
        act: SignedPurpose,
        predecessor_serial: str,
        seconds_left: SecondsLeft,
    ) -> Receipt:
        """Registers with the signed act and returns the receipt; the same request returns the same receipt.

        The proof is as old as the form, so what it states is confirmed just before the commit.
        """
        self._require_offer(reference)
        check_request_id(request_id)
        if predecessor_serial:
            require_signed_predecessor(act.purpose, predecessor_serial)
        session = await self._check_session(reference, seconds_left)
        try:
            self.sessions.require_within_hours(session)
            proof = (await self.qualification_registry.confirm_bidder(proof, session.card, seconds_left)).proof
        except Refusal:
            # An existing outcome is returned at any hour, and whatever became of the bidder since; the registry looks
            # for it before it checks anything else.
            if await self._find_registration(reference, session, request_id, seconds_left) is None:
                raise
        registration, contacts = await gather_in_order(
            self.certificate_registry.register(reference, proof, request_id, act, predecessor_serial, seconds_left),
            self.contact_notification.get_staged_contacts(session.card.certificate_sha256, request_id, seconds_left),
        )
        return Receipt(request_id, registration, contacts)

    async def get_receipt(self, reference: SessionReference, request_id: str, seconds_left: SecondsLeft) -> Receipt:
        """Returns the receipt of a registration that was made by the session's card, at this agency and category."""
        self._require_offer(reference)
        check_request_id(request_id)
        session = await self._check_session(reference, seconds_left)
        registration = await self._find_registration(reference, session, request_id, seconds_left)
        if registration is None:
            raise Refusal("REGISTRATION_NOT_FOUND", Code.NOT_FOUND)
        contacts = await self.contact_notification.get_staged_contacts(
            session.card.certificate_sha256, request_id, seconds_left
        )
        return Receipt(request_id, registration, contacts)

    def _require_offer(self, reference: SessionReference) -> Offer:
        return self.sessions.require_offer(CardUse.REGISTRATION, reference.agency, reference.category)

    async def _check_session(self, reference: SessionReference, seconds_left: SecondsLeft) -> CardSession:
        return await self.certificate_registry.check_session(CardUse.REGISTRATION, reference, seconds_left)

    async def _find_registration(
        self, reference: SessionReference, session: CardSession, request_id: str, seconds_left: SecondsLeft
    ) -> CommittedRegistration | None:
        registration = await self.certificate_registry.find_registration(
            session.card.certificate_sha256, request_id, seconds_left
        )
        if registration is None:
            return None
        is_here = (registration.agency, registration.category) == (reference.agency, reference.category)
        return registration if is_here else None
