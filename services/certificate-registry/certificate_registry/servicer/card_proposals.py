"""What is done when another person approves a proposal about a card: convert, call one operation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from certificate_registry.convert.cards import read_card_request, read_reopening
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.suspension import CardRequest, DecidedCard, write_version
from certificate_registry.operations.binding_undo import BindingUndo
from certificate_registry.operations.decided_card import Decider
from certificate_registry.operations.deliveries import Deliveries
from certificate_registry.operations.registration_reopening import RegistrationReopening
from certificate_registry.operations.suspension import CardSuspensions
from officers.proposal import Approval, Target
from servicekit.database_connection import Connection
from toroku.certificate.v1 import cards_pb2

_SERVICE = cards_pb2.DESCRIPTOR.services_by_name["Cards"].full_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumptionHandler:
    """Ends a suspension of a card."""

    suspensions: CardSuspensions
    deliveries: Deliveries

    @property
    def method(self) -> str:
        """The method that proposes it."""
        return f"{_SERVICE}/ResumeCard"

    async def find_target(self, connection: Connection, request: cards_pb2.ResumeCardRequest) -> Target:
        """Returns the card, which is suspended."""
        wanted = read_card_request(request)
        return _write_target(wanted, await self.suspensions.find_suspended(connection, wanted))

    async def carry_out(
        self, connection: Connection, request: cards_pb2.ResumeCardRequest, approval: Approval, now: datetime
    ) -> None:
        """Ends the suspension."""
        wanted = read_card_request(request)
        await self.suspensions.resume(connection, wanted, Decider.of(approval.act), now)

    async def tell_others(self, request: cards_pb2.ResumeCardRequest, /) -> Sequence[str]:
        """Tells the services that keep states of cards."""
        return await self.deliveries.tell_at_once(read_card_request(request).key)


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoHandler:
    """Undoes a binding."""

    undo: BindingUndo
    deliveries: Deliveries

    @property
    def method(self) -> str:
        """The method that proposes it."""
        return f"{_SERVICE}/UndoBinding"

    async def find_target(self, connection: Connection, request: cards_pb2.UndoBindingRequest) -> Target:
        """Returns the card, whose binding can be undone."""
        wanted = read_card_request(request)
        return _write_target(wanted, await self.undo.find_undoable(connection, wanted))

    async def carry_out(
        self, connection: Connection, request: cards_pb2.UndoBindingRequest, approval: Approval, now: datetime
    ) -> None:
        """Undoes it."""
        wanted = read_card_request(request)
        await self.undo.undo(connection, wanted, Decider.of(approval.act), now)

    async def tell_others(self, request: cards_pb2.UndoBindingRequest, /) -> Sequence[str]:
        """Tells the services that keep states of cards."""
        return await self.deliveries.tell_at_once(read_card_request(request).key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopeningHandler:
    """Takes a renewal back."""

    reopening: RegistrationReopening
    deliveries: Deliveries

    @property
    def method(self) -> str:
        """The method that proposes it."""
        return f"{_SERVICE}/ReopenRegistration"

    async def find_target(self, connection: Connection, request: cards_pb2.ReopenRegistrationRequest) -> Target:
        """Returns the replaced card; the target is in the state that it and the card in its place have."""
        wanted = read_reopening(request)
        replaced = await self.reopening.find_reopenable(connection, wanted)
        target = _write_target(wanted.of_card, replaced.old)
        return replace(target, version=f"{target.version} {write_version(replaced.new.version)}")

    async def carry_out(
        self, connection: Connection, request: cards_pb2.ReopenRegistrationRequest, approval: Approval, now: datetime
    ) -> None:
        """Takes it back."""
        await self.reopening.reopen(connection, read_reopening(request), Decider.of(approval.act), now)

    async def tell_others(self, request: cards_pb2.ReopenRegistrationRequest, /) -> Sequence[str]:
        """Tells the services that keep states of cards."""
        wanted = read_reopening(request)
        old = wanted.of_card.key
        not_yet = await self.deliveries.tell_at_once(CardKey(wanted.replaced_by, old.category))
        return sorted({*not_yet, *await self.deliveries.tell_at_once(old)})


def _write_target(wanted: CardRequest, card: DecidedCard) -> Target:
    return Target(
        agency=wanted.agency,
        version=write_version(card.version),
        category=card.key.category,
        bidder_id=card.bidder_id,
        certificate_sha256=card.key.certificate_sha256,
    )
