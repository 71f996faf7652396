"""Staging contacts, and settling what was staged and never committed.

What became of a staged registration is known to certificate-registry only. It is asked between transactions, never
inside of one, so that a slow answer holds no row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification import convert, store
from contact_notification.domain import (
    ContactForm,
    Staged,
    StagedState,
    StagingRequest,
    check_representative_contact,
    expires_at,
    given_already,
    reserved_until,
    reserves_representative_contact,
)
from contact_notification.registrations import record_registration
from instance_profile.field_rules import check_contact, refuse_violations
from instance_profile.model import Category, Profile
from refusals import Code, Refusal, Violation
from servicekit.database import Database
from toroku.certificate.v1 import service_pb2

if TYPE_CHECKING:
    from toroku.certificate.v1.service_pb2_grpc import CertificateRegistryAsyncStub

Outcome = service_pb2.GetOutcomeResponse.Outcome
# Each further try means that somebody else came in between; nobody does that for long.
TRIES = 5


class Staging:
    """Stages the contacts of registrations, with what that needs."""

    def __init__(
        self, *, database: Database, profile: Profile, registry: "CertificateRegistryAsyncStub", mail_domain: str
    ) -> None:
        self._database = database
        self._profile = profile
        self._registry = registry
        self._mail_domain = mail_domain

    async def stage(self, request: StagingRequest, now: datetime) -> datetime:
        """Keeps the contacts as pending and says until when. The same request again gives the same answer.

        Raises what StageContacts promises; then nothing was kept.
        """
        category = self._category(request)
        for _ in range(TRIES):
            async with self._database.transaction() as connection:
                kept = await self._kept(connection, request)
                if kept is not None:
                    return kept.expires_at
                reserves = await self._check(connection, request, category)
                if await store.stage(connection, request, reserves=reserves, now=now):
                    return expires_at(now)
                holder = await store.reservation(connection, request.company.bidder_id, request.category)
            # The same request came twice at once, or the holder has just given up or been committed: look again.
            if holder is None or holder.state is StagedState.ACTIVE or holder.is_of(request):
                continue
            if not holder.may_be_given_up(request.certificate_sha256, now):
                raise reserved_until(expires_at(holder.staged_at))
            await self.settle(holder.certificate_sha256, holder.request_id, now)
        raise reserved_until(now)

    async def check_only(self, request: StagingRequest, now: datetime) -> None:
        """Raises what `stage` would raise, and changes nothing, here or elsewhere."""
        category = self._category(request)
        async with self._database.read() as connection:
            if await self._kept(connection, request) is not None:
                return
            if not await self._check(connection, request, category):
                return
            holder = await store.reservation(connection, request.company.bidder_id, request.category)
        if holder is None or holder.is_of(request):
            return
        if holder.state is StagedState.ACTIVE:
            raise given_already()
        if not holder.may_be_given_up(request.certificate_sha256, now):
            raise reserved_until(expires_at(holder.staged_at))
        answer = await self._registry.GetOutcome(
            service_pb2.GetOutcomeRequest(
                certificate_sha256=holder.certificate_sha256, request_id=str(holder.request_id)
            )
        )
        if answer.outcome == Outcome.OUTCOME_REGISTERED:
            raise given_already()

    async def settle(self, certificate_sha256: bytes, request_id: UUID, now: datetime) -> None:
        """Makes an end of a pending registration: asks what became of it, which bars a late commit where nothing did
        (the tombstone), and then deletes it here, or takes the registration whose event is still on its way."""
        answer = await self._registry.GetOutcome(
            service_pb2.GetOutcomeRequest(
                certificate_sha256=certificate_sha256, request_id=str(request_id), abandon=True
            )
        )
        if answer.outcome == Outcome.OUTCOME_ABANDONED:
            async with self._database.transaction() as connection:
                await store.abandon(connection, certificate_sha256, request_id, now=now)
        elif answer.outcome == Outcome.OUTCOME_REGISTERED and answer.HasField("registration"):
            event = convert.registration_event(answer.registration)
            await record_registration(event, database=self._database, mail_domain=self._mail_domain, now=now)
        else:
            raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": Outcome.Name(answer.outcome)})

    def _category(self, request: StagingRequest) -> Category:
        try:
            agency = self._profile.agency(request.agency)
        except KeyError:
            raise Refusal("AGENCY_UNKNOWN", Code.INVALID_ARGUMENT, {"agency": request.agency[:40]}) from None
        try:
            category = self._profile.category(request.category)
        except KeyError:
            raise Refusal("CATEGORY_UNKNOWN", Code.INVALID_ARGUMENT, {"category": request.category[:40]}) from None
        if category.code not in agency.categories:
            metadata = {"agency": agency.code, "category": category.code}
            raise Refusal("CATEGORY_NOT_OFFERED", Code.FAILED_PRECONDITION, metadata)
        return category

    async def _kept(self, connection: AsyncConnection, request: StagingRequest) -> Staged | None:
        if await store.is_abandoned(connection, request.certificate_sha256, request.request_id):
            raise Refusal("REQUEST_ID_ABANDONED", Code.FAILED_PRECONDITION)
        kept = await store.staged(connection, request.certificate_sha256, request.request_id)
        # A dry run may come before the request is whole, and then has no hash yet.
        if kept is not None and request.request_sha256 not in (b"", kept.request_sha256):
            raise Refusal("REQUEST_ID_REUSED", Code.ALREADY_EXISTS)
        return kept

    async def _check(self, connection: AsyncConnection, request: StagingRequest, category: Category) -> bool:
        """Raises where a field is wrong or the representative contact may not be given; says whether its place has to
        be reserved."""
        representative = request.representative_contact
        standing = await store.representative_contact_id(connection, request.company.bidder_id, category.code)
        violations = [
            *check_representative_contact(
                category.representative_contact, given=representative is not None, stands=standing is not None
            ),
            *_check_form("card_contact", request.card_contact, category),
            *(_check_form("representative_contact", representative, category) if representative is not None else ()),
        ]
        refuse_violations(violations)
        return reserves_representative_contact(category.representative_contact, given=representative is not None)


def _check_form(path: str, form: ContactForm, category: Category) -> Sequence[Violation]:
    return check_contact(category, form.contact, mail_address_again=form.mail_address_again, path=path)
