"""`toroku roster`: importing rosters, and giving out the passwords with which their bidders are found.

Like every command it imports what it needs when it runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from operator_command.client.connection import Connection

Endpoint = Annotated[
    str | None, typer.Option(envvar="TOROKU_ENDPOINT", help="The registry's agency listener, host:port.")
]
ClientCertificate = Annotated[
    Path | None, typer.Option(envvar="TOROKU_CLIENT_CERTIFICATE", help="The officer's certificate (PEM).")
]
ClientKey = Annotated[Path | None, typer.Option(envvar="TOROKU_CLIENT_KEY", help="The officer's key (PEM).")]
Trust = Annotated[Path | None, typer.Option(envvar="TOROKU_TRUST", help="The CA of the services (PEM).")]
State = Annotated[
    Path, typer.Option(envvar="TOROKU_STATE", help="Folder of `toroku up`, for whatever was not said otherwise.")
]
Officer = Annotated[
    str | None, typer.Option(envvar="TOROKU_OFFICER", help="agency/person whose certificate in that folder is used.")
]

application = typer.Typer(no_args_is_help=True, help="Imports rosters and gives out passwords.")


@application.command("import")
def import_roster(
    file: Annotated[Path, typer.Argument(help="The agency's CSV file.")],
    mapping: Annotated[str, typer.Option(help="How to read it: the name of a roster mapping in the profile.")],
    yes: Annotated[bool, typer.Option("--yes", help="Import without asking.")] = False,
    preview_only: Annotated[bool, typer.Option("--preview-only", help="Only say what would happen.")] = False,
    accept_suggestions: Annotated[
        bool, typer.Option("--accept-suggestions", help="Take the suggestion for every row not decided.")
    ] = False,
    decide: Annotated[
        list[str] | None, typer.Option(metavar="ROW=BIDDER_ID|new", help="Which bidder an undecided row is.")
    ] = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = Path(".toroku/up"),
    officer: Officer = None,
) -> None:
    """Shows what a roster would change, asks, and imports it: all of it or nothing."""
    from operator_command.officer.roster_import import Wishes, import_file
    from operator_command.officer.roster_preview import read_decisions

    wishes = Wishes(
        decisions=tuple(read_decisions(decide or ())),
        accept_suggestions=accept_suggestions,
        preview_only=preview_only,
        confirmed=yes,
    )
    to = _connection(endpoint, client_certificate, client_key, trust, state, officer)
    import_file(to, file, mapping, wishes)


@application.command("issue-passwords")
def issue_passwords(
    category: Annotated[str, typer.Option(help="The category whose bidders get a password.")],
    letters: Annotated[Path, typer.Option(help="Folder for the letters, one file each.")],
    bidder_id: Annotated[
        list[str] | None, typer.Option(help="Only this bidder; may be given again. Without it: all that have none.")
    ] = None,
    reissue: Annotated[
        bool, typer.Option("--reissue", help="A new password for the named bidders, also where they have one.")
    ] = False,
    profile: Annotated[
        Path | None, typer.Option(envvar="TOROKU_PROFILE", help="The prefecture's profile, for the letters' words.")
    ] = None,
    overlay: Annotated[
        Path | None, typer.Option(envvar="TOROKU_PROFILE_OVERLAY", help="What this instance says otherwise.")
    ] = None,
    endpoint: Endpoint = None,
    client_certificate: ClientCertificate = None,
    client_key: ClientKey = None,
    trust: Trust = None,
    state: State = Path(".toroku/up"),
    officer: Officer = None,
) -> None:
    """Gives passwords to bidders as letters, files that only you can read. No password is ever shown here."""
    from operator_command.officer.password_issue import issue, sender

    words = sender(profile, overlay, category)
    to = _connection(endpoint, client_certificate, client_key, trust, state, officer)
    issue(to, category, tuple(bidder_id or ()), letters, words, reissue=reissue)


def _connection(
    endpoint: str | None,
    certificate: Path | None,
    private_key: Path | None,
    trusted: Path | None,
    state: Path,
    officer: str | None,
) -> "Connection":
    from operator_command.client.connection import connection

    return connection(
        "qualification-registry",
        endpoint=endpoint,
        certificate=certificate,
        private_key=private_key,
        trusted=trusted,
        state=state,
        officer=officer,
    )
