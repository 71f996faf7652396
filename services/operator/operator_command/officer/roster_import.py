"""Imports a roster: uploads the file to the registry, shows its preview, and commits it after confirmation."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import typer
from rich.console import Console

from operator_command.client.connection import Connection, open_channel
from operator_command.officer.preview_pages import PreviewPages
from operator_command.officer.roster_changes import write_changes
from operator_command.officer.roster_decisions import Decision, check_decisions, write_undecided
from operator_command.officer.roster_preview import MOST_SHOWN, list_kinds, show_lines, show_preview
from operator_command.officer.roster_progress import ProgressDisplay, make_console
from operator_command.officer.roster_questions import confirm_questions, show_questions
from operator_command.officer.roster_words import RosterWords
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
# What was done so that a spreadsheet computes no cell (`operator_command.officer.spreadsheet`).
_MARKED = (
    "表計算ソフトが計算や変換をしないよう、= + - @で始まる値や0で始まる番号などには、先頭に'を付けています。",
    "Values that a spreadsheet would compute or change (= + - @, leading zeros) have an apostrophe in front.",
)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The officer's choices on the command line. The files are written after the preview, if they are not None."""

    # The first and the last day of the term that the list is for; both empty for a roster without terms.
    term: tuple[str, str] = ("", "")
    decisions: tuple[Decision, ...] = ()
    # The reasons of questions about the file that are confirmed.
    confirmations: tuple[str, ...] = ()
    accept_suggestions: bool = False
    preview_only: bool = False
    confirmed: bool = False
    changes_file: Path | None = None
    undecided_file: Path | None = None
    overwrites: bool = False


def import_file(connection: Connection, file: Path, mapping: str, options: ImportOptions, words: RosterWords) -> None:
    """Shows what the file would change and, unless only that was asked for, imports it: completely or not at all.

    Raises the registry's refusals, ROSTER_FILE_UNREADABLE, OUTPUT_EXISTS, OUTPUT_NOT_WRITTEN, ROSTER_HAS_ERRORS,
    ROSTER_ROWS_UNDECIDED, DECISION_NOT_ASKED, DECISIONS_OF_ANOTHER_ROSTER, ROSTER_NOT_CONFIRMED,
    ROSTER_TERMINAL_MISSING.
    """
    console = make_console()
    outputs = [output for output in (options.changes_file, options.undecided_file) if output is not None]
    for output in outputs:
        if output.exists() and not options.overwrites:
            _ask_to_overwrite(output)
    with open_channel(SERVICE, connection) as channel:
        stub = QualificationRegistryStub(channel)
        preview = _preview(stub, _Pieces(file, mapping, options.term), console)
        pages = PreviewPages(stub, preview)
        show_preview(console, preview, file.name)
        if preview.error_count:
            raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": str(preview.error_count)})
        kinds = list_kinds(preview)
        show_lines(console, preview, {kind: pages.read_first(kind, MOST_SHOWN) for kind in kinds}, words)
        show_questions(console, preview)
        _write_files(console, pages, options, words)
        if options.preview_only:
            return
        if preview.same_as_current:
            _print(
                console,
                "この名簿は取込み済みです。何も変わりません。",
                "This roster is in force already; nothing changes.",
            )
            return
        undecided = pages.read_undecided()
        decisions = check_decisions(undecided, options.decisions, accept_suggestions=options.accept_suggestions)
        confirmed = confirm_questions(preview, options.confirmations)
        if not options.confirmed:
            _confirm()
        request = qualification_registry_pb2.CommitRosterRequest(
            import_id=preview.import_id,
            decisions=decisions,
            accept_suggestions=options.accept_suggestions,
            confirmed=confirmed,
        )
        result = _commit(stub, request, console)
    _print(
        console,
        f"取り込みました（第{result.roster_version}版：新規{result.new:,}件、変更{result.changed:,}件、"
        f"名簿から外れる業者{result.gone:,}件、変更なし{result.unchanged:,}件）。",
        f"Imported as version {result.roster_version}: {result.new:,} new, {result.changed:,} changed, "
        f"{result.gone:,} gone, {result.unchanged:,} unchanged.",
    )


def _preview(stub: QualificationRegistryStub, pieces: "_Pieces", console: Console) -> bidder_pb2.RosterPreview:
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

    def __init__(self, file: Path, mapping: str, term: tuple[str, str]) -> None:
        self._file = file
        self._mapping = mapping
        self._term_from, self._term_until = term
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
        header = qualification_registry_pb2.RosterHeader(
            mapping=self._mapping,
            file_name=self._file.name,
            term_from=self._term_from,
            term_until=self._term_until,
        )
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


def _write_files(console: Console, pages: PreviewPages, options: ImportOptions, words: RosterWords) -> None:
    """Writes the files that the officer asked for; where none was, says how to see all that was not shown."""
    preview = pages.preview
    if options.changes_file is not None:
        write_changes(options.changes_file, pages.read_lines(), words)
        _print(
            console,
            f"すべての変更を{options.changes_file}に書き出しました。{_MARKED[0]}",
            f"All changes are in {options.changes_file}. {_MARKED[1]}",
        )
    elif any(count > MOST_SHOWN for count in list_kinds(preview).values()):
        _print(
            console,
            "すべての変更は、--write changes.csvを付けるとファイルに書き出せます。",
            "With --write changes.csv all changes are written into a file.",
        )
    if options.undecided_file is not None:
        write_undecided(options.undecided_file, pages.read_undecided())
        _print(
            console,
            f"判断の必要な{preview.undecided_row_count:,}行を{options.undecided_file}に書き出しました。"
            f"「判断 decision」の列に"
            f"業者の番号またはnewを記入し、--decisions {options.undecided_file}で指定してください。{_MARKED[0]}",
            f"The {preview.undecided_row_count:,} undecided rows are in {options.undecided_file}. Write bidder IDs or "
            f"new into its last column, and give it back with --decisions {options.undecided_file}. {_MARKED[1]}",
        )
    elif preview.undecided_row_count > MOST_SHOWN:
        _print(
            console,
            "判断の必要なすべての行は、--write-undecided undecided.csvを付けるとファイルに書き出せます。",
            "With --write-undecided undecided.csv all undecided rows are written into a file.",
        )


def _ask_to_overwrite(file: Path) -> None:
    if not sys.stdin.isatty():
        raise Refusal("OUTPUT_EXISTS", Code.FAILED_PRECONDITION, {"path": str(file)})
    if not typer.confirm(f"{file}を上書きしますか？ Overwrite {file}?"):
        raise typer.Abort


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Refusal("ROSTER_TERMINAL_MISSING", Code.FAILED_PRECONDITION)
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
