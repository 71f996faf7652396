"""`toroku suspend`, `toroku resume`, `toroku binding`, `toroku cards` and `toroku bidders`."""

from typing import Annotated

import typer

from operator_command.officer.acts.arguments import Agency, Bidder, Card, Category, Reason
from operator_command.officer.acts.options import ActOptions, OfficerOptions, take_options

_BidderOption = Annotated[str | None, typer.Option("--bidder", metavar="BIDDER_ID", help="This bidder.")]
_CardOption = Annotated[
    str | None, typer.Option("--card", metavar="SHA256|FILE", help="This card: its certificate or the SHA-256 of it.")
]

suspend = typer.Typer(no_args_is_help=True, help="Suspends cards and bidders at once, and confirms suspensions.")
resume = typer.Typer(no_args_is_help=True, help="Proposes that a suspended card or bidder is resumed.")
binding = typer.Typer(no_args_is_help=True, help="Proposes to set a card free of a wrong bidder.")
cards = typer.Typer(no_args_is_help=True, help="Shows cards, and links them to expired ones before them.")
bidders = typer.Typer(no_args_is_help=True, help="Ends reviews of bidders' changed company data.")


@bidders.callback()
def work_on_bidders() -> None:
    """Ends reviews of bidders' changed company data."""


@bidders.command("end-review")
@take_options
def end_review(
    bidder_id: Bidder, category: Category, reason: Reason, options: ActOptions, agency: Agency = None
) -> None:
    """Ends the review of BIDDER_ID's changed company data at your agency, or everywhere as the operator."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.suspensions import bidders as acts

    with acting_session(options) as session:
        acts.end_review(session, options, session.choose_agency(agency), category, bidder_id, reason)


@suspend.command("card")
@take_options
def suspend_card(card: Card, category: Category, reason: Reason, options: ActOptions, agency: Agency = None) -> None:
    """Suspends a card at your agency, or everywhere as the operator; lapses unless another officer confirms it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.suspensions import cards as acts

    with acting_session(options) as session:
        acts.suspend_card(session, options, session.choose_agency(agency), category, read_card(card), reason)


@suspend.command("bidder")
@take_options
def suspend_bidder(
    bidder_id: Bidder, category: Category, reason: Reason, options: ActOptions, agency: Agency = None
) -> None:
    """Suspends a bidder at your agency, or everywhere as the operator; lapses unless another officer confirms it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.suspensions import bidders as acts

    with acting_session(options) as session:
        acts.suspend_bidder(session, options, session.choose_agency(agency), category, bidder_id, reason)


@suspend.command("confirm")
@take_options
def confirm_suspension(
    category: Category,
    options: ActOptions,
    card: _CardOption = None,
    bidder: _BidderOption = None,
    agency: Agency = None,
) -> None:
    """Confirms the suspension of a card or bidder by another officer, which then does not lapse."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.suspensions import bidders as acts_on_bidders
    from operator_command.officer.suspensions import cards as acts_on_cards

    _require_one(card, bidder)
    with acting_session(options) as session:
        own = session.choose_agency(agency)
        if card is not None:
            acts_on_cards.confirm_suspension(session, options, own, category, read_card(card))
        elif bidder is not None:
            acts_on_bidders.confirm_suspension(session, options, own, category, bidder)


@suspend.command("list")
@take_options
def list_suspensions(
    options: OfficerOptions,
    bidder: _BidderOption = None,
    most: Annotated[int, typer.Option(min=1, help="How many suspensions to show.")] = 50,
    agency: Agency = None,
) -> None:
    """Lists the suspensions of bidders that your agency ordered. Those of a card: toroku cards list."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.suspensions import bidders as acts

    with acting_session(options) as session:
        acts.list_suspensions(session, session.choose_agency(agency), bidder, most)


@resume.command("card")
@take_options
def resume_card(card: Card, category: Category, reason: Reason, options: ActOptions, agency: Agency = None) -> None:
    """Proposes that a suspended card is resumed; another officer approves it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.suspensions import cards as acts

    with acting_session(options) as session:
        acts.resume_card(session, options, session.choose_agency(agency), category, read_card(card), reason)


@resume.command("bidder")
@take_options
def resume_bidder(
    bidder_id: Bidder, category: Category, reason: Reason, options: ActOptions, agency: Agency = None
) -> None:
    """Proposes that a suspended bidder is resumed; another officer approves it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.suspensions import bidders as acts

    with acting_session(options) as session:
        acts.resume_bidder(session, options, session.choose_agency(agency), category, bidder_id, reason)


@binding.command("undo")
@take_options
def undo_binding(card: Card, category: Category, reason: Reason, options: ActOptions, agency: Agency = None) -> None:
    """Proposes to undo the binding of a card to its bidder, with all its registrations; another officer approves it."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.suspensions import cards as acts

    with acting_session(options) as session:
        acts.undo_binding(session, options, session.choose_agency(agency), category, read_card(card), reason)


@cards.command("list")
@take_options
def list_cards(
    category: Category,
    options: OfficerOptions,
    card: _CardOption = None,
    bidder: _BidderOption = None,
    agency: Agency = None,
) -> None:
    """Shows the cards of a bidder, or one card: binding, registrations, suspensions."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.card_argument import read_card
    from operator_command.officer.suspensions import cards as acts

    _require_one(card, bidder)
    with acting_session(options) as session:
        named = read_card(card) if card is not None else None
        acts.list_cards(session, session.choose_agency(agency), category, bidder, named)


def _require_one(card: str | None, bidder: str | None) -> None:
    if (card is None) == (bidder is None):
        raise typer.BadParameter("name either --card or --bidder")
