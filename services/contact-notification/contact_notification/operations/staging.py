"""Stages the contacts of a registration."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contact_notification.adapters.certificate_registry import CertificateRegistry
from contact_notification.domain.card_state import find_missing
from contact_notification.domain.contact import (
    Contact,
    ContactForm,
    check_representative_contact,
    refuse_given_already,
    reserves_representative_contact,
)
from contact_notification.domain.staging import (
    KnownRequest,
    StagedState,
    StagingRequest,
    compute_expiry,
    refuse_reserved,
)
from contact_notification.operations.settlement import Settlement
from contact_notification.store import staging
from instance_profile.field_rules import check_contact, check_person_in_charge, refuse_violations
from instance_profile.model import Category, Profile
from instance_profile.offers import require_offer
from refusals import Code, Refusal, Violation
from servicekit.database import Database
from servicekit.database_clock import DatabaseClock
from servicekit.database_connection import Connection

# Each further try means that a concurrent request of the card or the bidder went first, which can't go on for long.
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """Stages the contacts of registrations."""

    database: Database
    clock: DatabaseClock
    profile: Profile
    certificate_registry: CertificateRegistry
    settlement: Settlement

    async def stage(self, request: StagingRequest) -> tuple[datetime, Contact | None]:
        """Stores the contacts as pending and returns when they expire; the same for the same request.

        Also returns the representative contact that the bidder has already, None where there is none.

        Raises the errors of StageContacts; then nothing is stored.
        """
        category = require_offer(self.profile, request.agency, request.category).category
        has_replaced = False
        for _ in range(TRIES):
            async with self.database.transaction() as connection:
                now = await self.clock(connection)
                known = await _find_known(connection, request)
                if known.staged is not None:
                    return known.staged.expires_at, _choose_existing(request, known)
                _check_contacts(request, category, known)
                existing = known.representative_contact
                if await staging.stage(connection, request, reserves=_reserves(request, category), now=now):
                    return compute_expiry(now), existing
                pending = await staging.find_pending(connection, request.certificate_sha256, request.category)
                reservation = await staging.find_reservation(connection, request.company.bidder_id, request.category)
            if pending is not None and pending != request.request_id:
                # Requests of one card at the same time must not go on abandoning each other.
                if has_replaced:
                    break
                # The card began anew. What it left pending may be committed already, so it is not simply replaced.
                await self.settlement.settle(request.certificate_sha256, pending)
                has_replaced = True
                continue
            # Without a pending reservation of another request, this request was delivered twice at once, or what stood
            # in its way has just been abandoned or committed: try again.
            if reservation is None or reservation.state is StagedState.ACTIVE or reservation.belongs_to(request):
                continue
            if not reservation.may_be_abandoned(request.certificate_sha256, now):
                raise refuse_reserved(reservation.expires_at)
            await self.settlement.settle(reservation.certificate_sha256, reservation.request_id)
        raise Refusal("SERVER_BUSY", Code.ABORTED)

    async def check(self, request: StagingRequest) -> Contact | None:
        """Raises what `stage` would raise, and changes nothing, here or in certificate-registry.

        Returns the representative contact that the bidder has already, None where there is none.
        """
        category = require_offer(self.profile, request.agency, request.category).category
        async with self.database.read() as connection:
            known = await _find_known(connection, request)
            if known.staged is not None:
                return _choose_existing(request, known)
            _check_contacts(request, category, known)
            existing = known.representative_contact
            if not _reserves(request, category):
                return existing
            reservation = await staging.find_reservation(connection, request.company.bidder_id, request.category)
            now = await self.clock(connection)
        if reservation is None or reservation.belongs_to(request):
            return existing
        if reservation.state is StagedState.ACTIVE:
            raise refuse_given_already()
        if not reservation.may_be_abandoned(request.certificate_sha256, now):
            raise refuse_reserved(reservation.expires_at)
        outcome = await self.certificate_registry.get_outcome(
            reservation.certificate_sha256, reservation.request_id, abandon=False
        )
        registration = outcome.find_registration(reservation.request_id)
        async with self.database.read() as connection:
            staged = await staging.find_staged(connection, reservation.certificate_sha256, reservation.request_id)
        # Otherwise `stage` ends what is pending there, and nothing is given yet.
        if registration is not None and find_missing(staged, registration) is None:
            raise refuse_given_already()
        return existing


async def _find_known(connection: Connection, request: StagingRequest) -> KnownRequest:
    """Returns what is known of a request. Raises REQUEST_ID_ABANDONED, REQUEST_ID_REUSED."""
    known = await staging.find_known(connection, request)
    if known.is_abandoned:
        raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
    # A request that is only checked may be incomplete, and then has no hash yet.
    if known.staged is not None and request.request_sha256 not in (b"", known.staged.request_sha256):
        raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
    return known


def _check_contacts(request: StagingRequest, category: Category, known: KnownRequest) -> None:
    """Checks both contacts. Raises FIELDS_INVALID, REPRESENTATIVE_CONTACT_GIVEN_ALREADY."""
    representative = request.representative_contact
    violations = [
        *check_representative_contact(
            category.representative_contact,
            given=representative is not None,
            is_active=known.representative_contact is not None,
        ),
        *(_check_form("representative_contact", representative, category) if representative is not None else ()),
        *_check_form("card_contact", request.card_contact, category),
        *check_person_in_charge(request.person_in_charge),
    ]
    refuse_violations(violations)


def _choose_existing(request: StagingRequest, known: KnownRequest) -> Contact | None:
    """Returns the representative contact that the bidder had when the request was staged, which gave none itself."""
    return None if request.representative_contact is not None else known.representative_contact


def _reserves(request: StagingRequest, category: Category) -> bool:
    """Returns whether the representative contact of a request has to be reserved."""
    is_given = request.representative_contact is not None
    return reserves_representative_contact(category.representative_contact, given=is_given)


def _check_form(path: str, form: ContactForm, category: Category) -> Sequence[Violation]:
    return check_contact(category, form.contact, mail_address_again=form.mail_address_again, path=path)
