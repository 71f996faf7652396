"""What people see of intentions: those of a card, and how far a night batch has come (SYN-05)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from agency_sync.domain.card_state import CardKey
from agency_sync.domain.intention import IntentionKind, IntentionState, ListedIntention
from agency_sync.domain.propagation import PropagationProgress
from agency_sync.store.intentions import find_good_agencies
from servicekit.database_clock import LEEWAY, write_interval
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# Acts of a card that are listed, the newest ones.
MOST_ACTS = 50
# How far back progress counts what was carried out.
_COUNTED = timedelta(hours=24)

_COLUMNS = """
    intentions.registration_id, intentions.agency, intentions.category, intentions.kind, intentions.state,
    intentions.planned_at, intentions.made_at, intentions.refused_for, intentions.agencies,
    old.registrations AS of_predecessor
"""

_FIND = Statement(
    text(
        f"""
        SELECT {_COLUMNS}
        FROM intentions
        LEFT JOIN card_states AS card USING (certificate_sha256, category)
        LEFT JOIN card_states AS old ON old.category = card.category
            AND old.certificate_sha256 = decode(card.registrations -> intentions.agency ->> 'predecessor', 'hex')
        WHERE intentions.registration_id = :registration_id AND intentions.agency = :agency
        """  # noqa: S608  # constants
    )
)

_LIST = Statement(
    text(
        f"""
        SELECT {_COLUMNS}
        FROM intentions
        LEFT JOIN card_states AS card USING (certificate_sha256, category)
        LEFT JOIN card_states AS old ON old.category = card.category
            AND old.certificate_sha256 = decode(card.registrations -> intentions.agency ->> 'predecessor', 'hex')
        WHERE intentions.certificate_sha256 = :certificate_sha256 AND intentions.category = :category
            AND intentions.agency = :agency
        ORDER BY intentions.made_at DESC, intentions.registration_id
        LIMIT :most
        """  # noqa: S608  # constants
    ).bindparams(most=MOST_ACTS)
)

# A run is going on while one of its batches is claimed, whichever agency's it is.
_COUNT = Statement(
    text(
        f"""
        SELECT
            (
                SELECT min(run_began_at) FROM intentions
                WHERE state = 'open' AND taken_until BETWEEN now() AND now() + make_interval(secs => :longest_claim)
            ) AS running_since,
            count(*) FILTER (WHERE state = 'open' AND refused_for = '' AND planned_at > :now) AS planned,
            count(*) FILTER (WHERE state = 'open' AND refused_for = '' AND planned_at <= :now) AS due,
            count(*) FILTER (WHERE state = '{IntentionState.WAITING}' OR state = 'open' AND refused_for <> '')
                AS waiting,
            count(*) FILTER (WHERE state = 'done') AS done,
            (
                SELECT count(*) FROM intentions AS finished JOIN propagations USING (registration_id)
                WHERE finished.agency = :agency AND propagations.state = 'refused'
                    AND finished.done_at > CAST(:now AS timestamptz) - {write_interval(_COUNTED)}
            ) AS refused
        FROM intentions
        WHERE agency = :agency AND (done_at IS NULL OR done_at > CAST(:now AS timestamptz) - {write_interval(_COUNTED)})
        """  # noqa: S608  # constants
    )
)


async def find_intention(connection: Connection, registration_id: UUID, agency: str) -> ListedIntention | None:
    """Returns the intention of a registration or change at this agency; None where there is none."""
    row = await connection.fetch_row(_FIND, registration_id=registration_id, agency=agency)
    return None if row is None else _read_listed(row)


async def list_intentions(connection: Connection, card: CardKey, agency: str) -> Sequence[ListedIntention]:
    """Returns the intentions of what a card did at this agency, the newest first, at most MOST_ACTS."""
    certificate_sha256, category = card
    rows = await connection.fetch_rows(_LIST, certificate_sha256=certificate_sha256, category=category, agency=agency)
    return list(map(_read_listed, rows))


async def count_progress(
    connection: Connection, agency: str, *, now: datetime, longest_claim: timedelta
) -> PropagationProgress:
    """Returns how far everything is that an agency's contractors did."""
    row = await connection.fetch_row(
        _COUNT, agency=agency, now=now, longest_claim=(longest_claim + LEEWAY).total_seconds()
    )
    return PropagationProgress(
        running_since=row.running_since,
        planned=row.planned,
        due=row.due,
        waiting=row.waiting,
        done=row.done,
        refused=row.refused,
    )


def _read_listed(row: Any) -> ListedIntention:
    return ListedIntention(
        registration_id=row.registration_id,
        agency=row.agency,
        category=row.category,
        kind=IntentionKind(row.kind),
        state=IntentionState(row.state),
        planned_at=row.planned_at,
        made_at=row.made_at,
        refused_for=row.refused_for,
        followed=frozenset(row.agencies) if row.agencies else find_good_agencies(row.of_predecessor or {}),
    )
