"""Imports a roster: uploads the file to the registry, shows its preview, and commits it after confirmation."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import typer
from rich.console import Console

from operator_command.client.connection import Connection, open_channel
from operator_command.officer.roster_preview import check_decisions, show_preview
from operator_command.officer.roster_progress import ProgressDisplay, make_console
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

SERVICE = "qualification-registry"
PIECE_BYTES = 512 * 1024
# A large roster takes minutes; the bound is for a registry that hangs.
SECONDS = 1800.0
# Committing is idempotent, so it is repeated after a lost answer.
COMMIT_TRIES = 3


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The officer's choices on the command line."""

    decisions: tuple[bidder_pb2.RowDecision, ...] = ()
    accept_suggestions: bool = False
    preview_only: bool = False
    confirmed: bool = False


def import_file(connection: Connection, file: Path, mapping: str, options: ImportOptions) -> None:
    """Shows what the file would change and, unless only that was asked for, imports it: completely or not at all.

    Raises the registry's refusals, ROSTER_FILE_UNREADABLE, ROSTER_HAS_ERRORS, ROSTER_ROWS_UNDECIDED,
    DECISION_NOT_ASKED, ROSTER_NOT_CONFIRMED.
    """
    console = make_console()
    with open_channel(SERVICE, connection) as channel:
        stub = QualificationRegistryStub(channel)
        preview = _preview(stub, file, mapping, console)
        show_preview(console, preview, file.name)
        if preview.error_count:
            raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": str(preview.error_count)})
        if options.preview_only:
            return
        if preview.same_as_current:
            _print(
                console,
                "この名簿は取込み済みです。何も変わりません。",
                "This roster is in force already; nothing changes.",
            )
            return
        decisions = check_decisions(preview, options.decisions, accept_suggestions=options.accept_suggestions)
        if not options.confirmed:
            _confirm()
        request = qualification_registry_pb2.CommitRosterRequest(
            import_id=preview.import_id, decisions=decisions, accept_suggestions=options.accept_suggestions
        )
        result = _commit(stub, request, console)
    _print(
        console,
        f"取り込みました（第{result.roster_version}版：新規{result.new:,}件、変更{result.changed:,}件、"
        f"名簿から外れる業者{result.gone:,}件、変更なし{result.unchanged:,}件）。",
        f"Imported as version {result.roster_version}: {result.new:,} new, {result.changed:,} changed, "
        f"{result.gone:,} gone, {result.unchanged:,} unchanged.",
    )


def _preview(stub: QualificationRegistryStub, file: Path, mapping: str, console: Console) -> bidder_pb2.RosterPreview:
    pieces = _Pieces(file, mapping)
    try:
        with pieces, ProgressDisplay(console) as display:
            for response in stub.PreviewRoster(iter(pieces), timeout=SECONDS):
                if response.HasField("preview"):
                    return response.preview
                display.show(response.progress)
    except grpc.RpcError as error:
        # A read error of the file is the cause; gRPC only reports the stream that it broke.
        raise pieces.failure or from_rpc_error(error) from None
    raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": "no preview"})


class _Pieces:
    """A roster file as a stream of request messages; `failure` is set if it cannot be read to the end."""

    def __init__(self, file: Path, mapping: str) -> None:
        self._file = file
        self._mapping = mapping
        self.failure: Refusal | None = None
        try:
            self._content = file.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._content.close()

    def __iter__(self) -> Iterator[qualification_registry_pb2.PreviewRosterRequest]:
        header = qualification_registry_pb2.RosterHeader(mapping=self._mapping, file_name=self._file.name)
        yield qualification_registry_pb2.PreviewRosterRequest(header=header)
        try:
            while piece := self._content.read(PIECE_BYTES):
                yield qualification_registry_pb2.PreviewRosterRequest(content=piece)
        except (OSError, ValueError) as error:
            self.failure = self._unreadable(error)
            raise

    def _unreadable(self, error: Exception) -> Refusal:
        cause = getattr(error, "strerror", None) or type(error).__name__
        return Refusal("ROSTER_FILE_UNREADABLE", Code.INVALID_ARGUMENT, {"path": str(self._file), "cause": cause})


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Refusal("ROSTER_NOT_CONFIRMED", Code.FAILED_PRECONDITION)
    if not typer.confirm("取り込みますか？ Import it?"):
        raise typer.Abort


def _commit(
    stub: QualificationRegistryStub, request: qualification_registry_pb2.CommitRosterRequest, console: Console
) -> qualification_registry_pb2.RosterCommit:
    for tries_left in reversed(range(COMMIT_TRIES)):
        try:
            with ProgressDisplay(console) as display:
                for response in stub.CommitRoster(request, timeout=SECONDS):
                    if response.HasField("commit"):
                        return response.commit
                    display.show(response.progress)
        except grpc.RpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code is not Code.UNAVAILABLE or not tries_left:
                raise refusal from None
            console.print("応答が途切れました。結果を確かめます。 The answer was lost; asking again.", highlight=False)
    raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": "no result"})


def _print(console: Console, japanese: str, english: str) -> None:
    console.print(f"{japanese}\n{english}", highlight=False, markup=False, soft_wrap=True)
