"""What officers see of cards before they decide about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from certificate_registry.domain.card_state import CardKey
from certificate_registry.domain.listed_card import CardQuery, ListedCard
from certificate_registry.store import card_states, listed_cards, suspensions
from instance_profile.model import Profile
from instance_profile.offers import require_category
from servicekit.database import Database
from servicekit.identity import OPERATOR


@dataclass(frozen=True, slots=True, kw_only=True)
class CardListing:
    """Lists cards for officers."""

    database: Database
    profile: Profile

    async def list_cards(self, query: CardQuery) -> Sequence[ListedCard]:
        """Returns the cards of a query with their states; raises CATEGORY_UNKNOWN.

        An agency's officers see suspensions of the whole instance and their own agency's, the operator's see all.
        """
        require_category(self.profile, query.category)
        async with self.database.read() as connection:
            facts = await listed_cards.list_cards(connection, query)
            keys = [CardKey(of_card.certificate_sha256, query.category) for of_card in facts]
            states = {state.certificate_sha256: state for state in await card_states.read_states(connection, keys)}
            stand = await suspensions.list_suspensions(connection, [*states], query.category)
        return [
            ListedCard(
                facts=of_card,
                state=states[of_card.certificate_sha256],
                suspensions=[
                    suspension
                    for suspension in stand
                    if suspension.key.certificate_sha256 == of_card.certificate_sha256
                    and (query.agency == OPERATOR or suspension.agency in (query.agency, OPERATOR))
                ],
            )
            for of_card in facts
        ]
