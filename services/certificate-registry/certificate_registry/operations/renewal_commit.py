"""What a renewal writes, once everything about it was verified."""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from certificate_registry.domain.bidder_proof import BidderStatement
from certificate_registry.domain.binding import RegistrationKind
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_session import hash_token
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.circumstances import CommitCircumstances
from certificate_registry.domain.history import HistoryAction
from certificate_registry.domain.outcome import Outcome
from certificate_registry.domain.proven import Proven, add_proof
from certificate_registry.domain.registration import Origin, Registration
from certificate_registry.domain.renewal import CommittedRenewal, RenewalRequest, determine_renewal_kind
from certificate_registry.operations.challenges import require_unused
from certificate_registry.operations.deliveries import deliver_state
from certificate_registry.operations.notices import create_renewal_notices, send_notices
from certificate_registry.store import renewals
from history.entries import Chain, Entry, SignedAct, State
from history.writing import write_history
from servicekit import jobs
from servicekit.database_connection import Connection
from servicekit.telemetry import find_trace_id
from signed_acts import purpose as purposes
from signed_acts.purpose import Purpose, SignedPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewingCard:
    """One of the two cards of a renewal: the act that it signed, decoded, and what is known of it, its row locked."""

    card: Card
    signed: SignedPurpose
    purpose: Purpose
    known: CommitCircumstances


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRenewal:
    """A request to renew with its two cards, and what the bidder proof for the new one states."""

    request: RenewalRequest
    old: RenewingCard
    new: RenewingCard
    statement: BidderStatement
    payload_sha256: bytes
    now: datetime

    def determine_kind(self) -> RegistrationKind:
        """Returns what is written for the new card; raises as `determine_renewal_kind`."""
        return determine_renewal_kind(
            self.old.known.circumstances.record, self.new.known.circumstances.record, self.statement.bidder_id
        )


async def commit_renewal(connection: Connection, chain: Chain, checked: CheckedRenewal) -> CommittedRenewal:
    """Writes a renewal all of which was verified: outcome, bindings, registrations, history, notices and jobs.

    Raises as `determine_renewal_kind`.
    """
    request, old, new = checked.request, checked.old.card, checked.new.card
    scope = request.sessions.new
    kind = checked.determine_kind()
    is_new = kind is RegistrationKind.NEW_BINDING
    registration = Registration(
        registration_id=uuid4(),
        agency=scope.agency,
        category=scope.category,
        certificate_sha256=new.certificate_sha256,
        bidder_id=checked.statement.bidder_id,
        registered_at=checked.now,
        origin=Origin.RENEWAL,
    )
    outcome = Outcome(
        registration.registration_id,
        checked.payload_sha256,
        purposes.require_act(checked.new.purpose).request_sha256,
        scope.category,
        scope.agency,
    )
    are_unused = await renewals.settle(
        connection,
        new.certificate_sha256,
        request.request_id,
        outcome,
        nonces=[checked.old.purpose.nonce, checked.new.purpose.nonce],
        old_token_sha256=hash_token(request.sessions.old_token),
        new_token_sha256=hash_token(request.sessions.new_token),
        now=checked.now,
    )
    require_unused(are_unused)
    notices = create_renewal_notices()
    entries = [_describe_renewed(checked, registration, kind), _describe_replaced(checked)]
    renewed, _ = await write_history(connection, chain, entries)
    await renewals.write_renewal(
        connection,
        registration,
        old_certificate_sha256=old.certificate_sha256,
        old_binding_number=checked.old.known.circumstances.record.number,
        binding_number=checked.new.known.circumstances.record.number + is_new,
        proven=_add_proof(checked, kind),
        begins_binding=is_new,
        stays_here=not request.propagate,
        notices=notices,
        history_number=renewed.number,
    )
    keys = [CardKey(card.certificate_sha256, scope.category) for card in (old, new)]
    await jobs.enqueue_together(connection, [*deliver_state(*keys), send_notices(notices)])
    return CommittedRenewal(
        registration=registration,
        old_card=old,
        new_card=new,
        propagate=request.propagate,
        history_digest=renewed.digest,
    )


def _add_proof(checked: CheckedRenewal, kind: RegistrationKind) -> Proven:
    """Returns what is proven of the new card: a password that was right for the old one stays so."""
    of_old, of_new = checked.old.known.circumstances.proven, checked.new.known.circumstances.proven
    proven = checked.statement.proven
    for known in (of_old, of_new if kind is RegistrationKind.FURTHER_AGENCY else None):
        proven = proven if known is None else add_proof(known, proven)
    return proven


def _describe_renewed(checked: CheckedRenewal, registration: Registration, kind: RegistrationKind) -> Entry:
    request, approval = checked.request, checked.statement.card_approval
    return _describe(
        checked,
        HistoryAction.RENEWED,
        checked.new,
        before={"bound_to": None if kind is RegistrationKind.NEW_BINDING else registration.bidder_id},
        after={
            "bound_to": registration.bidder_id,
            "registrations": {registration.agency: str(registration.registration_id)},
            "predecessor_card": checked.old.card.certificate_sha256.hex(),
            # What ties the two acts together: each card agreed to exactly the other.
            "successor_key": request.successor_key.hex(),
            "successor_signature": request.successor_signature.hex(),
            # Where company or holder of the certificate are not the roster's, and an officer took the card.
            **({"approval_number": approval} if approval else {}),
        },
    )


def _describe_replaced(checked: CheckedRenewal) -> Entry:
    # An entry of its own, found under the old card, with the act of that card: both are erased apart.
    return _describe(
        checked,
        HistoryAction.REPLACED,
        checked.old,
        before={},
        after={"replaced_by": {checked.request.sessions.agency: checked.new.card.certificate_sha256.hex()}},
    )


def _describe(
    checked: CheckedRenewal, action: HistoryAction, renewing: RenewingCard, *, before: State, after: State
) -> Entry:
    scope, card, signed = checked.request.sessions.new, renewing.card, renewing.signed
    return Entry(
        happened_at=checked.now,
        who=f"card {card.certificate_sha256.hex()}",
        what=action,
        request_id=checked.request.request_id,
        trace_id=find_trace_id(),
        certificate_sha256=card.certificate_sha256,
        category=scope.category,
        agencies=(scope.agency,),
        bidder_id=checked.statement.bidder_id,
        before=before,
        after=after,
        act=SignedAct(signed.purpose, signed.algorithm.value, signed.signature, card.certificate),
    )
