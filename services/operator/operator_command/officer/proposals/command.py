"""`toroku propose`, `toroku approve` and `toroku reject`."""

from enum import StrEnum
from typing import Annotated

import typer

from operator_command.officer.acts.arguments import Agency, Reason
from operator_command.officer.acts.options import ActOptions, OfficerOptions, take_options

_Proposal = Annotated[str, typer.Argument(metavar="UUID", help="The proposal.")]
_Details = Annotated[bool, typer.Option("--details", help="Show every value that the proposal's hash covers.")]

propose = typer.Typer(
    no_args_is_help=True, help="Shows what officers proposed and another one has to approve, and proposes."
)


class State(StrEnum):
    """The states of proposals on the command line."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    VOID = "void"


@propose.command("list")
@take_options
def list_proposals(
    options: OfficerOptions,
    only: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    most: Annotated[int, typer.Option(min=1, max=100, help="How many to show, the newest ones.")] = 20,
    agency: Agency = None,
) -> None:
    """Lists the proposals of your agency, the newest first."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.proposals import reading, showing
    from operator_command.officer.tables import print_line
    from operator_command.speech import Phrase
    from toroku.officer.v1.proposals_pb2 import PROPOSAL_STATE_UNSPECIFIED, ProposalState

    with acting_session(options) as session:
        named = PROPOSAL_STATE_UNSPECIFIED if only is None else ProposalState.Value(f"PROPOSAL_STATE_{only.name}")
        records = reading.list_proposals(session, session.choose_agency(agency), named, most)
        for record in records:
            showing.show_proposal(session, record)
        if not records:
            print_line(session.console, session.speech, Phrase("提案はありません。", "There are no proposals."))


@propose.command("show")
@take_options
def show_proposal(proposal_id: _Proposal, options: OfficerOptions, details: _Details = False) -> None:
    """Shows a proposal, and whether it is still what its proposer signed."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.proposals import reading, showing

    with acting_session(options) as session, reading.open_proposal(session, proposal_id) as (_, record):
        showing.show_proposal(session, record, details=details)


@take_options
def approve(proposal_id: _Proposal, options: ActOptions) -> None:
    """Approves another officer's proposal, which is carried out then."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.proposals import deciding

    with acting_session(options) as session:
        deciding.approve(session, options, proposal_id)


@take_options
def reject(proposal_id: _Proposal, reason: Reason, options: ActOptions) -> None:
    """Rejects another officer's proposal, or takes your own one back."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.proposals import deciding

    with acting_session(options) as session:
        deciding.reject(session, options, proposal_id, reason)
