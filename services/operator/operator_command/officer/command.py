"""`toroku roster`: imports rosters, shows their versions, issues passwords, and compares names."""

from pathlib import Path
from typing import Annotated

import typer

from operator_command.client.options import STATE, ClientCertificate, ClientKey, Officer, State, Trust
from operator_command.speech import LanguageOption

Endpoint = Annotated[
    str | None, typer.Option(envvar="TOROKU_ENDPOINT", help="The registry's agency listener, host:port.")
]

ProfileFile = Annotated[
    Path | None,
    typer.Option(
        envvar="TOROKU_PROFILE",
        help="The prefecture's profile, for names instead of codes; by default that of the state folder's instance.",
    ),
]
OverlayFile = Annotated[
    Path | None, typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="Overrides of the profile for this instance.")
]

roster = typer.Typer(
    no_args_is_help=True, help="Imports rosters, shows their versions, issues passwords, compares names."
)


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
    language: LanguageOption = None,
) -> None:
    """Shows what a roster would change, asks for confirmation, and imports it: completely or not at all."""
    from operator_command.officer.roster_decisions import read_decisions
    from operator_command.officer.roster_import import ImportOptions, import_file
    from operator_command.officer.session import ConnectionOptions, officer_session

    connection_options = ConnectionOptions(
        profile, overlay, endpoint, client_certificate, client_key, trust, state, officer
    )
    with officer_session(language, connection_options) as session:
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
        import_file(session.connection, file, mapping, options, session.speech)


@roster.command("versions")
def list_versions(
    name: Annotated[str, typer.Argument(metavar="ROSTER", help="The roster, as the profile's mappings name it.")],
    before: Annotated[int, typer.Option(help="Only versions before this one.")] = 0,
    most: Annotated[int, typer.Option(min=1, max=99, help="How many versions to show.")] = 20,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    officer: Officer = None,
    language: LanguageOption = None,
) -> None:
    """Lists the versions of a roster: when, by whom and from which file each was imported, and what it changed."""
    from operator_command.officer.roster_versions import show_versions
    from operator_command.officer.session import ConnectionOptions, officer_session

    connection_options = ConnectionOptions(
        profile, overlay, endpoint, client_certificate, client_key, trust, state, officer
    )
    with officer_session(language, connection_options) as session:
        show_versions(session.connection, name, before=before, most=most, speech=session.speech)


@roster.command("show-version")
def show_version(
    name: Annotated[str, typer.Argument(metavar="ROSTER", help="The roster, as the profile's mappings name it.")],
    version: Annotated[int, typer.Argument(help="The number of the version.")],
    compare_with: Annotated[
        int | None, typer.Option(metavar="VERSION", help="Show how the version differs from this one.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Write all its bidders into this CSV file, which only you can read.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Write the file that was imported here, unchanged; only you can read it.")
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
    language: LanguageOption = None,
) -> None:
    """Shows a version of a roster as it was: its bidders, or how they differ from another version's; and its file."""
    from operator_command.officer.roster_versions import VersionOptions
    from operator_command.officer.roster_versions import show_version as show
    from operator_command.officer.session import ConnectionOptions, officer_session

    connection_options = ConnectionOptions(
        profile, overlay, endpoint, client_certificate, client_key, trust, state, officer
    )
    with officer_session(language, connection_options) as session:
        show(session.connection, name, version, VersionOptions(compare_with, write, file, force), session.speech)


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
    language: LanguageOption = None,
) -> None:
    """Issues passwords to an agency's bidders, as letters in files that only you can read; none is ever shown."""
    from operator_command.officer.agency import choose_agency
    from operator_command.officer.letters import make_sender
    from operator_command.officer.password_issue import Recipients, issue
    from operator_command.officer.profile_files import require_profile
    from operator_command.officer.session import ConnectionOptions, officer_session

    connection_options = ConnectionOptions(
        profile, overlay, endpoint, client_certificate, client_key, trust, state, officer
    )
    with officer_session(language, connection_options) as session:
        sender = make_sender(require_profile(session.speech.profile), category)
        recipients = Recipients(choose_agency(session.connection, agency), category, tuple(bidder_id or ()))
        issue(session.connection, recipients, letters, sender, session.speech, reissue=reissue)


@roster.command("compare-name")
def compare_name(
    bidder_id: Annotated[str, typer.Argument(help="The bidder.")],
    name: Annotated[str, typer.Argument(help="The name as the bidder types it, or as its certificate has it.")],
    category: Annotated[str, typer.Option(help="The category of the roster.")],
    agency: Annotated[
        str | None,
        typer.Option(help="The agency whose roster has the bidder; by default that of the officer's certificate."),
    ] = None,
    profile: ProfileFile = None,
    overlay: OverlayFile = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = STATE,
    officer: Officer = None,
    language: LanguageOption = None,
) -> None:
    """Shows whether a search with a name finds a bidder, and every difference from the roster's name with its rule."""
    from operator_command.officer import name_comparison
    from operator_command.officer.agency import choose_agency
    from operator_command.officer.session import ConnectionOptions, officer_session
    from toroku.qualification.v1.qualification_registry_pb2 import CompareNameRequest

    connection_options = ConnectionOptions(
        profile, overlay, endpoint, client_certificate, client_key, trust, state, officer
    )
    with officer_session(language, connection_options) as session:
        request = CompareNameRequest(
            agency=choose_agency(session.connection, agency), category=category, bidder_id=bidder_id, name=name
        )
        name_comparison.compare_name(session.connection, request, session.speech)
