"""ICカード更新, from the log-in of the old card to the result (REN-01). It keeps nothing, as 登録 does."""

from dataclasses import dataclass

from front_door.adapters import SecondsLeft
from front_door.adapters.card_renewals import CardRenewals
from front_door.adapters.qualification_registry import QualificationRegistry
from front_door.convert.renewal import hash_renewal, hash_succession
from front_door.domain.bidder import FoundBidder
from front_door.domain.card_session import (
    CardRole,
    CardSession,
    CardUse,
    LogInChallenge,
    OpenedSession,
    PresentedCard,
    SessionReference,
    SignedPurpose,
)
from front_door.domain.propagation import require_propagation_choice
from front_door.domain.renewal import (
    CommittedRenewal,
    PreparedRenewal,
    PreparedSuccession,
    RenewalDraft,
    RenewalForm,
    RenewalReference,
    SignedRenewal,
    SuccessionForm,
    check_successor_key,
    hash_successor_key,
    require_role,
    require_same,
    require_state,
)
from front_door.domain.renewal_lines import Succession, compose_renewal_lines, compose_succession_lines
from front_door.domain.signed_form import require_form_of_act
from front_door.operations.card_sessions import CardSessions
from instance_profile.model import Operation, Profile
from instance_profile.offers import Offer
from refusals import Code, Refusal
from servicekit.concurrency import gather_in_order
from servicekit.messages import check_request_id


@dataclass(frozen=True, slots=True)
class _BothCards:
    """The sessions of both cards, and the bidder that the old one is bound to."""

    old: CardSession
    new: CardSession
    bidder_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalOperation:
    """The steps of ICカード更新. Each raises what its RPC names (renewal.proto)."""

    profile: Profile
    sessions: CardSessions
    card_renewals: CardRenewals
    qualification_registry: QualificationRegistry

    async def begin(self, presented: PresentedCard, seconds_left: SecondsLeft) -> LogInChallenge:
        """Returns the log-in that one of the two cards has to sign."""
        return await self.sessions.begin(CardUse.RENEWAL, presented, seconds_left)

    async def open_session(
        self, presented: PresentedCard, log_in: SignedPurpose, seconds_left: SecondsLeft
    ) -> OpenedSession:
        """Opens the session of one of the two cards with its signed log-in."""
        return await self.sessions.open(CardUse.RENEWAL, presented, log_in, seconds_left)

    async def prepare_succession(
        self, reference: SessionReference, request_id: str, successor_key: bytes, seconds_left: SecondsLeft
    ) -> PreparedSuccession:
        """Makes the act by which the old card agrees to be replaced by the card that the key vouches for."""
        offer = self._require_offer(reference)
        check_request_id(request_id)
        check_successor_key(successor_key)
        session = await self._check_session(reference, CardRole.OLD, seconds_left)
        self.sessions.require_within_hours(session)
        bidder_id = require_state(session).bidder_id
        form = self._fill_succession(reference, session, bidder_id, request_id, successor_key)
        company = await self.qualification_registry.get_company(
            reference.agency, reference.category, form.bidder_id, seconds_left
        )
        lines = compose_succession_lines(self.profile, offer, session.card, company)
        act = await self.card_renewals.create_succession_challenge(reference, form, lines, seconds_left)
        return PreparedSuccession(form, act)

    async def prepare(
        self, reference: RenewalReference, draft: RenewalDraft, seconds_left: SecondsLeft
    ) -> PreparedRenewal:
        """Checks every condition of a renewal (REN-02) and, unless it is a dry run, makes the new card's act."""
        offer = self._require_offer(reference.new)
        check_request_id(draft.request_id)
        check_successor_key(draft.successor_key)
        require_propagation_choice(self.profile, Operation.RENEWAL, propagate=draft.propagate)
        cards = await self._check_sessions(reference, seconds_left)
        bidder = await self._prove_bidder(reference, cards, seconds_left)
        form = self._fill_renewal(reference, cards, draft)
        others = require_state(cards.old).list_other_agencies(form.agency)
        act = None
        if draft.validate_only:
            await self.card_renewals.check_renewable(reference, bidder.proof, form.request_id, seconds_left)
        else:
            succession = Succession(
                offer=offer,
                company=bidder.company,
                old_card=cards.old.card,
                new_card=cards.new.card,
                propagate=form.propagate,
                other_agencies=others,
            )
            lines = compose_renewal_lines(self.profile, succession)
            act = await self.card_renewals.create_renewal_challenge(reference, bidder.proof, form, lines, seconds_left)
        return PreparedRenewal(form, bidder.company, cards.old.card, cards.new.card, others, act)

    async def renew(
        self, reference: RenewalReference, signed: SignedRenewal, seconds_left: SecondsLeft
    ) -> CommittedRenewal:
        """Renews with both signed acts; the same request returns the same result."""
        self._require_offer(reference.new)
        form = signed.form
        check_request_id(form.request_id)
        try:
            return await self._renew(reference, signed, seconds_left)
        except Refusal:
            # Looked for only now, since nearly no request is a repetition, and one is always refused: the old card's
            # session ended with the renewal. The result is returned at any hour.
            session = await self._check_session(reference.new, CardRole.NEW, seconds_left)
            committed = await self.card_renewals.find_renewal(
                session.card.certificate_sha256, form.request_id, seconds_left
            )
            if committed is None:
                raise
        require_same(committed, form)
        return committed

    async def ask_for_approval(self, reference: RenewalReference, mail_address: str, seconds_left: SecondsLeft) -> str:
        """Asks the agency's officers to approve the new card, and returns the question's number."""
        self._require_offer(reference.new)
        cards = await self._check_sessions(reference, seconds_left)
        return await self.qualification_registry.ask_for_renewal_approval(
            reference.new.agency,
            reference.new.category,
            cards.new.card,
            cards.bidder_id,
            mail_address,
            seconds_left,
        )

    async def get_result(
        self, reference: SessionReference, request_id: str, seconds_left: SecondsLeft
    ) -> CommittedRenewal:
        """Returns the result of a renewal by which the session's card came to this agency and category."""
        self._require_offer(reference)
        check_request_id(request_id)
        session = await self._check_session(reference, CardRole.NEW, seconds_left)
        committed = await self.card_renewals.find_renewal(session.card.certificate_sha256, request_id, seconds_left)
        here = (reference.agency, reference.category)
        if committed is None or (committed.agency, committed.category) != here:
            raise Refusal("RENEWAL_NOT_FOUND", Code.NOT_FOUND)
        return committed

    async def _renew(
        self, reference: RenewalReference, signed: SignedRenewal, seconds_left: SecondsLeft
    ) -> CommittedRenewal:
        form = signed.form
        check_successor_key(form.successor_key)
        require_propagation_choice(self.profile, Operation.RENEWAL, propagate=form.propagate)
        cards = await self._check_sessions(reference, seconds_left)
        self._require_form(reference, cards, signed)
        # Proven anew, since all that a bidder's proof says can have changed after the act was made.
        bidder = await self._prove_bidder(reference, cards, seconds_left)
        return await self.card_renewals.renew(reference, bidder.proof, signed, seconds_left)

    def _require_offer(self, reference: SessionReference) -> Offer:
        return self.sessions.require_offer(CardUse.RENEWAL, reference.agency, reference.category)

    async def _check_session(
        self, reference: SessionReference, role: CardRole, seconds_left: SecondsLeft
    ) -> CardSession:
        session = await self.sessions.check(CardUse.RENEWAL, reference, seconds_left)
        require_role(session, role)
        return session

    async def _check_sessions(self, reference: RenewalReference, seconds_left: SecondsLeft) -> _BothCards:
        old, new = await gather_in_order(
            self._check_session(reference.old, CardRole.OLD, seconds_left),
            self._check_session(reference.new, CardRole.NEW, seconds_left),
        )
        self.sessions.require_within_hours(old)
        self.sessions.require_within_hours(new)
        return _BothCards(old, new, require_state(old).bidder_id)

    async def _prove_bidder(
        self, reference: RenewalReference, cards: _BothCards, seconds_left: SecondsLeft
    ) -> FoundBidder:
        return await self.qualification_registry.prove_bidder(
            reference.new.agency, reference.new.category, cards.new.card, cards.bidder_id, seconds_left
        )

    def _fill_succession(
        self, reference: SessionReference, old: CardSession, bidder_id: str, request_id: str, successor_key: bytes
    ) -> SuccessionForm:
        """Returns what the old card signs the hash of."""
        return SuccessionForm(
            request_id=request_id,
            instance=self.profile.id,
            agency=reference.agency,
            category=reference.category,
            bidder_id=bidder_id,
            certificate_sha256=old.card.certificate_sha256,
            successor_key_sha256=hash_successor_key(successor_key),
        )

    def _fill_renewal(
        self, reference: RenewalReference, cards: _BothCards, typed: RenewalDraft | RenewalForm
    ) -> RenewalForm:
        """Returns what the new card signs the hash of, with what the contractor chose."""
        return RenewalForm(
            request_id=typed.request_id,
            instance=self.profile.id,
            agency=reference.new.agency,
            category=reference.new.category,
            bidder_id=cards.bidder_id,
            certificate_sha256=cards.new.card.certificate_sha256,
            old_certificate_sha256=cards.old.card.certificate_sha256,
            successor_key=typed.successor_key,
            propagate=typed.propagate,
        )

    def _require_form(self, reference: RenewalReference, cards: _BothCards, signed: SignedRenewal) -> None:
        """Raises FORM_DIFFERS_FROM_ACT unless both cards signed for this form, these sessions and this instance.

        The registry knows the hash of the form only, and takes from here what stands in it.
        """
        form = signed.form
        if form != self._fill_renewal(reference, cards, form):
            raise Refusal("FORM_DIFFERS_FROM_ACT", Code.INVALID_ARGUMENT)
        succession = self._fill_succession(
            reference.old, cards.old, cards.bidder_id, form.request_id, form.successor_key
        )
        require_form_of_act(hash_succession(succession), signed.old_act)
        require_form_of_act(hash_renewal(form), signed.new_act)
