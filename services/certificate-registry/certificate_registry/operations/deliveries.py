"""Tells other services the states of cards, by jobs that the transaction enqueues which changes them."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from certificate_registry.domain.card_state import MOST_STATES, CardKey, CardState
from certificate_registry.store import card_states
from refusals import Refusal
from servicekit import jobs
from servicekit.database import Database
from servicekit.database_connection import Connection

DELIVER_CARD_STATE = "deliver_card_state"
DELIVER_CARD_STATES = "deliver_card_states"
DELIVER_STOP = "deliver_stop"
CONTACT_NOTIFICATION = "contact-notification"
AGENCY_SYNC = "agency-sync"
# The queue of each consumer for single states, and for those of many cards.
QUEUES = {CONTACT_NOTIFICATION: "states_to_contact_notification", AGENCY_SYNC: "states_to_agency_sync"}
BULK_QUEUES = {CONTACT_NOTIFICATION: "bulk_to_contact_notification", AGENCY_SYNC: "bulk_to_agency_sync"}
# Of states by which a card is stopped, for which nothing else waits.
CARD_STOP_QUEUES = {CONTACT_NOTIFICATION: "stop_to_contact_notification", AGENCY_SYNC: "stop_to_agency_sync"}
# States of one message of stops: few, so that the stop of another card does not wait long behind those of a whole CA.
MOST_STOPS = 100
# Seconds that an officer waits for the consumers after a stop, at most; then the jobs alone go on.
PATIENCE = 2.0


class Consumer(Protocol):
    """A service that keeps the states of cards. It ignores states that are not newer than those that it has."""

    async def record_card_states(self, states: Sequence[CardState]) -> None:
        """Hands over at most `MOST_STATES` states."""


def deliver_state(*keys: CardKey) -> Sequence[jobs.NewJob]:
    """Returns one job per consumer that delivers the states of one act's cards, whose numbers were just raised."""
    return [
        jobs.NewJob(DELIVER_CARD_STATE, queue, _write_arguments(consumer, keys)) for consumer, queue in QUEUES.items()
    ]


def deliver_stops(keys: Sequence[CardKey]) -> Sequence[jobs.NewJob]:
    """Returns, for states by which cards are stopped, one job per consumer and `MOST_STOPS` cards."""
    return _deliver_portions(DELIVER_STOP, CARD_STOP_QUEUES, keys, MOST_STOPS)


def deliver_states(keys: Sequence[CardKey]) -> Sequence[jobs.NewJob]:
    """Returns, for many cards, one job per consumer and `MOST_STATES` cards."""
    return _deliver_portions(DELIVER_CARD_STATES, BULK_QUEUES, keys, MOST_STATES)


async def tell_of_certificates(connection: Connection, certificates: Collection[bytes]) -> None:
    """Numbers the states of cards anew (SHA-256) that were just revoked, distrusted or trusted again; enqueues them.

    As stops, since most are, and in the caller's transaction, which has changed the rows of these cards.
    """
    keys = await card_states.raise_versions(connection, certificates)
    await jobs.enqueue_together(connection, deliver_stops(keys))


def read_keys(cards: Sequence[tuple[str, str]]) -> Sequence[CardKey]:
    """Returns the cards in the arguments of a job."""
    return [CardKey(bytes.fromhex(certificate_sha256), category) for certificate_sha256, category in cards]


def _deliver_portions(
    task: str, queues: Mapping[str, str], keys: Sequence[CardKey], most: int
) -> Sequence[jobs.NewJob]:
    return [
        jobs.NewJob(task, queue, _write_arguments(consumer, keys[start : start + most]))
        for start in range(0, len(keys), most)
        for consumer, queue in queues.items()
    ]


def _write_arguments(consumer: str, keys: Sequence[CardKey]) -> dict[str, Any]:
    return {"consumer": consumer, "cards": [(key.certificate_sha256.hex(), key.category) for key in keys]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Delivers the states of cards to their consumers, by name."""

    database: Database
    consumers: Mapping[str, Consumer]
    patience: float = PATIENCE

    async def deliver(self, consumer: str, keys: Sequence[CardKey]) -> jobs.Replacements:
        """Hands the states of these cards, as they are now, to one consumer in one message.

        Returns the arguments of two jobs for the halves where the consumer refuses a message for what it contains, so
        that what it refuses comes to stand alone; raises the refusal of a message with one state.
        """
        async with self.database.read() as connection:
            states = await card_states.read_states(connection, keys)
        if consumer not in self.consumers:
            raise LookupError(f"unknown consumer {consumer}")
        try:
            await self.consumers[consumer].record_card_states(states)
        except Refusal as refusal:
            halves = jobs.halve_refused(keys, refusal)
            return [_write_arguments(consumer, half) for half in halves]
        return []

    async def tell_at_once(self, key: CardKey) -> Sequence[str]:
        """Hands the state of a card to all consumers, right after the commit that stopped it, beside the jobs.

        Returns the names of those that did not take it in time.
        """
        async with self.database.read() as connection:
            states = await card_states.read_states(connection, [key])
        told = await asyncio.gather(*(self._tell(consumer, states) for consumer in self.consumers.values()))
        return sorted(name for name, is_told in zip(self.consumers, told, strict=True) if not is_told)

    async def _tell(self, consumer: Consumer, states: Sequence[CardState]) -> bool:
        try:
            async with asyncio.timeout(self.patience):
                await consumer.record_card_states(states)
        except (Refusal, TimeoutError):
            return False
        return True
