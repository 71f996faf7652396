"""変更, from the log-in to the receipt (CHG-01). It keeps nothing: every fact comes from the service that owns it."""

from dataclasses import dataclass

from front_door.adapters import SecondsLeft
from front_door.adapters.certificate_registry import CertificateRegistry
from front_door.adapters.contact_notification import ContactNotification
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.convert.change import hash_change
from front_door.domain.card_session import (
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from front_door.domain.change import (
    ChangeDraft,
    ChangeForm,
    ChangeReceipt,
    CommittedChange,
    PreparedChange,
    Registered,
    fill_change_form,
    require_form_of_session,
    require_registered,
)
from front_door.domain.change_lines import compose_change_lines
from front_door.domain.propagation import require_propagation_choice
from front_door.domain.signed_form import require_form_of_act
from front_door.operations.card_sessions import CardSessions
from instance_profile.model import Operation, Profile
from refusals import Code, Refusal
from servicekit.concurrency import gather_in_order
from servicekit.messages import check_request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOperation:
    """The steps of 変更. Each raises what its RPC names (change.proto)."""

    profile: Profile
    sessions: CardSessions
    certificate_registry: CertificateRegistry
    qualification_registry: QualificationRegistry
    contact_notification: ContactNotification

    async def begin(self, presented: PresentedCard, seconds_left: SecondsLeft) -> LogInChallenge:
        """Returns the log-in that the card has to sign."""
        return await self.sessions.begin(CardUse.CHANGE, presented, seconds_left)

    async def open_session(
        self, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens a session with the signed log-in."""
        return await self.sessions.open(CardUse.CHANGE, presented, log_in, seconds_left)

    async def get_registered(self, reference: SessionReference, seconds_left: SecondsLeft) -> Registered:
        """Returns what is registered for the session's card and its bidder (CHG-05)."""
        session = await self.sessions.check(CardUse.CHANGE, reference, seconds_left)
        self.sessions.require_within_hours(session)
        registered = require_registered(session, reference.agency)
        company, contacts = await gather_in_order(
            self.qualification_registry.get_company(
                reference.agency, reference.category, registered.state.bidder_id, seconds_left
            ),
            self.contact_notification.get_registered_contacts(registered, reference.category, seconds_left),
        )
        return Registered(registered, company, contacts)

    async def prepare(
        self, reference: SessionReference, draft: ChangeDraft, seconds_left: SecondsLeft
    ) -> PreparedChange:
        """Checks a draft and, unless it is a dry run, makes the act to be signed. Nothing is kept."""
        offer = self.sessions.require_offer(CardUse.CHANGE, reference.agency, reference.category)
        check_request_id(draft.request_id)
        session = await self.sessions.check(CardUse.CHANGE, reference, seconds_left)
        self.sessions.require_within_hours(session)
        registered = require_registered(session, reference.agency)
        require_propagation_choice(self.profile, Operation.CHANGE, propagate=draft.propagate)
        company, changed_fields = await gather_in_order(
            self.qualification_registry.get_company(
                reference.agency, reference.category, registered.state.bidder_id, seconds_left
            ),
            self.contact_notification.check_change(registered, reference.category, draft.change, seconds_left),
        )
        form = fill_change_form(
            draft, registered, changed_fields, instance=self.profile.id, category=reference.category
        )
        act = None
        if not draft.validate_only:
            lines = compose_change_lines(
                self.profile, offer, session.card, company, changed_fields, propagate=form.propagate
            )
            act = await self.certificate_registry.create_change_challenge(reference, form, lines, seconds_left)
        return PreparedChange(form, changed_fields, company, session.card, act)

    async def submit(
        self, reference: SessionReference, form: ChangeForm, act: SignedPurpose, seconds_left: SecondsLeft
    ) -> ChangeReceipt:
        """Changes the contacts with the signed act; the same request returns the same receipt, at any hour.

        An act is used up when it is proven. Where only the answer of the commit was lost, the change is found; where
        there was no commit, the card signs anew under the same request_id.
        """
        check_request_id(form.request_id)
        session = await self.sessions.check(CardUse.CHANGE, reference, seconds_left)
        try:
            change = await self._commit(reference, session, form, act, seconds_left)
        except Refusal:
            # Looked for only now, since nearly no request is a repetition, and one is always refused: its act was used
            # up when it was proven.
            found = await self._find_change(session, form, seconds_left)
            if found is None:
                raise
            change = found
        return ChangeReceipt(form.request_id, session.card, change)

    async def get_receipt(
        self, reference: SessionReference, request_id: str, seconds_left: SecondsLeft
    ) -> ChangeReceipt:
        """Returns the receipt of a change that was made by the session's card, at this agency and category."""
        check_request_id(request_id)
        session = await self.sessions.check(CardUse.CHANGE, reference, seconds_left)
        change = await self.contact_notification.find_change(session.card.certificate_sha256, request_id, seconds_left)
        if change is None or (change.agency, change.category) != (reference.agency, reference.category):
            raise Refusal("CHANGE_NOT_FOUND", Code.NOT_FOUND)
        return ChangeReceipt(request_id, session.card, change)

    async def _find_change(
        self, session: CardSession, form: ChangeForm, seconds_left: SecondsLeft
    ) -> CommittedChange | None:
        change = await self.contact_notification.find_change(
            session.card.certificate_sha256, form.request_id, seconds_left
        )
        if change is not None and change.request_sha256 != hash_change(form):
            raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
        return change

    async def _commit(
        self,
        reference: SessionReference,
        session: CardSession,
        form: ChangeForm,
        act: SignedPurpose,
        seconds_left: SecondsLeft,
    ) -> CommittedChange:
        self.sessions.require_within_hours(session)
        registered = require_registered(session, reference.agency)
        require_form_of_session(form, registered, instance=self.profile.id, category=reference.category)
        require_form_of_act(hash_change(form), act)
        company = await self.qualification_registry.get_company(
            reference.agency, reference.category, registered.state.bidder_id, seconds_left
        )
        # Last before the commit: what it states is good for a minute, and it uses the act up.
        proof = await self.certificate_registry.prove_act(reference, form.request_id, act, seconds_left)
        return await self.contact_notification.commit_change(proof, act, form, company, seconds_left)
