"""The columns of a card's state at an agency, which entries and the newest ones have alike."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from agency_sync.domain.feed import CardAtAgency, FeedState, Period, Verdict

# What `read_card` reads.
CARD_COLUMNS = """
    bidder_id, state, reason, registration_id, certificate_not_before, certificate_not_after,
    CAST(qualified AS text) AS qualified, replaced_by, predecessor, card_contact_version, representative_contact_version
"""

_STATES = {str(state): state for state in FeedState}
_VERDICTS = {str(verdict): verdict for verdict in Verdict}


def read_card(row: Any) -> CardAtAgency:
    """Returns the state of a card at an agency, in a row with `CARD_COLUMNS`."""
    return CardAtAgency(
        bidder_id=row.bidder_id,
        state=_STATES[row.state],
        verdict=_VERDICTS[row.reason],
        registration_id=row.registration_id,
        not_before=row.certificate_not_before,
        not_after=row.certificate_not_after,
        qualified=_read_periods(row.qualified),
        replaced_by=row.replaced_by,
        predecessor=row.predecessor,
        card_contact_version=row.card_contact_version,
        representative_contact_version=row.representative_contact_version,
    )


# Many cards have the periods of one roster.
@lru_cache(maxsize=1000)
def _read_periods(column: str) -> Sequence[Period]:
    return tuple(
        (begins and datetime.fromisoformat(begins), ends and datetime.fromisoformat(ends))
        for begins, ends in json.loads(column)
    )
