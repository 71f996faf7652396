"""The cards that officers see."""

from collections.abc import Sequence

from sqlalchemy import text

from certificate_registry.domain.listed_card import CardFacts, CardQuery
from certificate_registry.store.suspensions import BEGAN_AT_AGENCY
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement


def _list_statement(candidates: str) -> Statement:
    """Returns the statement for the cards of `candidates`, a query of their hashes."""
    return Statement(
        text(
            f"""
            SELECT card.certificate_sha256, card.serial, card.issuer, card.not_after, card.revoked_at,
                newest.began_at, {BEGAN_AT_AGENCY} AS bound_by_agency
            FROM ({candidates}) AS candidate
            JOIN card USING (certificate_sha256)
            CROSS JOIN LATERAL (
                SELECT * FROM binding
                WHERE binding.certificate_sha256 = card.certificate_sha256
                    AND binding.category = CAST(:category AS text)
                ORDER BY number DESC LIMIT 1
            ) AS newest
            WHERE card.certificate_sha256 > CAST(:after AS bytea)
                AND (CAST(:bidder_id AS text) IS NULL OR newest.bidder_id = CAST(:bidder_id AS text))
                AND (CAST(:agency AS text) = '{OPERATOR}' OR EXISTS (
                    SELECT FROM registration
                    WHERE registration.certificate_sha256 = newest.certificate_sha256
                        AND registration.category = newest.category
                        AND registration.agency = CAST(:agency AS text)
                        AND registration.binding_number = newest.number
                ))
            ORDER BY card.certificate_sha256
            LIMIT CAST(:most AS integer)
            """  # noqa: S608  # constants
        )
    )


_OF_BIDDER = _list_statement(
    "SELECT DISTINCT certificate_sha256 FROM binding WHERE bidder_id = CAST(:bidder_id AS text)"
)
_OF_CARD = _list_statement("SELECT CAST(:certificate_sha256 AS bytea) AS certificate_sha256")


async def list_cards(connection: Connection, query: CardQuery) -> Sequence[CardFacts]:
    """Returns the cards that a query asks for, in the order of their hashes."""
    values = {"category": query.category, "agency": query.agency, "after": query.after, "most": query.most}
    if query.certificate_sha256 is None:
        rows = await connection.fetch_rows(_OF_BIDDER, bidder_id=query.bidder_id, **values)
    else:
        rows = await connection.fetch_rows(
            _OF_CARD, certificate_sha256=query.certificate_sha256, bidder_id=None, **values
        )
    return [
        CardFacts(
            certificate_sha256=row.certificate_sha256,
            serial=row.serial,
            issuer=row.issuer,
            not_after=row.not_after,
            revoked_at=row.revoked_at,
            bound_at=row.began_at,
            bound_by_agency=row.bound_by_agency,
        )
        for row in rows
    ]
