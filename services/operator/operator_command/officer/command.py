"""`toroku roster`: imports rosters, shows their versions, issues passwords, and compares names."""

from pathlib import Path
from typing import Annotated

import typer

from operator_command.officer.acts.options import OfficerOptions, SigningOptions, take_options

roster = typer.Typer(
    no_args_is_help=True, help="Imports rosters, shows their versions, issues passwords, compares names."
)


@roster.command("import")
@take_options
def import_roster(
    options: SigningOptions,
    file: Annotated[Path, typer.Argument(help="The agency's file: CSV, or an Excel workbook (.xlsx).")],
    mapping: Annotated[str, typer.Option(help="Name of the roster mapping in the profile that describes the file.")],
    term_from: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="First day of the term that the list is for, if it has terms.")
    ] = "",
    term_until: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="Last day of the term; without it, until the next one begins.")
    ] = "",
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
) -> None:
    """Shows what a roster would change, asks for confirmation, and imports it: completely or not at all."""
    from operator_command.officer.acts.session import acting_session, make_signer
    from operator_command.officer.roster_decisions import read_decisions
    from operator_command.officer.roster_import import ImportOptions, import_file

    with acting_session(options) as session:
        choices = ImportOptions(
            term=(term_from, term_until),
            decisions=tuple(read_decisions(decide or (), decisions)),
            confirmations=tuple(confirm or ()),
            accept_suggestions=accept_suggestions,
            preview_only=preview_only,
            changes_file=write,
            undecided_file=write_undecided,
            overwrites=force,
        )
        import_file(session, make_signer(session, options), file, mapping, choices)


@roster.command("versions")
@take_options
def list_versions(
    options: OfficerOptions,
    name: Annotated[str, typer.Argument(metavar="ROSTER", help="The roster, as the profile's mappings name it.")],
    before: Annotated[int, typer.Option(help="Only versions before this one.")] = 0,
    most: Annotated[int, typer.Option(min=1, max=99, help="How many versions to show.")] = 20,
) -> None:
    """Lists the versions of a roster: when, by whom and from which file each was imported, and what it changed."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.roster_versions import show_versions

    with acting_session(options) as session:
        show_versions(session, name, before=before, most=most)


@roster.command("show-version")
@take_options
def show_version(
    options: OfficerOptions,
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
) -> None:
    """Shows a version of a roster as it was: its bidders, or how they differ from another version's; and its file."""
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.roster_versions import VersionOptions
    from operator_command.officer.roster_versions import show_version as show

    with acting_session(options) as session:
        show(session, name, version, VersionOptions(compare_with, write, file, force))


@roster.command("issue-passwords")
@take_options
def issue_passwords(
    options: SigningOptions,
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
    reason: Annotated[str, typer.Option(help="With --reissue: why, in your words. It is signed and kept.")] = "",
    document: Annotated[
        str, typer.Option(help="With --reissue: what the bidders applied with, for example 再交付申請書.")
    ] = "",
) -> None:
    """Issues passwords to an agency's bidders, as letters in files that only you can read; none is ever shown."""
    from operator_command.officer.acts.session import acting_session, make_signer
    from operator_command.officer.agency import choose_agency
    from operator_command.officer.letters import make_sender
    from operator_command.officer.password_issue import Recipients, Reissue, issue
    from operator_command.officer.profile_files import require_profile

    with acting_session(options) as session:
        sender = make_sender(require_profile(session.speech.profile), category)
        recipients = Recipients(choose_agency(session, agency), category, tuple(bidder_id or ()))
        replacing = Reissue(reason, document) if reissue else None
        issue(session, make_signer(session, options), recipients, letters, sender, replacing)


@roster.command("compare-name")
@take_options
def compare_name(
    options: OfficerOptions,
    bidder_id: Annotated[str, typer.Argument(help="The bidder.")],
    name: Annotated[str, typer.Argument(help="The name as the bidder types it, or as its certificate has it.")],
    category: Annotated[str, typer.Option(help="The category of the roster.")],
    agency: Annotated[
        str | None,
        typer.Option(help="The agency whose roster has the bidder; by default that of the officer's certificate."),
    ] = None,
) -> None:
    """Shows whether a search with a name finds a bidder, and every difference from the roster's name with its rule."""
    from operator_command.officer import name_comparison
    from operator_command.officer.acts.session import acting_session
    from operator_command.officer.agency import choose_agency
    from toroku.qualification.v1.qualification_registry_pb2 import CompareNameRequest

    with acting_session(options) as session:
        request = CompareNameRequest(
            agency=choose_agency(session, agency), category=category, bidder_id=bidder_id, name=name
        )
        name_comparison.compare_name(session, request)
