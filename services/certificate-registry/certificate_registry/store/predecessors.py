"""The cards before others: named by contractors, and linked by officers, who have the rows of both cards locked."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, insert, text

from certificate_registry.domain.binding import RegistrationState
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.predecessor import NamedPredecessor, NamedQuery, Predecessor
from certificate_registry.domain.registration import Registration
from certificate_registry.domain.reopening import REOPENED
from certificate_registry.domain.suspension import DecidedCard, StateReason
from certificate_registry.store.tables import named_predecessor
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_STANDING = f"('{RegistrationState.GOOD.value}', '{RegistrationState.SUSPENDED.value}')"
# Bindings that should not have been are none that a card comes after.
_WAS_MEANT = f"""
    (binding.ended_because IS NULL OR binding.ended_because NOT IN ('{StateReason.UNDONE.value}', '{REOPENED}'))
"""

# Two CAs may have given one number: the card that expired last counts, before one that has not expired.
_FIND_SERIAL = Statement(
    text(
        f"""
        SELECT card.certificate_sha256
        FROM binding JOIN card USING (certificate_sha256)
        WHERE binding.bidder_id = :bidder_id AND binding.category = :category AND {_WAS_MEANT}
            AND card.serial = :serial AND card.certificate_sha256 <> :certificate_sha256
        ORDER BY card.not_after < :now DESC, card.not_after DESC, card.certificate_sha256
        LIMIT 1
        """  # noqa: S608  # constants
    )
)

_NAME = Statement(
    insert(named_predecessor).values(
        **bind_columns(
            "registration_id", "certificate_sha256", "category", "agency", "bidder_id", "predecessor", "named_at"
        )
    )
)

# What came after it is looked for among the cards of its bidder.
_FIND = Statement(
    text(
        f"""
        SELECT card.certificate_sha256, card.not_after, coalesce(
            (
                SELECT replaced_by FROM registration
                WHERE certificate_sha256 = card.certificate_sha256 AND category = CAST(:category AS text)
                    AND agency = CAST(:agency AS text) AND replaced_by IS NOT NULL
                LIMIT 1
            ),
            (
                SELECT other.certificate_sha256
                FROM binding AS of_bidder JOIN registration AS other USING (certificate_sha256, category)
                WHERE of_bidder.bidder_id = CAST(:bidder_id AS text) AND of_bidder.category = CAST(:category AS text)
                    AND other.agency = CAST(:agency AS text) AND other.predecessor = card.certificate_sha256
                    AND other.state IN {_STANDING}
                LIMIT 1
            )
        ) AS followed_by
        FROM card
        WHERE certificate_sha256 = CAST(:predecessor AS bytea) AND certificate_sha256 <> :certificate_sha256
            AND EXISTS (
                SELECT FROM binding
                WHERE binding.certificate_sha256 = card.certificate_sha256
                    AND binding.category = CAST(:category AS text)
                    AND binding.bidder_id = CAST(:bidder_id AS text) AND {_WAS_MEANT}
            )
        """  # noqa: S608  # constants
    )
)

_FIND_LINKED = Statement(
    text(
        """
        SELECT predecessor FROM registration
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND agency = :agency
            AND binding_number = :number
        """
    )
)

_LINK = Statement(
    text(
        """
        WITH linked AS (
            UPDATE registration SET predecessor = :predecessor
            WHERE certificate_sha256 = :certificate_sha256 AND category = :category AND agency = :agency
                AND binding_number = :number
            RETURNING registration_id
        ), named AS (
            DELETE FROM named_predecessor WHERE registration_id IN (SELECT registration_id FROM linked)
        )
        UPDATE card_state SET version_epoch = epoch.epoch, version_number = version_number + 1
        FROM epoch
        WHERE certificate_sha256 = :certificate_sha256 AND category = :category
        """
    )
)

# A page goes on also where the last one of the page before has been linked since.
_LIST = Statement(
    text(
        f"""
        SELECT named.registration_id, named.bidder_id, named.certificate_sha256, named.predecessor, named.named_at,
            card.serial, card.not_after
        FROM named_predecessor AS named
        JOIN card ON card.certificate_sha256 = named.predecessor
        JOIN registration ON registration.certificate_sha256 = named.certificate_sha256
            AND registration.category = named.category AND registration.agency = named.agency
            AND registration.registration_id = named.registration_id AND registration.state IN {_STANDING}
        WHERE named.agency = :agency AND named.category = :category
            AND (CAST(:after AS uuid) IS NULL OR (named.named_at, named.registration_id) > (
                SELECT before.registered_at, before.registration_id
                FROM request_outcome AS outcome
                JOIN registration AS before ON before.certificate_sha256 = outcome.certificate_sha256
                    AND before.category = outcome.category AND before.agency = outcome.agency
                    AND before.registration_id = outcome.registration_id
                WHERE outcome.registration_id = CAST(:after AS uuid)
            ))
        ORDER BY named.named_at, named.registration_id
        LIMIT CAST(:most AS integer)
        """  # noqa: S608  # constants
    )
)

_DELETE_OLD = write_deletion(
    named_predecessor, named_predecessor.c.named_at < bindparam("before"), oldest=named_predecessor.c.named_at
)


async def find_by_serial(
    connection: Connection, key: CardKey, bidder_id: str, serial: bytes, now: datetime
) -> bytes | None:
    """Returns the bidder's other card in the category that has this serial number; `key` is the card after it."""
    row = await connection.fetch_row(_FIND_SERIAL, **key._asdict(), bidder_id=bidder_id, serial=serial, now=now)
    return None if row is None else row.certificate_sha256


async def name_predecessor(connection: Connection, registration: Registration, predecessor: bytes) -> None:
    """Writes which card a contractor named as the one before that of a registration."""
    await connection.change(
        _NAME,
        registration_id=registration.registration_id,
        certificate_sha256=registration.certificate_sha256,
        category=registration.category,
        agency=registration.agency,
        bidder_id=registration.bidder_id,
        predecessor=predecessor,
        named_at=registration.registered_at,
    )


async def find_predecessor(
    connection: Connection, card: DecidedCard, agency: str, predecessor: bytes
) -> Predecessor | None:
    """Returns a card as the one before another card at an agency; None unless it is one of its bidder."""
    row = await connection.fetch_row(
        _FIND, **card.key._asdict(), bidder_id=card.bidder_id, agency=agency, predecessor=predecessor
    )
    if row is None:
        return None
    return Predecessor(certificate_sha256=row.certificate_sha256, not_after=row.not_after, followed_by=row.followed_by)


async def find_linked(connection: Connection, card: DecidedCard, agency: str) -> bytes | None:
    """Returns the card that a card's registration at an agency comes after, None where there is none."""
    row = await connection.fetch_row(_FIND_LINKED, **card.key._asdict(), agency=agency, number=card.binding_number)
    predecessor: bytes | None = row.predecessor
    return predecessor


async def link(connection: Connection, card: DecidedCard, agency: str, predecessor: bytes) -> None:
    """Writes the card that a registered card comes after at an agency, and its state's next number.

    What its contractor named is done with.
    """
    await connection.change(
        _LINK, **card.key._asdict(), agency=agency, number=card.binding_number, predecessor=predecessor
    )


async def list_named(connection: Connection, query: NamedQuery) -> Sequence[NamedPredecessor]:
    """Returns the named cards of an agency whose registrations stand, in the order in which they were named."""
    rows = await connection.fetch_rows(
        _LIST, agency=query.agency, category=query.category, after=query.after, most=query.most
    )
    return [
        NamedPredecessor(
            registration_id=row.registration_id,
            bidder_id=row.bidder_id,
            certificate_sha256=row.certificate_sha256,
            predecessor=row.predecessor,
            predecessor_serial=row.serial,
            predecessor_not_after=row.not_after,
            named_at=row.named_at,
        )
        for row in rows
    ]


async def delete_named(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` cards that were named before this instant; returns how many."""
    return await connection.change(_DELETE_OLD, before=before, most=most)
