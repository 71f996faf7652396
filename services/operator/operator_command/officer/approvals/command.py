"""`toroku approvals`."""

from enum import StrEnum
from typing import Annotated

import typer

from operator_command.officer.acts.arguments import Agency, Reason
from operator_command.officer.acts.options import ActOptions, OfficerOptions, take_options

approvals = typer.Typer(
    no_args_is_help=True, help="Decides about cards whose company or holder can't be told to be the roster's."
)


class State(StrEnum):
    """The states of approvals on the command line."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class Decision(StrEnum):
    """What an officer decides, on the command line."""

    APPROVE = "approve"
    REFUSE = "refuse"


@approvals.command("list")
@take_options
def list_approvals(
    options: OfficerOptions,
    only: Annotated[State, typer.Option(help="Those in this state.")] = State.OPEN,
    most: Annotated[int, typer.Option(min=1, help="How many to show.")] = 20,
    agency: Agency = None,
) -> None:
    """Lists the cards that your agency's officers were asked about, with both names and their differences."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.approvals import queue
    from toroku.qualification.v1.card_approvals_pb2 import CardApprovalState

    with acting_session(options) as session:
        named = CardApprovalState.Value(f"CARD_APPROVAL_STATE_{only.name}")
        queue.list_approvals(session, session.choose_agency(agency), named, most)


@approvals.command("decide")
@take_options
def decide(
    number: Annotated[str, typer.Argument(help="The number of the question.")],
    decision: Annotated[Decision, typer.Argument(help="What you decide.")],
    reason: Reason,
    options: ActOptions,
    agency: Agency = None,
) -> None:
    """Approves a card for a bidder at your agency, or refuses it; who asked gets a mail either way."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.approvals import queue

    with acting_session(options) as session:
        own, approve = session.choose_agency(agency), decision is Decision.APPROVE
        queue.decide(session, options, own, number, reason, approve=approve)
