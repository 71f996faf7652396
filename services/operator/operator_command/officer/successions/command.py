"""`toroku propose reopening`, `toroku propose bidder-link`, `toroku cards link` and `toroku cards named`."""

from enum import StrEnum
from typing import Annotated

import typer

from operator_command.officer.acts.arguments import Agency, Bidder, Card, Category, Reason
from operator_command.officer.acts.options import ActOptions, OfficerOptions, take_options


class Kind(StrEnum):
    """Why a bidder took the place of another one, on the command line."""

    REAPPLICATION = "reapplication"
    TRANSFER = "transfer"
    MERGER = "merger"


@take_options
def propose_reopening(
    card: Card,
    category: Category,
    reason: Reason,
    options: ActOptions,
    replaced_by: Annotated[
        str | None,
        typer.Option(metavar="SHA256|FILE", help="The card that took its place, where there are several."),
    ] = None,
    agency: Agency = None,
) -> None:
    """Proposes to undo a renewal made by mistake: the old card CARD is good again; another officer approves it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.successions import cards as acts

    with acting_session(options) as session:
        new = None if replaced_by is None else read_card(replaced_by)
        acts.propose_reopening(session, options, session.choose_agency(agency), category, read_card(card), new, reason)


@take_options
def propose_bidder_link(
    bidder_id: Bidder,
    predecessor: Annotated[str, typer.Option(metavar="BIDDER_ID", help="The bidder whose place it took.")],
    kind: Annotated[Kind, typer.Option(help="Why it has a number of its own.")],
    category: Category,
    reason: Reason,
    options: ActOptions,
    agency: Agency = None,
) -> None:
    """Proposes that BIDDER_ID took the place of another bidder, whose cards then can't be renewed any more."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.successions import bidders as acts
    from toroku.qualification.v1.bidders_pb2 import SuccessionKind

    with acting_session(options) as session:
        own, named = session.choose_agency(agency), SuccessionKind.Value(f"SUCCESSION_KIND_{kind.name}")
        acts.propose_link(session, options, own, category, bidder_id, predecessor, named, reason)


@take_options
def link_card(
    card: Card,
    predecessor: Annotated[
        str, typer.Option(metavar="SHA256|FILE", help="The expired card before it: its certificate or the SHA-256.")
    ],
    category: Category,
    reason: Reason,
    options: ActOptions,
    agency: Agency = None,
) -> None:
    """Links CARD to the expired card before it, so that tenders begun with that card are found under the new one."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.successions import cards as acts

    with acting_session(options) as session:
        own = session.choose_agency(agency)
        acts.link_card(session, options, own, category, read_card(card), read_card(predecessor), reason)


@take_options
def list_named(
    category: Category,
    options: OfficerOptions,
    most: Annotated[int, typer.Option(min=1, help="How many to show.")] = 50,
    agency: Agency = None,
) -> None:
    """Lists the cards that bidders named as the ones before their new cards, and that nobody has linked yet."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.successions import cards as acts

    with acting_session(options) as session:
        acts.list_named(session, session.choose_agency(agency), category, most)
