"""`toroku officer`."""

from pathlib import Path
from typing import Annotated

import typer

from operator_command.client.options import STATE, State
from operator_command.officer.acts.arguments import Agency, Reason
from operator_command.officer.acts.options import ActOptions, OfficerOptions, take_options
from operator_command.speech import LanguageOption

_Person = Annotated[str, typer.Argument(metavar="PERSON_ID", help="The person.")]
_ROLES = "administrator, approval, binding, history, password, registration, roster or suspension."
_Role = Annotated[str, typer.Argument(metavar="ROLE", help=_ROLES)]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite the file without asking.")]

officer = typer.Typer(
    no_args_is_help=True, help="Invites and confirms officers, gives and takes roles, withdraws officers."
)


@officer.command("invite")
@take_options
def invite(
    person_id: Annotated[
        str,
        typer.Argument(metavar="PERSON_ID", help="A new id for the person: a-z, 0-9 and . _ -, at most 40."),
    ],
    name: Annotated[str, typer.Option(help="The person's name.")],
    options: ActOptions,
    mail: Annotated[str | None, typer.Option(help="Mail the code to this address of the person.")] = None,
    letter: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the code into this file, for a letter.")
    ] = None,
    further_certificate: Annotated[
        bool, typer.Option("--further-certificate", help="The person is an officer, and gets one more certificate.")
    ] = False,
    agency: Agency = None,
) -> None:
    """Invites a person as an officer, by a one-time code that is good for a week."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import invitations
    from toroku.certificate.v1.officers_pb2 import InviteOfficerRequest

    if (mail is None) == (letter is None):
        raise typer.BadParameter("name either --mail or --letter")
    with acting_session(options) as session:
        request = InviteOfficerRequest(
            agency=session.choose_agency(agency),
            person_id=person_id,
            name=name,
            further_certificate=further_certificate,
        )
        if mail is not None:
            request.mail_address = mail
        else:
            request.letter = True
        invitations.invite(session, options, request, letter)


@officer.command("invitations")
@take_options
def list_invitations(options: OfficerOptions, agency: Agency = None) -> None:
    """Lists the invitations of your agency that are open, accepted or expired."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import invitations

    with acting_session(options) as session:
        invitations.list_invitations(session, session.choose_agency(agency))


@officer.command("cancel")
@take_options
def cancel_invitation(
    invitation_id: Annotated[str, typer.Argument(metavar="UUID", help="The invitation.")],
    reason: Reason,
    options: ActOptions,
    agency: Agency = None,
) -> None:
    """Takes an invitation back, accepted or not."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import invitations

    with acting_session(options) as session:
        invitations.cancel(session, options, session.choose_agency(agency), invitation_id, reason)


@officer.command("accept")
@take_options
def accept(
    person_id: _Person,
    options: ActOptions,
    code_file: Annotated[Path | None, typer.Option(help="A file with the code; by default it is asked for.")] = None,
    agency: Agency = None,
) -> None:
    """Accepts an invitation of yours, with the code and your certificate."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import accepting

    with acting_session(options) as session:
        accepting.accept(session, options, session.choose_agency(agency), person_id, code_file)


@officer.command("confirm")
@take_options
def confirm(person_id: _Person, options: ActOptions, agency: Agency = None) -> None:
    """Shows the certificate that an invited person accepted with, and makes the person an officer."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import invitations

    with acting_session(options) as session:
        invitations.confirm(session, options, session.choose_agency(agency), person_id)


@officer.command("prepare")
def prepare(
    officer: Annotated[
        list[str], typer.Option(envvar="TOROKU_OFFICER", help="Whose certificate (agency/person); may be repeated.")
    ],
    state: State = STATE,
    language: LanguageOption = None,
) -> None:
    """Makes the owners of certificates in the state folder officers with all roles, for a trial on one machine.

    The keys of both administrators have to lie in it. Who is such an officer stays one.
    """
    from operator_command.console import exit_on_refusal
    from operator_command.officer.preparation import name_person, prepare_officer
    from operator_command.officer.roster_progress import make_console
    from operator_command.officer.tables import print_line
    from operator_command.speech import Phrase, Speech, find_language

    speech, console = Speech(language or find_language()), make_console()
    with exit_on_refusal(speech):
        for name in officer:
            prepare_officer(state, name)
            said = Phrase(
                f"「{name}」は、このシステムの職員です（職員の番号：{name_person(name)}）。",
                f"{name} is an officer of this instance (person {name_person(name)}).",
            )
            print_line(console, speech, said)


@officer.command("list")
@take_options
def list_officers(
    options: OfficerOptions,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Also those who were withdrawn.")] = False,
    write: Annotated[
        Path | None, typer.Option(help="Write the list into this CSV file, to mark in it who leaves.")
    ] = None,
    force: _Force = False,
    agency: Agency = None,
) -> None:
    """Lists the officers of your agency, their roles, and until when their certificates are valid."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import listing

    with acting_session(options) as session:
        own = session.choose_agency(agency)
        listing.list_officers(session, own, write, withdrawn=withdrawn, overwrites=force)


@officer.command("show")
@take_options
def show_officer(person_id: _Person, options: OfficerOptions, agency: Agency = None) -> None:
    """Shows an officer with all its certificates."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import listing

    with acting_session(options) as session:
        listing.show_officer(session, session.choose_agency(agency), person_id)


@officer.command("grant-role")
@take_options
def grant_role(
    person_id: _Person,
    roles: Annotated[list[str], typer.Argument(metavar="ROLE...", help=_ROLES)],
    reason: Reason,
    options: ActOptions,
    agency: Agency = None,
) -> None:
    """Proposes roles for an officer; another administrator approves them together."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import roles as acts

    with acting_session(options) as session:
        acts.grant_role(session, options, session.choose_agency(agency), person_id, roles, reason)


@officer.command("withdraw-role")
@take_options
def withdraw_role(person_id: _Person, role: _Role, reason: Reason, options: ActOptions, agency: Agency = None) -> None:
    """Takes a role away from an officer, at once."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import roles

    with acting_session(options) as session:
        roles.withdraw_role(session, options, session.choose_agency(agency), person_id, role, reason)


@officer.command("withdraw")
@take_options
def withdraw(
    options: ActOptions,
    person_id: Annotated[list[str] | None, typer.Argument(metavar="[PERSON_ID]...", help="The officers.")] = None,
    reason: Annotated[str, typer.Option(help="Why, in your words; 1 to 400 characters. It is signed and kept.")] = "",
    file: Annotated[
        Path | None, typer.Option(help="A file written by toroku officer list --write, in which you marked who leaves.")
    ] = None,
    preview_only: Annotated[bool, typer.Option("--preview-only", help="Only show who would be withdrawn.")] = False,
    agency: Agency = None,
) -> None:
    """Shows which officers leave, and withdraws all of them, or none: certificates, roles and sessions, at once."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import withdrawal

    with acting_session(options) as session:
        leaving = [*(person_id or ()), *(withdrawal.read_leaving(file) if file is not None else ())]
        own = session.choose_agency(agency)
        withdrawal.withdraw(session, options, own, leaving, reason, preview_only=preview_only)


@officer.command("end-sessions")
@take_options
def end_sessions(reason: Reason, options: ActOptions) -> None:
    """Ends the portal's sessions of all officers, as an administrator of the operator."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.administration import roles

    with acting_session(options) as session:
        roles.end_sessions(session, options, reason)
