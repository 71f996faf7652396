"""The states of cards, the newest version of each."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.card_state import CardState
from contact_notification.store.tables import card_states
from servicekit.newest import insert_newest_rows


async def record_card_states(connection: AsyncConnection, states: Sequence[CardState]) -> int:
    """Writes each state unless the same or a higher version is kept; returns how many were written.

    The states are in the order of card and category, each of which occurs once. Their rows stay locked until the
    caller's transaction ends.
    """
    return await insert_newest_rows(
        connection,
        card_states,
        ["certificate_sha256", "category"],
        [
            (
                {
                    "certificate_sha256": state.certificate_sha256,
                    "category": state.category,
                    "bidder_id": state.bidder_id,
                    "agencies": state.agencies,
                },
                state.version,
            )
            for state in states
        ],
    )
