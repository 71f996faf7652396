"""The reviews of changed company data: what an import begins and ends, and what officers end (QUA-08).

Who changes one holds `commits.lock_all_imports`.
"""

from datetime import datetime

from sqlalchemy import text

from qualification_registry.domain.review import COMPANY_FIELDS
from servicekit.database_connection import Connection
from servicekit.identity import OPERATOR
from servicekit.statements import Statement


def _write_company(table: str) -> str:
    return f"ROW({', '.join(f'{table}.{field}' for field in COMPANY_FIELDS)})"


# The line is gone, or the review is done.
_END_OF_IMPORT = Statement(
    text(
        """
        DELETE FROM company_reviews review
        WHERE review.term = :term AND NOT EXISTS (
            SELECT FROM roster_lines line
            JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
            WHERE line.bidder_id = review.bidder_id AND import.term = :term AND line.superseded_by IS NULL
                AND line.review IS NOT NULL
        )
        """
    )
)
# A review goes on while lists repeat it, whatever else of the line they change, and in the list of another term of the
# roster. It begins anew where officers had ended it, and the line brings other company data.
_BEGIN_OF_IMPORT = Statement(
    text(
        f"""
        INSERT INTO company_reviews (bidder_id, term, began_at, shown_import, ended_agencies)
        SELECT line.bidder_id, :term,
            CASE WHEN known.is_running THEN known.began_at ELSE CAST(:now AS timestamptz) END,
            CASE
                WHEN known.is_running THEN known.shown_import
                ELSE coalesce(before.import_number, line.import_number)
            END,
            CASE
                WHEN {_write_company("line")} IS DISTINCT FROM {_write_company("before")} THEN '{{}}'
                ELSE coalesce(known.ended_agencies, '{{}}')
            END
        FROM roster_lines line
        LEFT JOIN LATERAL (
            SELECT other.*, other_import.term FROM roster_lines other
            JOIN roster_imports other_import
                ON other_import.number = other.import_number AND other_import.made_version IS NOT NULL
            JOIN roster_terms other_term ON other_term.number = other_import.term
            WHERE other.bidder_id = line.bidder_id AND other_import.roster = :roster
                AND (
                    other.superseded_by = :number
                    OR (other.superseded_by IS NULL AND other_import.term <> :term)
                )
            ORDER BY other.superseded_by IS NOT NULL DESC, other_term.term_from DESC NULLS LAST
            LIMIT 1
        ) before ON true
        LEFT JOIN LATERAL (
            SELECT review.*, (
                {_write_company("line")} IS NOT DISTINCT FROM {_write_company("before")}
                OR NOT ('{OPERATOR}' = ANY (review.ended_agencies)
                    OR string_to_array(before.agencies, ' ') <@ review.ended_agencies)
            ) AS is_running
            FROM company_reviews review
            WHERE review.bidder_id = line.bidder_id AND review.term = before.term
        ) known ON true
        WHERE line.import_number = :number AND line.review IS NOT NULL
        ON CONFLICT (bidder_id, term) DO UPDATE
        SET began_at = excluded.began_at, shown_import = excluded.shown_import, ended_agencies = excluded.ended_agencies
        WHERE (company_reviews.began_at, company_reviews.ended_agencies)
            IS DISTINCT FROM (excluded.began_at, excluded.ended_agencies)
        RETURNING bidder_id
        """  # noqa: S608  # constants
    )
)
_END = Statement(
    text(
        f"""
        UPDATE company_reviews review SET ended_agencies = review.ended_agencies || CAST(:agency AS text)
        FROM roster_terms term
        JOIN rosters roster ON roster.name = term.roster
        WHERE review.bidder_id = :bidder_id AND review.term = term.number AND roster.category = :category
            AND NOT review.ended_agencies && ARRAY[:agency, '{OPERATOR}']
            AND (
                :agency = '{OPERATOR}'
                OR EXISTS (
                    SELECT FROM roster_lines line
                    JOIN roster_imports import ON import.number = line.import_number AND import.made_version IS NOT NULL
                    WHERE line.bidder_id = review.bidder_id AND import.term = review.term
                        AND line.superseded_by IS NULL AND :agency = ANY (string_to_array(line.agencies, ' '))
                )
            )
        """  # noqa: S608  # constants
    )
)


async def keep_of_import(connection: Connection, number: int, *, roster: str, term: int, now: datetime) -> list[str]:
    """Ends the reviews that the current lines of a term do not have any more, and begins those that an import brings.

    Returns the bidders whose review began, also anew.
    """
    await connection.change(_END_OF_IMPORT, term=term)
    return await connection.fetch_values(_BEGIN_OF_IMPORT, number=number, roster=roster, term=term, now=now)


async def end_review(connection: Connection, bidder_id: str, category: str, agency: str) -> bool:
    """Ends the reviews of a bidder in a category at an agency, or at all under the operator's code.

    Returns whether there was one.
    """
    return await connection.change(_END, bidder_id=bidder_id, category=category, agency=agency) > 0
