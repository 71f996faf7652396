"""Cards and their bindings.

Whoever writes about one card locks the card's row first (`find_card`), so that of two registrations of a card one
waits for the other.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, LargeBinary, any_, bindparam, delete, exists, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.binding import BindingState, CardRecord, RegistrationState
from certificate_registry.domain.card import Card
from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.proven import CompanyComparison, HolderComparison, Proven, add_proof
from certificate_registry.domain.trust import TrustPath, hash_issuer_key
from certificate_registry.pki.certificate import CardValues
from certificate_registry.pki.path_validation import RevocationStatus
from certificate_registry.store.tables import binding, card, card_session, trust_path
from servicekit.database_connection import Connection
from servicekit.statements import Statement, bind_columns

# Serial numbers are looked up in slices, because a long CRL would make a statement of megabytes.
_SLICE = 5000

_RECORD = Statement(
    text(
        """
        SELECT newest.number, newest.bidder_id, newest.ended_as, registration.state,
            card_state.suspended_because IS NOT NULL AS is_suspended
        FROM (
            SELECT CAST(:certificate_sha256 AS bytea) AS certificate_sha256, CAST(:category AS text) AS category
        ) AS key
        LEFT JOIN LATERAL (
            SELECT number, bidder_id, ended_as FROM binding
            WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category
            ORDER BY number DESC LIMIT 1
        ) AS newest ON true
        LEFT JOIN registration ON registration.certificate_sha256 = key.certificate_sha256
            AND registration.category = key.category AND registration.agency = :agency
            AND registration.binding_number = newest.number
        LEFT JOIN card_state ON card_state.certificate_sha256 = key.certificate_sha256
            AND card_state.category = key.category
        """
    )
)

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

_INSERT = Statement(
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
)

_UPDATE = Statement(
    update(card)
    .where(card.c.tbs_sha256 == bindparam("tbs_sha256"))
    .values(judgements=card.c.judgements + 1, **_VALIDATED)
    .returning(card)
)

_QUERY = select(card).where(card.c.certificate_sha256 == bindparam("certificate_sha256"))
_FIND = Statement(_QUERY)
_LOCK = Statement(_QUERY.with_for_update())

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

_BEGIN_BINDING = Statement(
    insert(binding).values(
        bind_columns(
            "certificate_sha256",
            "category",
            "number",
            "bidder_id",
            "began_at",
            "began_because",
            "password_proven",
            "company",
            "holder",
        )
    )
)

_NUMBERED = (
    binding.c.certificate_sha256 == bindparam("certificate_sha256"),
    binding.c.category == bindparam("category"),
    binding.c.number == bindparam("number"),
)
_PROVEN = Statement(select(binding.c.password_proven, binding.c.company, binding.c.holder).where(*_NUMBERED))
_PROVE = Statement(update(binding).where(*_NUMBERED).values(bind_columns("password_proven", "company", "holder")))


async def save_card(
    connection: Connection, validated: Card, path: TrustPath, *, issuer_key: str, now: datetime
) -> Card:
    """Writes a card that was just validated, and returns it as it is stored. `issuer_key` is its normalized issuer.

    Its path was stored before (`trust.add_paths`). The card may still be marked as distrusted.

    If the signed part of its certificate is stored under another hash, that other card is updated and returned.
    """
    columns = {
        "other_certificates": list(validated.other_certificates),
        "authority": validated.authority,
        "company_name": validated.values.company_name,
        "company_address": validated.values.company_address,
        "holder_name": validated.values.holder_name,
        "holder_address": validated.values.holder_address,
        "revocation_status": validated.revocation_status.value,
        "crl_this_update": validated.crl_this_update,
        "checked_at": now,
        "path_sha256": path.sha256,
        "tbs_sha256": validated.tbs_sha256,
    }
    await connection.change(
        _INSERT,
        certificate_sha256=validated.certificate_sha256,
        certificate=validated.certificate,
        issuer=validated.issuer,
        issuer_sha256=hash_issuer_key(issuer_key),
        serial=validated.serial,
        not_before=validated.not_before,
        not_after=validated.not_after,
        **columns,
    )
    return read_card(await connection.fetch_row(_UPDATE, **columns))


async def find_card(connection: Connection, certificate_sha256: bytes, *, lock: bool = False) -> Card | None:
    """Returns the card with this certificate; `lock` keeps its row locked until the transaction ends."""
    row = await connection.fetch_row(_LOCK if lock else _FIND, certificate_sha256=certificate_sha256)
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


async def find_card_record(
    connection: Connection, certificate_sha256: bytes, *, agency: str, category: str
) -> CardRecord:
    """Returns the newest binding of a card in a category, seen from an agency."""
    row = await connection.fetch_row(_RECORD, certificate_sha256=certificate_sha256, category=category, agency=agency)
    if row.number is None:
        return CardRecord(is_suspended=row.is_suspended)
    return CardRecord(
        number=row.number,
        state=BindingState(row.ended_as or BindingState.LIVE),
        bound_to=row.bidder_id if row.ended_as is None else None,
        here=None if row.ended_as or row.state is None else RegistrationState(row.state),
        is_suspended=row.is_suspended,
    )


async def begin_binding(
    connection: Connection,
    key: CardKey,
    number: int,
    bidder_id: str,
    proven: Proven,
    *,
    because: str,
    now: datetime,
) -> None:
    """Begins the binding with this number; the caller, who has locked the card, has checked that none is live."""
    await connection.change(
        _BEGIN_BINDING,
        **key._asdict(),
        number=number,
        bidder_id=bidder_id,
        began_at=now,
        began_because=because,
        **_write_proven(proven),
    )


async def add_proof_to_binding(connection: Connection, key: CardKey, number: int, newest: Proven) -> None:
    """Keeps with a live binding what a further proof for it says."""
    numbered = {**key._asdict(), "number": number}
    proven = add_proof(read_proven(await connection.fetch_row(_PROVEN, **numbered)), newest)
    await connection.change(_PROVE, **numbered, **_write_proven(proven))


def read_proven(row: Any) -> Proven:
    """Returns what was proven, from a row with these columns of the table `binding`."""
    return Proven(row.password_proven, CompanyComparison(row.company), HolderComparison(row.holder))


def _write_proven(proven: Proven) -> dict[str, Any]:
    return {
        "password_proven": proven.password,
        "company": proven.company.value,
        "holder": proven.holder.value,
    }


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
