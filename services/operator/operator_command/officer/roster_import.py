"""Imports a roster: uploads the file to the registry, shows its preview, and commits it after confirmation."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import grpc
import typer
from rich.console import Console

from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession
from operator_command.officer.acts.signing import Signer
from operator_command.officer.asking import ask, has_terminal
from operator_command.officer.preview_pages import PreviewPages
from operator_command.officer.roster_changes import write_changes
from operator_command.officer.roster_decisions import DECISION, Decision, check_decisions, write_undecided
from operator_command.officer.roster_preview import MOST_SHOWN, list_kinds, show_lines, show_preview
from operator_command.officer.roster_progress import ProgressDisplay
from operator_command.officer.roster_questions import confirm_questions, show_questions
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

_METHODS = qualification_registry_pb2.DESCRIPTOR.services_by_name["QualificationRegistry"].methods_by_name
PIECE_BYTES = 512 * 1024
# A large roster takes minutes; the bound is for a registry that hangs.
SECONDS = 1800.0
CANCEL_SECONDS = 30.0
# Committing is idempotent, so it is repeated after a lost answer.
COMMIT_TRIES = 3
# What was done so that a spreadsheet computes no cell (`operator_command.officer.spreadsheet`).
MARKED = Phrase(
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
    changes_file: Path | None = None
    undecided_file: Path | None = None
    overwrites: bool = False


def import_file(session: ActingSession, signer: Signer, file: Path, mapping: str, options: ImportOptions) -> None:
    """Shows what the file would change and, unless only that was asked for, imports it: completely or not at all.

    A preview that is not imported is cancelled, so that the registry keeps nothing of it. Raises the registry's own,
    ROSTER_FILE_UNREADABLE, OUTPUT_EXISTS, OUTPUT_NOT_WRITTEN, ROSTER_HAS_ERRORS, ROSTER_ROWS_UNDECIDED,
    DECISION_NOT_ASKED, DECISIONS_OF_ANOTHER_ROSTER, ROSTER_NOT_CONFIRMED, and those of `Signer.sign`.
    """
    console, speech = session.console, session.speech
    outputs = [output for output in (options.changes_file, options.undecided_file) if output is not None]
    for output in outputs:
        require_overwritable(output, speech, overwrites=options.overwrites)
    with session.open(QUALIFICATION_REGISTRY) as channel:
        stub = QualificationRegistryStub(channel)
        preview = _preview(stub, _Pieces(file, mapping, options.term), console, speech)
        try:
            request = _ask_officer(PreviewPages(stub, preview), console, file.name, options, speech)
            if request is not None:
                signer.sign(channel, _METHODS["CommitRoster"], request)
        except BaseException:
            _cancel(channel, signer, preview)
            raise
        if request is None:
            _cancel(channel, signer, preview)
            return
        result = _commit(stub, request, console, speech)
    print_line(
        console,
        speech,
        Phrase(
            f"取り込みました（名簿「{preview.roster}」の第{result.roster_version}版：新規{result.new:,}件、"
            f"変更{result.changed:,}件、名簿から外れる業者{result.gone:,}件、変更なし{result.unchanged:,}件）。",
            f"Imported as version {result.roster_version} of the roster {preview.roster}: {result.new:,} new, "
            f"{result.changed:,} changed, {result.gone:,} gone, {result.unchanged:,} unchanged.",
        ),
    )


def _ask_officer(
    pages: PreviewPages, console: Console, file_name: str, options: ImportOptions, speech: Speech
) -> qualification_registry_pb2.CommitRosterRequest | None:
    """Shows a preview, and returns what the officer decides; None where nothing is to be imported."""
    preview = pages.preview
    show_preview(console, preview, file_name, speech)
    if preview.error_count:
        raise Refusal("ROSTER_HAS_ERRORS", Code.FAILED_PRECONDITION, {"count": str(preview.error_count)})
    kinds = list_kinds(preview)
    show_lines(console, preview, {kind: pages.read_first(kind, MOST_SHOWN) for kind in kinds}, speech)
    show_questions(console, preview, speech)
    _write_files(console, pages, options, speech)
    if options.preview_only:
        print_line(console, speech, Phrase("確認だけを行いました。何も取り込んでいません。", "Nothing was imported."))
        return None
    if preview.same_as_current:
        said = Phrase(
            "この名簿は取込み済みです。何も変わりません。", "This roster is in force already; nothing changes."
        )
        print_line(console, speech, said)
        return None
    undecided = pages.read_undecided()
    decisions = check_decisions(undecided, options.decisions, accept_suggestions=options.accept_suggestions)
    confirmed = confirm_questions(preview, options.confirmations, speech)
    if confirmed is None:
        print_line(console, speech, Phrase("中止しました。何も取り込んでいません。", "Stopped. Nothing was imported."))
        raise typer.Exit(1)
    return qualification_registry_pb2.CommitRosterRequest(
        import_id=preview.import_id,
        decisions=decisions,
        accept_suggestions=options.accept_suggestions,
        confirmed=confirmed,
    )


def require_overwritable(file: Path, speech: Speech, *, overwrites: bool) -> None:
    """Returns where a file is new, or may be overwritten. Raises OUTPUT_EXISTS, and ends the command after a no."""
    if overwrites or not file.exists():
        return
    if not has_terminal():
        raise Refusal("OUTPUT_EXISTS", Code.FAILED_PRECONDITION, {"path": str(file)})
    if not ask(speech, Phrase(f"ファイル「{file}」を上書きしますか", f"Overwrite {file}?")):
        raise typer.Exit(1)


def _preview(
    stub: QualificationRegistryStub, pieces: "_Pieces", console: Console, speech: Speech
) -> bidder_pb2.RosterPreview:
    preview: bidder_pb2.RosterPreview | None = None
    try:
        with pieces, ProgressDisplay(console, speech) as display:
            # To the end: a call that is left before counts as cancelled in the registry.
            for response in stub.PreviewRoster(iter(pieces), timeout=SECONDS):
                if response.HasField("preview"):
                    preview = response.preview
                else:
                    display.show(response.progress)
    except grpc.RpcError as error:
        # A read error of the file is the cause; gRPC only reports the stream that it broke.
        raise pieces.failure or from_rpc_error(error) from None
    if preview is None:
        raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": "no preview"})
    return preview


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


def _write_files(console: Console, pages: PreviewPages, options: ImportOptions, speech: Speech) -> None:
    """Writes the files that the officer asked for; where none was, says how to see all that was not shown."""
    preview, count = pages.preview, pages.preview.undecided_row_count
    if (file := options.changes_file) is not None:
        write_changes(file, pages.read_lines(), speech)
        ja, en = f"すべての変更を「{file}」に書き出しました。", f"All changes are in {file}."
        print_line(console, speech, Phrase(f"{ja}{MARKED.ja}", f"{en} {MARKED.en}"))
    elif any(count > MOST_SHOWN for count in list_kinds(preview).values()):
        said = Phrase(
            "すべての変更は、--write changes.csvを付けるとファイルに書き出せます。",
            "With --write changes.csv all changes are written into a file.",
        )
        print_line(console, speech, said)
    if (file := options.undecided_file) is not None:
        write_undecided(file, pages.read_undecided(), speech)
        said = Phrase(
            f"判断の必要な{count:,}行を「{file}」に書き出しました。「{DECISION.ja}」の列に業者の番号またはnewを記入し、"
            f"--decisions {file}で指定してください。{MARKED.ja}",
            f"The {count:,} undecided rows are in {file}. Write bidder IDs or new into its last column, and give it "
            f"back with --decisions {file}. {MARKED.en}",
        )
        print_line(console, speech, said)
    elif count > MOST_SHOWN:
        said = Phrase(
            "判断の必要なすべての行は、--write-undecided undecided.csvを付けるとファイルに書き出せます。",
            "With --write-undecided undecided.csv all undecided rows are written into a file.",
        )
        print_line(console, speech, said)


def _cancel(channel: grpc.Channel, signer: Signer, preview: bidder_pb2.RosterPreview) -> None:
    """Has the registry delete a preview that nobody imports; the officer, who wants no more of it, is not asked."""
    said = Phrase("プレビューを削除するため、次の内容に署名します。", "The preview is deleted. This is signed for it:")
    print_line(signer.console, signer.speech, said)
    request = qualification_registry_pb2.CancelRosterPreviewRequest(import_id=preview.import_id)
    cancelling = replace(signer, confirmed=True, request_id=str(uuid4()))
    # What cannot be cancelled now is deleted by the registry when the preview's day is over.
    with suppress(grpc.RpcError, Refusal):
        cancelling.sign(channel, _METHODS["CancelRosterPreview"], request)
        QualificationRegistryStub(channel).CancelRosterPreview(request, timeout=CANCEL_SECONDS)


def _commit(
    stub: QualificationRegistryStub,
    request: qualification_registry_pb2.CommitRosterRequest,
    console: Console,
    speech: Speech,
) -> qualification_registry_pb2.RosterCommit:
    for tries_left in reversed(range(COMMIT_TRIES)):
        commit: qualification_registry_pb2.RosterCommit | None = None
        try:
            with ProgressDisplay(console, speech) as display:
                for response in stub.CommitRoster(request, timeout=SECONDS):
                    if response.HasField("commit"):
                        commit = response.commit
                    else:
                        display.show(response.progress)
        except grpc.RpcError as error:
            refusal = from_rpc_error(error)
            if refusal.code is not Code.UNAVAILABLE or not tries_left:
                raise refusal from None
            print_line(
                console, speech, Phrase("応答が途切れました。結果を確かめます。", "The answer was lost; asking again.")
            )
        else:
            if commit is not None:
                return commit
    raise Refusal("PEER_FAILED", Code.INTERNAL, {"code": "no result"})
