"""`toroku propagation`."""

from typing import Annotated

import typer

from operator_command.officer.acts.arguments import Agency
from operator_command.officer.acts.options import OfficerOptions, take_options

propagation = typer.Typer(
    no_args_is_help=True, help="Shows how far registrations, renewals and changes have come at the other agencies."
)


@propagation.command("show")
@take_options
def show(
    options: OfficerOptions,
    act_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the registration, renewal or change.")],
    agency: Agency = None,
) -> None:
    """Shows for every other agency whether it is done, planned (when), or refused (why)."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.propagations import showing

    with acting_session(options) as session:
        showing.show_propagations(session, session.choose_agency(agency), act_id)


@propagation.command("progress")
@take_options
def progress(options: OfficerOptions, agency: Agency = None) -> None:
    """Shows what of your agency's contractors is planned, due, waiting and done, and when the next batch begins."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.propagations import showing

    with acting_session(options) as session:
        showing.show_progress(session, session.choose_agency(agency))
