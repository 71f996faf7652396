"""Cards.

Whoever writes about one card locks the card's row first (`log_in.lock_session`), so that of two registrations of a card
one waits for the other.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, delete, exists, or_, select, text, union_all, update
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.card import Card
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven
from certificate_registry.domain.trust import hash_issuer_key
from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus
from certificate_registry.store.tables import binding, card, card_session, trust_path
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

# Serial numbers are looked up in slices, because a long CRL would make a statement of megabytes.
_SLICE = 5000

# Locked in one order, as by everything that changes many cards.
_SET_REVOKED = Statement(
    text(
        """
        WITH changed AS MATERIALIZED (
            SELECT card.certificate_sha256, change.revoked_at
            FROM unnest(CAST(:certificates AS bytea[]), CAST(:revoked_at AS timestamptz[]))
                AS change(certificate_sha256, revoked_at)
            JOIN card USING (certificate_sha256)
            WHERE (card.revoked_at IS NULL) <> (change.revoked_at IS NULL)
            ORDER BY card.certificate_sha256
            FOR UPDATE OF card
        )
        UPDATE card SET revoked_at = changed.revoked_at
        FROM changed
        WHERE card.certificate_sha256 = changed.certificate_sha256
        RETURNING card.certificate_sha256
        """
    )
)


_VALIDATED = {
    **bind_columns(
        "other_certificates",
        "authority",
        "company_name",
        "company_address",
        "holder_name",
        "holder_address",
        "revocation_status",
        "crl_this_update",
        "checked_at",
        "path_sha256",
    ),
    **{
        name: select(trust_path.c[name]).where(trust_path.c.path_sha256 == bindparam("path_sha256")).scalar_subquery()
        for name in ("revocation_as_of", "trusted_until")
    },
}

_INSERTED = (
    insert(card)
    .values(
        **_VALIDATED,
        **bind_columns(
            "certificate_sha256",
            "tbs_sha256",
            "certificate",
            "issuer",
            "issuer_sha256",
            "serial",
            "not_before",
            "not_after",
        ),
        first_seen_at=bindparam("checked_at"),
    )
    .on_conflict_do_nothing()
    .returning(card)
    .cte("inserted")
)
_UPDATED = (
    update(card)
    .where(card.c.tbs_sha256 == bindparam("tbs_sha256"))
    .values(judgements=card.c.judgements + 1, **_VALIDATED)
    .returning(card)
    .cte("updated")
)
_SAVE = Statement(union_all(select(_INSERTED), select(_UPDATED)))

# Of statements that are written as text.
CARD_COLUMNS = ", ".join(f"card.{column.name}" for column in card.columns)

_FIND = Statement(select(card).where(card.c.certificate_sha256 == bindparam("certificate_sha256")))

_OF_ISSUER = select(card).where(card.c.issuer_sha256 == bindparam("issuer_sha256"))
_FIND_LISTED = Statement(
    _OF_ISSUER.where(
        card.c.serial == any_(bindparam("serials", type_=ARRAY(LargeBinary))),
        card.c.revoked_at.is_(None),
    )
)
_FIND_REVOKED = Statement(_OF_ISSUER.where(card.c.revoked_at.is_not(None)))

_TRUST_AGAIN = Statement(
    update(card)
    .where(card.c.certificate_sha256 == bindparam("certificate_sha256"))
    .values(distrusted_at=None, distrusted_because=None)
)

_OF_CARDS = any_(bindparam("certificates", type_=ARRAY(LargeBinary)))
_IS_USED = or_(
    exists().where(binding.c.certificate_sha256 == card.c.certificate_sha256),
    exists().where(card_session.c.certificate_sha256 == card.c.certificate_sha256),
)
_LOCK_UNUSED = Statement(
    select(card.c.certificate_sha256)
    .where(card.c.certificate_sha256 == _OF_CARDS, ~_IS_USED)
    .with_for_update(skip_locked=True)
)
_DELETE_UNUSED = Statement(delete(card).where(card.c.certificate_sha256 == _OF_CARDS, ~_IS_USED))


async def save_card(connection: Connection, valid: ValidCard, *, now: datetime) -> Card:
    """Writes a card that is valid now, and returns it as it is stored.

    Its path was stored before (`trust.add_paths`). The card may still be marked as distrusted.

    If the signed part of its certificate is stored under another hash, that other card is updated and returned.
    """
    validated = valid.card
    columns = {
        "certificate_sha256": validated.certificate_sha256,
        "tbs_sha256": validated.tbs_sha256,
        "certificate": validated.certificate,
        "issuer": validated.issuer,
        "issuer_sha256": hash_issuer_key(valid.issuer_key),
        "serial": validated.serial,
        "not_before": validated.not_before,
        "not_after": validated.not_after,
        "other_certificates": list(validated.other_certificates),
        "authority": validated.authority,
        "company_name": validated.values.company_name,
        "company_address": validated.values.company_address,
        "holder_name": validated.values.holder_name,
        "holder_address": validated.values.holder_address,
        "revocation_status": validated.revocation_status.value,
        "crl_this_update": validated.crl_this_update,
        "checked_at": now,
        "path_sha256": valid.path.sha256,
    }
    # There is no row only where another log-in of a new card was committed meanwhile, which the next statement sees.
    return read_card(await connection.fetch_row(_SAVE, **columns) or await connection.fetch_row(_SAVE, **columns))


async def find_card(connection: Connection, certificate_sha256: bytes) -> Card | None:
    """Returns the card with this certificate."""
    row = await connection.fetch_row(_FIND, certificate_sha256=certificate_sha256)
    return None if row is None else read_card(row)


async def find_listed_cards(connection: Connection, issuer_key: str, serials: Sequence[bytes]) -> Sequence[Card]:
    """Returns the cards of an issuer with these serial numbers (unsigned bytes) that are not marked as revoked."""
    cards: list[Card] = []
    issuer_sha256 = hash_issuer_key(issuer_key)
    for start in range(0, len(serials), _SLICE):
        rows = await connection.fetch_rows(
            _FIND_LISTED, issuer_sha256=issuer_sha256, serials=list(serials[start : start + _SLICE])
        )
        cards += [read_card(row) for row in rows]
    return cards


async def find_revoked_cards(connection: Connection, issuer_key: str) -> Sequence[Card]:
    """Returns the cards of an issuer that are marked as revoked."""
    rows = await connection.fetch_rows(_FIND_REVOKED, issuer_sha256=hash_issuer_key(issuer_key))
    return [read_card(row) for row in rows]


async def set_revoked(connection: Connection, revoked_at: Mapping[bytes, datetime | None]) -> Set[bytes]:
    """Marks cards (SHA-256) as revoked, or removes the mark (None); returns those that this changed."""
    certificates = await connection.fetch_values(
        _SET_REVOKED, certificates=list(revoked_at), revoked_at=list(revoked_at.values())
    )
    return set(certificates)


async def trust_again(connection: Connection, certificate_sha256: bytes) -> None:
    """Removes the mark of a card that is no longer trusted."""
    await connection.change(_TRUST_AGAIN, certificate_sha256=certificate_sha256)


async def delete_unused_cards(connection: Connection, certificates: Collection[bytes]) -> None:
    """Deletes those of these cards that have neither a binding nor a session, and that nobody uses at the moment."""
    unused = await connection.fetch_values(_LOCK_UNUSED, certificates=list(certificates))
    # Again, since one may have logged in until it was locked; afterwards none can.
    if unused:
        await connection.change(_DELETE_UNUSED, certificates=unused)


def read_proven(row: Any) -> Proven:
    """Returns what was proven, from a row with these columns of the table `binding`."""
    return Proven(row.password_proven, CompanyComparison(row.company), HolderComparison(row.holder))


def read_card(row: Any) -> Card:
    """Returns the card in a row with all columns of the table `card`."""
    return Card(
        certificate_sha256=row.certificate_sha256,
        tbs_sha256=row.tbs_sha256,
        certificate=row.certificate,
        other_certificates=tuple(row.other_certificates),
        authority=row.authority,
        issuer=row.issuer,
        serial=row.serial,
        values=CardValues(row.company_name, row.company_address, row.holder_name, row.holder_address),
        not_before=row.not_before,
        not_after=row.not_after,
        revocation_status=RevocationStatus(row.revocation_status),
        crl_this_update=row.crl_this_update,
        revoked_at=row.revoked_at,
        distrusted_because=row.distrusted_because,
    )
