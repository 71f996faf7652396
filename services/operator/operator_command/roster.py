"""`toroku roster`: importing rosters, and giving out the passwords with which their bidders are found."""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import grpc
import typer
from rich.console import Console

from instance_profile import load_profile
from instance_profile.hours import JAPAN
from operator_command.letters import letter_file, letter_text, prepare_folder, sender_of, write_whole
from operator_command.officer_connection import Connection, channel, connection
from operator_command.roster_preview import check_decisions, read_decisions, show_preview
from operator_command.roster_progress import ShownProgress
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import resources_pb2, service_pb2
from toroku.qualification.v1.service_pb2_grpc import QualificationRegistryStub

SERVICE = "qualification-registry"
PIECE_BYTES = 512 * 1024
# A large roster takes minutes; a registry that hangs must not take for ever.
SECONDS = 1800.0
# Committing again gives the same result, so a lost answer is asked for again.
COMMIT_TRIES = 3
# Tables need room; where there is no terminal nobody says how wide a line may be.
PLAIN_WIDTH = 160

Answer = TypeVar("Answer")

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
    decisions = read_decisions(decide or ())
    to = connection(
        SERVICE,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        trusted=trust,
        state=state,
        officer=officer,
    )
    console = _console()
    with channel(SERVICE, to) as opened:
        stub = QualificationRegistryStub(opened)
        preview = _preview(stub, file, mapping, console)
        show_preview(console, preview, file.name)
        if preview.error_count:
            raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": str(preview.error_count)})
        if preview_only:
            return
        if preview.same_as_current:
            console.print("この名簿は取込済みです。何も変わりません。 This roster is in force already; nothing changes.")
            return
        checked = check_decisions(preview, decisions, accept_suggestions=accept_suggestions)
        if not yes:
            _confirm()
        request = service_pb2.CommitRosterRequest(
            import_id=preview.import_id, decisions=checked, accept_suggestions=accept_suggestions
        )
        commit = _commit(stub, request, console)
    console.print(
        f"取り込みました（第 {commit.roster_version} 版：新規 {commit.new:,}、変更 {commit.changed:,}、"
        f"抹消 {commit.gone:,}、変更なし {commit.unchanged:,}）。\n"
        f"Imported as version {commit.roster_version}: {commit.new:,} new, {commit.changed:,} changed, "
        f"{commit.gone:,} gone, {commit.unchanged:,} unchanged.",
        highlight=False,
        soft_wrap=True,
    )


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
    if reissue and not bidder_id:
        raise Refusal("REISSUE_WITHOUT_BIDDERS", Code.INVALID_ARGUMENT)
    sender = sender_of(load_profile(profile, overlay) if profile is not None else None, category)
    to = connection(
        SERVICE,
        endpoint=endpoint,
        certificate=client_certificate,
        private_key=client_key,
        trusted=trust,
        state=state,
        officer=officer,
    )
    prepare_folder(letters)
    request = service_pb2.IssuePasswordsRequest(category=category, bidder_ids=bidder_id or (), reissue=reissue)
    day = datetime.now(JAPAN).date()
    console = _console()

    def write(letter: resources_pb2.PasswordLetter) -> None:
        text = letter_text(letter, sender, day, reissued=reissue)
        write_whole(letter_file(letters, letter), text.encode("utf-8"))

    written = _issue(to, request, write, console)
    console.print(
        f"{written:,} 通の書面を {letters} に書き出しました。\nWrote {written:,} letters into {letters}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _preview(
    stub: QualificationRegistryStub, file: Path, mapping: str, console: Console
) -> resources_pb2.RosterPreview:
    pieces = _Pieces(file, mapping)
    try:
        with pieces, ShownProgress(console) as shown:
            for response in stub.PreviewRoster(iter(pieces), timeout=SECONDS):
                if response.HasField("preview"):
                    return response.preview
                shown.show(response.progress)
    except grpc.RpcError as error:
        # Where the file could not be read to its end, that is the cause, whatever gRPC makes of it.
        raise pieces.failure or from_rpc_error(error) from None
    raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": "no preview"})


class _Pieces:
    """A roster file as the messages that carry it."""

    def __init__(self, file: Path, mapping: str) -> None:
        self._file = file
        self._mapping = mapping
        self.failure: Refusal | None = None
        try:
            self._content = file.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._content.close()

    def __iter__(self) -> Iterator[service_pb2.PreviewRosterRequest]:
        header = resources = service_pb2.RosterHeader(mapping=self._mapping, file_name=self._file.name)
        yield service_pb2.PreviewRosterRequest(header=resources)
        del header
        try:
            while piece := self._content.read(PIECE_BYTES):
                yield service_pb2.PreviewRosterRequest(content=piece)
        except (OSError, ValueError) as error:
            self.failure = self._unreadable(error)
            raise

    def _unreadable(self, error: Exception) -> Refusal:
        cause = getattr(error, "strerror", None) or type(error).__name__
        return Refusal("ROSTER_FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"path": str(self._file), "cause": cause})
