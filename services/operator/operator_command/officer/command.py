"""`toroku roster`: imports rosters, issues the passwords with which bidders are found, and compares names."""

from pathlib import Path
from typing import Annotated

import typer

from operator_command.client.options import STATE, ClientCertificate, ClientKey, Officer, State, Trust

Endpoint = Annotated[
    str | None, typer.Option(envvar="TOROKU_ENDPOINT", help="The registry's agency listener, host:port.")
]

ProfileFile = Annotated[
    Path | None, typer.Option(envvar="TOROKU_PROFILE", help="The prefecture's profile, for names instead of codes.")
]
OverlayFile = Annotated[
    Path | None, typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="Overrides of the profile for this instance.")
]

roster = typer.Typer(no_args_is_help=True, help="Imports rosters, issues passwords, and compares names.")


@roster.command("import")
def import_roster(
    file: Annotated[Path, typer.Argument(help="The agency's file: CSV, or an Excel workbook (.xlsx).")],
    mapping: Annotated[str, typer.Option(help="Name of the roster mapping in the profile that describes the file.")],
    term_from: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="First day of the term that the list is for, if it has terms.")
    ] = "",
    term_until: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Last day of the term; without it, until the next one begins.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Import without asking whether to.")] = False,
    confirm: Annotated[
        list[str] | None,
        typer.Option(metavar="REASON", help="Confirm this question about the file; may be repeated."),
    ] = None,
    preview_only: Annotated[bool, typer.Option("--preview-only", help="Show the changes without importing.")] = False,
    accept_suggestions: Annotated[
        bool, typer.Option("--accept-suggestions", help="Accept the suggestion for every row without --decide.")
    ] = False,
    decide: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW=BIDDER_ID|new", help="The bidder of an undecided row; may be repeated."),
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(help="A file written by --write-undecided, with your decisions in its last column.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write all changes into this CSV file, which only you can read.")
    ] = None,
    write_undecided: Annotated[
        Path | None, typer.Option(help="Write all undecided rows into this CSV file, to be filled in.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite these files without asking.")] = False,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    officer: Officer = None,
) -> None:
    """Shows what a roster would change, asks for confirmation, and imports it: completely or not at all."""
    from operator_command.client.connection import resolve_connection
    from operator_command.officer.profile_files import load_named_profile
    from operator_command.officer.roster_decisions import read_decisions
    from operator_command.officer.roster_import import SERVICE, ImportOptions, import_file
    from operator_command.officer.roster_words import read_words

    options = ImportOptions(
        term=(term_from, term_until),
        decisions=tuple(read_decisions(decide or (), decisions)),
        confirmations=tuple(confirm or ()),
        accept_suggestions=accept_suggestions,
        preview_only=preview_only,
        confirmed=yes,
        changes_file=write,
        undecided_file=write_undecided,
        overwrites=force,
    )
    words = read_words(load_named_profile(profile, overlay))
    connection = resolve_connection(
        SERVICE,
        ("officers", officer) if officer is not None else None,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        authority=trust,
        state=state,
    )
    import_file(connection, file, mapping, options, words)


@roster.command("issue-passwords")
def issue_passwords(
    category: Annotated[str, typer.Option(help="The category whose bidders get passwords.")],
    letters: Annotated[Path, typer.Option(help="Folder for the letters, one file for each bidder.")],
    bidder_id: Annotated[
        list[str] | None,
        typer.Option(help="Only this bidder; may be repeated. Without it, all bidders without a password."),
    ] = None,
    agency: Annotated[
        str | None,
        typer.Option(help="The agency whose bidders get passwords; by default that of the officer's certificate."),
    ] = None,
    reissue: Annotated[bool, typer.Option("--reissue", help="Replace the passwords of the named bidders.")] = False,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    officer: Officer = None,
) -> None:
    """Issues passwords to an agency's bidders, as letters in files that only you can read; none is ever shown."""
    from operator_command.client.connection import resolve_connection
    from operator_command.officer.agency import choose_agency
    from operator_command.officer.letters import make_sender
    from operator_command.officer.password_issue import SERVICE, Recipients, issue
    from operator_command.officer.profile_files import load_named_profile

    sender = make_sender(load_named_profile(profile, overlay), category)
    connection = resolve_connection(
        SERVICE,
        ("officers", officer) if officer is not None else None,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        authority=trust,
        state=state,
    )
    recipients = Recipients(choose_agency(connection, agency), category, tuple(bidder_id or ()))
    issue(connection, recipients, letters, sender, reissue=reissue)


@roster.command("compare-name")
def compare_name(
    bidder_id: Annotated[str, typer.Argument(help="The bidder.")],
    name: Annotated[str, typer.Argument(help="The name as the bidder types it, or as its certificate has it.")],
    category: Annotated[str, typer.Option(help="The category of the roster.")],
    agency: Annotated[
        str | None,
        typer.Option(help="The agency whose roster has the bidder; by default that of the officer's certificate."),
    ] = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    officer: Officer = None,
) -> None:
    """Shows whether a search with a name finds a bidder, and every difference from the roster's name with its rule."""
    from operator_command.client.connection import resolve_connection
    from operator_command.officer import name_comparison
    from operator_command.officer.agency import choose_agency
    from toroku.qualification.v1.qualification_registry_pb2 import CompareNameRequest

    connection = resolve_connection(
        name_comparison.SERVICE,
        ("officers", officer) if officer is not None else None,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        authority=trust,
        state=state,
    )
    request = CompareNameRequest(
        agency=choose_agency(connection, agency), category=category, bidder_id=bidder_id, name=name
    )
    name_comparison.compare_name(connection, request)
