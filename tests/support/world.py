"""What people and services do to the cards of one bidder, on a running instance: the acts of the model-based test."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
from sqlalchemy import text

from operator_command.instance_certificates import OFFICER
from operator_command.officer.preparation import prepare_officer
from refusals import Refusal
from servicekit import jobs
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.statements import Statement
from simulators.certificate_authorities import IssuedCard, new_ec_key
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor, contact_of
from tests.support.officers import SigningOfficer, sign_and_call
from tests.support.renewing_contractor import RenewingContractor
from tests.support.running_instance import Bidder, RunningInstance, officer_at
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncStub
from toroku.certificate.v1 import card_state_pb2, cards_pb2, certificate_registry_pb2
from toroku.certificate.v1.cards_pb2_grpc import CardsStub
from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryStub
from toroku.contact.v1 import contact_notification_pb2, contact_pb2
from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationStub
from toroku.officer.v1 import proposals_pb2
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

if TYPE_CHECKING:
    from toroku.agencysync.v1.agency_sync_pb2_grpc import AgencySyncAsyncStub
    from toroku.certificate.v1.cards_pb2_grpc import CardsAsyncStub
    from toroku.certificate.v1.certificate_registry_pb2_grpc import CertificateRegistryAsyncStub
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub
    from toroku.officer.v1.proposals_pb2_grpc import ProposalsAsyncStub

CATEGORY, OPERATOR, REASON = "works", "operator", "申出により確認済み"
_MAKE_LISTS_DUE = Statement(text("UPDATE crl_source SET next_fetch_at = '-infinity'"))


@dataclass(slots=True)
class Officers:
    """An officer of each agency, and of the operator's, at certificate-registry."""

    instance: RunningInstance
    known: dict[str, SigningOfficer] = field(default_factory=dict)

    async def of(self, agency: str) -> SigningOfficer:
        """Returns the officer of an agency, or of the operator."""
        if agency not in self.known:
            name = f"{agency}/{OFFICER}"
            await asyncio.to_thread(prepare_officer, self.instance.launched.state, name)
            self.known[agency] = officer_at(self.instance.launched, name, "certificate-registry")
        return self.known[agency]


@dataclass(slots=True)
class World:
    """One bidder with cards. Each act returns the refusal that it met, None where it was carried out."""

    instance: RunningInstance
    officers: Officers
    bidder: Bidder
    cards: dict[str, IssuedCard] = field(default_factory=dict)
    # States as they were told to other services, the oldest first.
    told: list[card_state_pb2.CardState] = field(default_factory=list)

    def issue(self, name: str, lifetime: timedelta | None = None) -> None:
        """Gives the bidder a card, whose certificate ends soon where a lifetime is given."""
        not_after = None if lifetime is None else datetime.now(UTC) + lifetime
        # An RSA key takes longer to make than most acts.
        self.cards[name] = self.instance.ca.issue(company=self.bidder.name, key=new_ec_key(), not_after=not_after)

    def has_ended(self, card: str) -> bool:
        """Returns whether a card's certificate has ended by now."""
        return self.cards[card].certificate.not_valid_after_utc < datetime.now(UTC)

    async def wait_for_end(self, card: str) -> None:
        """Waits until a card's certificate has ended."""
        while not self.has_ended(card):
            await asyncio.sleep(0.05)

    async def revoke(self, card: str) -> None:
        """The CA revokes a card; its list is fetched soon, as if the time for it had come."""
        self.instance.ca.revoke(self.cards[card])
        dsn = self.instance.launched.services["certificate-registry"].database or ""
        async with Database.open(dsn, pool=1) as database, database.transaction() as connection:
            await connection.change(_MAKE_LISTS_DUE)
            await jobs.enqueue(connection, "fetch_crls", queue="revocation_lists", arguments={})

    def contractor(self, card: str, agency: str, bidder: Bidder | None = None) -> Contractor:
        """Returns whoever holds a card, at an agency."""
        return self.instance.contractor(card=self.cards[card], bidder=bidder or self.bidder, agency=agency)

    async def register(
        self, card: str, agency: str, contact: str, representative: str, bidder: Bidder | None = None
    ) -> Refusal | None:
        """登録"""
        contractor = self.contractor(card, agency, bidder)
        contractor.card_contact = make_contact(contact)
        contractor.representative_contact = make_contact(representative)
        refusal = await _refusal_of(contractor.whole())
        if refusal is None:
            await self.remember(card, contractor.request_id)
        return refusal

    def begin_change(self, card: str, agency: str, *, propagate: bool = True) -> ChangingContractor:
        """Returns whoever holds a card, at its change."""
        return ChangingContractor.of(self.contractor(card, agency), propagate=propagate)

    async def change(
        self, card: str, agency: str, *, propagate: bool, contact: str = "", representative: str = ""
    ) -> Refusal | None:
        """変更; an empty text leaves that contact as it is."""
        return await _refusal_of(
            self.begin_change(card, agency, propagate=propagate).whole(
                card_contact=make_contact(contact) if contact else None,
                representative_contact=make_contact(representative) if representative else None,
            )
        )

    async def change_twice(self, card: str, agency: str, contacts: tuple[str, str]) -> list[Refusal | None]:
        """Two persons type over the same version, and sign at the same time."""
        changes = [self.begin_change(card, agency) for _ in contacts]
        for change, contact in zip(changes, contacts, strict=True):
            await change.see()
            change.type_in(card_contact=make_contact(contact))
            await change.prepare()
        return list(await asyncio.gather(*(_refusal_of(change.submit()) for change in changes)))

    async def begin_renewal(self, old: str, new: str, agency: str, *, propagate: bool) -> RenewingContractor:
        """Returns whoever holds both cards, before the last step of a renewal. Raises Refusal."""
        renewal = RenewingContractor.of(self.contractor(old, agency), self.cards[new], propagate=propagate)
        await renewal.enter()
        await renewal.prepare()
        return renewal

    async def renew(self, old: str, new: str, agency: str, *, propagate: bool) -> Refusal | None:
        """ICカード更新"""
        try:
            renewal = await self.begin_renewal(old, new, agency, propagate=propagate)
            await renewal.renew()
        except Refusal as refusal:
            return refusal
        return None

    async def renew_at_one_time(self, old: str, news: Sequence[str], agency: str) -> list[Refusal | None]:
        """Several new cards take the place of one old card at the same time."""
        renewals = [await self.begin_renewal(old, new, agency, propagate=True) for new in news]
        return list(await asyncio.gather(*(_refusal_of(renewal.renew()) for renewal in renewals)))

    async def renew_during_undo(self, old: str, new: str, agency: str, bound_at: str) -> list[Refusal | None]:
        """A renewal and the undo of the old card's binding, at the same time; returns the refusals of the two."""
        renewal = await self.begin_renewal(old, new, agency, propagate=True)
        proposal = await self._propose_undo(old, bound_at)
        return list(await asyncio.gather(_refusal_of(renewal.renew()), _refusal_of(self._approve(proposal))))

    async def suspend(self, card: str, agency: str | None) -> Refusal | None:
        """An officer suspends a card, at an agency or in the whole instance."""
        officer = await self.officers.of(agency or OPERATOR)
        request = cards_pb2.SuspendCardRequest(**self._describe(card, agency or OPERATOR), reason=REASON)
        return await _refusal_of(sign_and_call(_cards(officer).SuspendCard, request, officer))

    async def resume(self, card: str, agency: str) -> Refusal | None:
        """Two officers end a suspension at an agency."""
        officer = await self.officers.of(agency)
        request = cards_pb2.ResumeCardRequest(**self._describe(card, agency), reason=REASON)
        proposed = await sign_and_call(_cards(officer).ResumeCard, request, officer)
        return await _refusal_of(self._approve(proposed.proposal))

    async def undo(self, card: str, bound_at: str) -> Refusal | None:
        """Two officers undo the binding of a card."""
        return await _refusal_of(self._approve(await self._propose_undo(card, bound_at)))

    async def reopen(self, old: str, new: str, agency: str) -> Refusal | None:
        """Two officers take back a renewal that was made at an agency."""
        officer = await self.officers.of(agency)
        request = cards_pb2.ReopenRegistrationRequest(
            **self._describe(old, agency), replaced_by=self.cards[new].sha256, reason=REASON
        )
        proposed = await sign_and_call(_cards(officer).ReopenRegistration, request, officer)
        return await _refusal_of(self._approve(proposed.proposal))

    async def remember(self, card: str, request_id: str) -> None:
        """Keeps the card's state, as a service may be told it again, much later."""
        registry: CertificateRegistryAsyncStub = CertificateRegistryStub(
            self._channel("front-door", "certificate-registry")
        )
        request = certificate_registry_pb2.GetOutcomeRequest(
            certificate_sha256=self.cards[card].sha256, request_id=request_id
        )
        outcome = await registry.GetOutcome(request, timeout=10)
        self.told.append(outcome.card_state)

    async def tell_again(self, position: int) -> None:
        """An old state of a card arrives at its consumers once more, after newer ones."""
        state = self.told[position % len(self.told)]
        contacts: ContactNotificationAsyncStub = ContactNotificationStub(
            self._channel("certificate-registry", "contact-notification")
        )
        request = contact_notification_pb2.RecordCardStatesRequest(card_states=[state])
        await contacts.RecordCardStates(request, timeout=10)
        sync: AgencySyncAsyncStub = AgencySyncStub(self._channel("certificate-registry", "agency-sync"))
        await sync.RecordCardStates(agency_sync_pb2.RecordCardStatesRequest(card_states=[state]), timeout=10)

    async def is_good_at(self, card: str, agency: str) -> bool:
        """Returns whether an agency's e-bidding system lets the card in."""
        answer = await self.instance.resolve(self.contractor(card, agency), agency)
        return answer.verdict == answer.VERDICT_GOOD

    async def contact_at(self, card: str, agency: str, purpose: str) -> str | None:
        """Returns the contact that an agency is told, "card" or "representative", as `make_contact` named it."""
        contact = await self.instance.contact(self.contractor(card, agency), purpose, agency)
        return contact.person_name if contact is not None else None

    async def _propose_undo(self, card: str, bound_at: str) -> proposals_pb2.ProposalRecord:
        officer = await self.officers.of(bound_at)
        request = cards_pb2.UndoBindingRequest(**self._describe(card, bound_at), reason=REASON)
        response: cards_pb2.UndoBindingResponse = await sign_and_call(_cards(officer).UndoBinding, request, officer)
        return response.proposal

    async def _approve(self, record: proposals_pb2.ProposalRecord) -> None:
        officer = await self.officers.of(OPERATOR)
        proposals: ProposalsAsyncStub = ProposalsStub(officer.channel)
        request = proposals_pb2.ApproveProposalRequest(
            proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
        )
        await sign_and_call(proposals.ApproveProposal, request, officer)

    def _describe(self, card: str, agency: str) -> dict[str, Any]:
        return {
            "agency": agency,
            "category": CATEGORY,
            "certificate_sha256": self.cards[card].sha256,
            "bidder_id": self.bidder.bidder_id,
        }

    def _channel(self, caller: str, service: str) -> grpc.aio.Channel:
        """Returns a channel to the internal listener of a service, as another service."""
        certificates = self.instance.launched.certificates
        own = certificates.services[caller]
        files = CertificateFiles(own.certificate, own.private_key, certificates.services[service].authority)
        address = self.instance.launched.addresses.of(service, "internal")
        options = [("grpc.ssl_target_name_override", service)]
        return grpc.aio.secure_channel(address, create_channel_credentials(files), options)


def make_contact(name: str) -> contact_pb2.Contact:
    """Returns a contact that is told by the name of its person."""
    return contact_of(name)


async def _refusal_of(action: Awaitable[object]) -> Refusal | None:
    try:
        await action
    except Refusal as refusal:
        return refusal
    return None


def _cards(officer: SigningOfficer) -> "CardsAsyncStub":
    stub: CardsAsyncStub = CardsStub(officer.channel)
    return stub
