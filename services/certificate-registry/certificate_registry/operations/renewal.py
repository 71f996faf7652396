"""ICカード更新: the acts that both cards sign, and all that is checked before the commit (REN-02)."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.bidder_proof import BidderProof, BidderStatement, require_just_confirmed
from certificate_registry.domain.binding import require_registered_here
from certificate_registry.domain.card import Card, require_not_revoked
from certificate_registry.domain.card_session import (
    AuthenticatedSession,
    SessionScope,
    find_token_hash,
    require_writable,
)
from certificate_registry.domain.challenge import PurposeToSign, find_lifetime, require_valid
from certificate_registry.domain.outcome import Method, find_registered, hash_payload
from certificate_registry.domain.renewal import (
    CommittedRenewal,
    RenewalActRequest,
    RenewalRequest,
    RenewalSessions,
    determine_renewal_kind,
    require_same_company,
    require_successor_key,
    require_two_cards,
    verify_successor,
)
from certificate_registry.operations.bidder_proofs import ReadStatement, decode_proof, expect_proof
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_each_with_circumstances,
    authenticate_with_circumstances,
    create_challenge,
    decode_purpose,
    expect_purpose,
    require_valid_session,
    verify_signed_purpose,
)
from certificate_registry.operations.renewal_commit import CheckedRenewal, RenewingCard, commit_renewal
from certificate_registry.pki.trust_store import TrustStore
from certificate_registry.store import log_in, renewals
from certificate_registry.store.circumstances import read_renewal_circumstances
from history.entries import Chain
from history.reading import find_receipt
from history.receipt import write_receipt
from instance_profile.model import Profile
from instance_profile.offers import require_category
from refusals import Code, Refusal
from servicekit.database import Database
from servicekit.database_clock import LEEWAY, StatementClock
from servicekit.database_connection import Connection
from servicekit.signed_statement import VerifyingKeys
from servicekit.telemetry import span
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, PurposeType


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRenewal:
    """Replaces cards of one instance by new ones."""

    database: Database
    validation: CardValidation
    profile: Profile
    chain: Chain
    proof_keys: VerifyingKeys
    read_statement: ReadStatement
    clock: StatementClock

    async def create_succession(self, token: str, scope: SessionScope, request: RenewalActRequest) -> PurposeToSign:
        """Returns the act by which the old card agrees to be replaced by the card that the successor key signs for.

        Raises as `authenticate_session`, `validate_certificate`, `require_registered_here`, `require_may_act`.
        """
        async with self.database.single_change() as connection:
            authenticated, circumstances = await authenticate_with_circumstances(
                connection, token, scope, request_id=None, bidder_id=None, now=self.clock(connection)
            )
            card, now = authenticated.card, authenticated.at
            require_not_revoked(card)
            trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
            await self.validation.validate_stored(card, trust_store, now)
            require_registered_here(circumstances.record)
            require_may_act(circumstances.bidder_status)
            return await create_challenge(
                connection,
                instance=self.chain.instance,
                type=PurposeType.ACT,
                scope=scope,
                certificate_sha256=card.certificate_sha256,
                now=now,
                bidder_id=circumstances.record.bound_to,
                successor_key_sha256=request.successor_key_sha256,
                act=Act(str(request.request_id), request.request_sha256, request.lines),
            )

    async def create_act(
        self, sessions: RenewalSessions, proof: BidderProof, request: RenewalActRequest | None
    ) -> PurposeToSign | None:
        """Returns the act by which the new card agrees to take the old one's place; raises what `renew` would raise.

        None where no act is asked for. The proof may be as old as the session; the commit takes one that was just
        confirmed.
        """
        decoded = decode_proof(proof, self.proof_keys, self.read_statement)
        named = decoded.bidder_id if isinstance(decoded, BidderStatement) else None
        async with self.database.single_change() as connection:
            (of_old, old), (of_new, new) = await authenticate_each_with_circumstances(
                connection,
                [(sessions.old_token, sessions.old), (sessions.new_token, sessions.new)],
                request_id=None if request is None else request.request_id,
                bidder_id=named,
                now=self.clock(connection),
                method=Method.RENEW,
            )
            now = of_new.at
            statement = self._expect_statement(decoded, sessions, of_new.card, now)
            if request is not None:
                payload_sha256 = hash_payload(sessions.new, statement.bidder_id, request.request_sha256)
                find_registered(new.outcome, payload_sha256)
            require_two_cards(of_old.card, of_new.card)
            require_writable(of_new.session)
            trust_store = await self.validation.trust_stores.adopt(connection, new.list_versions)
            await self._require_same_company(of_old.card, of_new.card, sessions, trust_store, now)
            determine_renewal_kind(old.record, new.record, statement.bidder_id)
            require_may_act(new.bidder_status)
            if request is None:
                return None
            return await create_challenge(
                connection,
                instance=self.chain.instance,
                type=PurposeType.ACT,
                scope=sessions.new,
                certificate_sha256=of_new.card.certificate_sha256,
                now=now,
                bidder_id=statement.bidder_id,
                successor_key_sha256=request.successor_key_sha256,
                other_certificate_sha256=of_old.card.certificate_sha256,
                act=Act(str(request.request_id), request.request_sha256, request.lines),
            )

    async def renew(self, request: RenewalRequest) -> CommittedRenewal:
        """Replaces a card in one transaction: checks again everything that can have changed, then writes.

        The outcome of the request is looked at before everything but the new card's session, so that a retry gets the
        same answer even if nonces, proof and the old card's session are gone. Both cards are locked: whoever else
        writes about one of them comes before or after.
        """
        sessions = request.sessions
        old_purpose, new_purpose = decode_purpose(request.old_act.purpose), decode_purpose(request.new_act.purpose)
        async with self.database.transaction() as connection:
            of_old, of_new = await _lock_sessions(connection, sessions, self.clock(connection))
            new_card, now = of_new.card, of_new.at
            nonces = {new_card.certificate_sha256: None if isinstance(new_purpose, Refusal) else new_purpose.nonce}
            if of_old is not None:
                old_nonce = None if isinstance(old_purpose, Refusal) else old_purpose.nonce
                nonces.setdefault(of_old.card.certificate_sha256, old_nonce)
            known = await read_renewal_circumstances(
                connection,
                nonces,
                sessions.new,
                request_id=request.request_id,
                bidder_id=None if isinstance(new_purpose, Refusal) else new_purpose.bidder_id,
            )
            of_new_card = known[new_card.certificate_sha256]
            if isinstance(new_purpose, Refusal):
                raise new_purpose
            act, bidder_id = purposes.require_act(new_purpose), purposes.require_bidder(new_purpose)
            payload_sha256 = hash_payload(sessions.new, bidder_id, act.request_sha256)
            registration_id = find_registered(of_new_card.circumstances.outcome, payload_sha256)
            if registration_id is not None:
                committed, _ = await renewals.read_renewal(connection, registration_id)
                return committed
            old_card = require_valid_session(of_old, sessions.old).card
            require_two_cards(old_card, new_card)
            require_writable(of_new.session)
            if isinstance(old_purpose, Refusal):
                raise old_purpose
            trust_store = await self.validation.trust_stores.adopt(connection, of_new_card.circumstances.list_versions)
            decoded = decode_proof(request.proof, self.proof_keys, self.read_statement)
            checked = CheckedRenewal(
                request=request,
                old=RenewingCard(
                    card=old_card,
                    signed=request.old_act,
                    purpose=old_purpose,
                    known=known[old_card.certificate_sha256],
                ),
                new=RenewingCard(card=new_card, signed=request.new_act, purpose=new_purpose, known=of_new_card),
                statement=self._expect_statement(decoded, sessions, new_card, now),
                payload_sha256=payload_sha256,
                now=now,
            )
            await self._verify(checked, trust_store)
            with span("commit"):
                return await commit_renewal(connection, self.chain, checked)

    async def read(self, certificate_sha256: bytes, request_id: UUID) -> CommittedRenewal:
        """Returns what a request to renew made, by its new card; raises RENEWAL_NOT_FOUND."""
        async with self.database.read() as connection:
            registration_id = await renewals.find_renewed(connection, certificate_sha256, request_id)
            if registration_id is None:
                raise Refusal("RENEWAL_NOT_FOUND", Code.NOT_FOUND)
            committed, entry_number = await renewals.read_renewal(connection, registration_id)
            receipt = await find_receipt(connection, entry_number)
        return committed if receipt is None else replace(committed, history_receipt=write_receipt(receipt))

    async def _verify(self, checked: CheckedRenewal, trust_store: TrustStore) -> None:
        """Checks that each card signed an act for exactly the other, and all conditions of a renewal again."""
        request, now = checked.request, checked.now
        old_sha256 = checked.old.card.certificate_sha256
        # It was confirmed by the clock of another database, which may be behind this one (ADR 15).
        require_just_confirmed(checked.statement, now - LEEWAY)
        self._expect_purpose(checked.old, request.sessions.old, now)
        self._expect_purpose(checked.new, request.sessions.new, now)
        purposes_of_both = (checked.old.purpose, checked.new.purpose)
        successor_key_sha256 = require_successor_key(purposes_of_both, request.successor_key)
        for renewing, other in ((checked.old, None), (checked.new, old_sha256)):
            card = renewing.card
            purposes.expect_act(
                renewing.purpose,
                bidder_id=checked.statement.bidder_id,
                request_id=str(request.request_id),
                request_sha256=purposes.require_act(renewing.purpose).request_sha256,
                successor_key_sha256=successor_key_sha256,
                other_certificate_sha256=other,
            )
            key = self.validation.find_key(card.certificate, card.other_certificates, trust_store, now)
            verify_signed_purpose(key, renewing.signed)
        new_card = checked.new.card
        verify_successor(request.successor_key, request.successor_signature, new_card, request.request_id)
        await self._require_same_company(checked.old.card, new_card, request.sessions, trust_store, now)
        checked.determine_kind()
        require_may_act(checked.new.known.circumstances.bidder_status)

    def _expect_purpose(self, renewing: RenewingCard, scope: SessionScope, now: datetime) -> None:
        expect_purpose(
            renewing.purpose,
            instance=self.chain.instance,
            type=PurposeType.ACT,
            scope=scope,
            certificate_sha256=renewing.card.certificate_sha256,
        )
        lifetime = find_lifetime(renewing.purpose)
        require_valid(renewing.known.challenge, renewing.signed.purpose, now, lifetime=lifetime)

    async def _require_same_company(
        self, old: Card, new: Card, sessions: RenewalSessions, trust_store: TrustStore, now: datetime
    ) -> None:
        """Checks both certificates, the old one first, and then what they say, as they are valid now."""
        require_not_revoked(old)
        require_not_revoked(new)
        valid_old = await self.validation.validate_stored(old, trust_store, now)
        valid_new = await self.validation.validate_stored(new, trust_store, now)
        same_authority = require_category(self.profile, sessions.category).renewal.same_authority
        require_same_company(valid_old.card, valid_new.card, same_authority=same_authority)

    def _expect_statement(
        self, decoded: BidderStatement | Refusal, sessions: RenewalSessions, new: Card, now: datetime
    ) -> BidderStatement:
        return expect_proof(
            decoded,
            instance=self.chain.instance,
            scope=sessions.new,
            certificate_sha256=new.certificate_sha256,
            now=now,
        )


async def _lock_sessions(
    connection: Connection, sessions: RenewalSessions, now: datetime | None
) -> tuple[AuthenticatedSession | None, AuthenticatedSession]:
    """Returns both sessions, their cards locked; that of the old card may have ended, or be gone."""
    old_sha256, new_sha256 = find_token_hash(sessions.old_token), find_token_hash(sessions.new_token)
    known = [token_sha256 for token_sha256 in (old_sha256, new_sha256) if token_sha256 is not None]
    locked = await log_in.lock_sessions(connection, known, now)
    new = None if new_sha256 is None else locked.get(new_sha256)
    old = None if old_sha256 is None else locked.get(old_sha256)
    return old, require_valid_session(new, sessions.new)
