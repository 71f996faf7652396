"""Card sessions with the states of their cards, in one statement."""

from datetime import datetime

from sqlalchemy import text

from certificate_registry.domain.bidder import BidderStatus
from certificate_registry.domain.card_session import SessionScope
from certificate_registry.domain.checked_session import CheckedSession
from certificate_registry.store.card_states import NEWEST_BINDING, STATE_COLUMNS, read_state
from certificate_registry.store.log_in import RENEWED, RENEWED_AT, SESSION, SESSION_COLUMNS, read_session
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_USE_WITH_STATE = Statement(
    text(
        f"""
        WITH {RENEWED}
        SELECT {SESSION_COLUMNS}, {RENEWED_AT}, {STATE_COLUMNS}, coalesce(
                bidder_state.status = '{BidderStatus.SUSPENDED}'
                OR CAST(:agency AS text) = ANY (bidder_state.suspended_agencies), false
            ) AS is_bidder_suspended
        FROM {SESSION}
        CROSS JOIN LATERAL (SELECT session.certificate_sha256, CAST(:category AS text) AS category) AS key
        LEFT JOIN card_state ON card_state.certificate_sha256 = key.certificate_sha256
            AND card_state.category = key.category
        LEFT JOIN LATERAL ({NEWEST_BINDING}) AS newest ON true
        LEFT JOIN bidder_state ON bidder_state.bidder_id = newest.bidder_id AND bidder_state.category = key.category
        WHERE session.token_sha256 = :token_sha256
        """  # noqa: S608  # constants
    )
)


async def use_session_with_state(
    connection: Connection, token_sha256: bytes, scope: SessionScope, now: datetime | None
) -> CheckedSession | None:
    """Returns what `log_in.use_session` returns, with the state of the card in the category, and of its bidder."""
    row = await connection.fetch_row(
        _USE_WITH_STATE,
        token_sha256=token_sha256,
        operation=scope.operation.value,
        agency=scope.agency,
        category=scope.category,
        now=now,
    )
    if row is None:
        return None
    authenticated = read_session(row)
    if row.version_number is None or row.bidder_id is None:
        return CheckedSession(authenticated)
    return CheckedSession(authenticated, read_state(row), row.is_bidder_suspended)
