"""変更: the act that a card signs, and the proof of it by which contact-notification commits."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from certificate_registry.domain.act_proof import ActStatement
from certificate_registry.domain.bidder import require_may_act
from certificate_registry.domain.binding import require_registered_here
from certificate_registry.domain.card import Card, require_not_revoked
from certificate_registry.domain.card_session import SessionScope, hash_token
from certificate_registry.domain.challenge import PurposeToSign, find_lifetime, require_valid
from certificate_registry.domain.circumstances import Circumstances
from certificate_registry.domain.registration import ActRequest
from certificate_registry.operations.card_validation import CardValidation
from certificate_registry.operations.challenges import (
    authenticate_with_circumstances,
    create_challenge,
    expect_purpose,
    lock_session,
    require_unused,
    verify_signed_purpose,
)
from certificate_registry.store import log_in
from certificate_registry.store.circumstances import read_commit_circumstances
from servicekit.database import Database
from servicekit.database_clock import StatementClock
from servicekit.signed_statement import SignedStatement, SigningKey
from signed_acts import purpose as purposes
from signed_acts.purpose import Act, PurposeType, SignedPurpose


@dataclass(frozen=True, slots=True)
class ProvenAct:
    """The proof of an act, and its card as it is valid now."""

    proof: SignedStatement
    card: Card


@dataclass(frozen=True, slots=True, kw_only=True)
class ActProofs:
    """Proves the acts of one instance's cards to the service that commits them.

    `serialize_statement` writes the statement of a proof, which only `convert` can.
    """

    database: Database
    validation: CardValidation
    instance: str
    key: SigningKey
    serialize_statement: Callable[[ActStatement], bytes]
    clock: StatementClock

    async def create_act(self, token: str, scope: SessionScope, request: ActRequest) -> PurposeToSign:
        """Returns the act to be signed by a card that is registered and good at the agency.

        Raises as `authenticate_session`, `require_registered_here` and `require_may_act`; CERTIFICATE_… where the card
        is not valid any more; PURPOSE_MALFORMED.
        """
        async with self.database.single_change() as connection:
            authenticated, circumstances = await authenticate_with_circumstances(
                connection, token, scope, request_id=None, bidder_id=None, now=self.clock(connection)
            )
            card, now = authenticated.card, authenticated.at
            require_not_revoked(card)
            trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
            await self.validation.validate_stored(card, trust_store, now)
            return await create_challenge(
                connection,
                instance=self.instance,
                type=PurposeType.ACT,
                scope=scope,
                certificate_sha256=card.certificate_sha256,
                now=now,
                bidder_id=_require_bidder(circumstances),
                act=Act(str(request.request_id), request.request_sha256, request.lines),
            )

    async def prove(self, token: str, scope: SessionScope, request_id: UUID, signed: SignedPurpose) -> ProvenAct:
        """Checks an act and everything that can have changed, uses its nonce up, and returns the proof.

        Raises as `create_act`, PURPOSE_…, CHALLENGE_… and SIGNATURE_…; the nonce is used only where nothing is raised.
        """
        async with self.database.transaction() as connection:
            authenticated = await lock_session(connection, token, scope, self.clock(connection))
            card, now = authenticated.card, authenticated.at
            purpose = purposes.decode(signed.purpose)
            expect_purpose(
                purpose,
                instance=self.instance,
                type=PurposeType.ACT,
                scope=scope,
                certificate_sha256=card.certificate_sha256,
            )
            circumstances, challenge = await read_commit_circumstances(
                connection,
                card.certificate_sha256,
                scope,
                request_id=request_id,
                bidder_id=None,
                nonce=purpose.nonce,
            )
            require_valid(challenge, signed.purpose, now, lifetime=find_lifetime(purpose))
            require_not_revoked(card)
            trust_store = await self.validation.trust_stores.adopt(connection, circumstances.list_versions)
            verify_signed_purpose(
                self.validation.find_key(card.certificate, card.other_certificates, trust_store, now), signed
            )
            valid = await self.validation.validate_stored(card, trust_store, now)
            bidder_id = _require_bidder(circumstances)
            act = purposes.expect_act(
                purpose,
                bidder_id=bidder_id,
                request_id=str(request_id),
                request_sha256=purposes.require_act(purpose).request_sha256,
            )
            require_unused(await log_in.use_challenge(connection, purpose.nonce, hash_token(token), now))
        statement = ActStatement(
            instance=self.instance,
            operation=scope.operation,
            agency=scope.agency,
            category=scope.category,
            bidder_id=bidder_id,
            certificate_sha256=card.certificate_sha256,
            request_id=act.request_id,
            request_sha256=act.request_sha256,
            purpose_sha256=sha256(signed.purpose).digest(),
            serial=card.serial,
            holder_name=card.values.holder_name,
            issued_at=now,
        )
        return ProvenAct(self.key.sign(self.serialize_statement(statement)), valid.card)


def _require_bidder(circumstances: Circumstances) -> str:
    """Returns the bidder of a card that is registered and good at the agency, and which may act."""
    require_registered_here(circumstances.record)
    require_may_act(circumstances.bidder_status)
    if circumstances.record.bound_to is None:
        raise RuntimeError("a registered card is bound to nobody")
    return circumstances.record.bound_to
