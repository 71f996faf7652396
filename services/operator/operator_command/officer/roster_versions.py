"""Shows the versions of a roster: their list, one of them with its lines and its file, and how two of them differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text

from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from operator_command.officer.acts.session import QUALIFICATION_REGISTRY, ActingSession
from operator_command.officer.private_files import open_private_file
from operator_command.officer.roster_import import MARKED, require_overwritable
from operator_command.officer.roster_preview import MOST_SHOWN, describe_term, show_kind
from operator_command.officer.roster_words import BIDDER, FIELDS, KINDS, describe_kind, describe_question
from operator_command.officer.tables import make_table, print_line, print_table
from operator_command.officer.version_lines import SINCE, compare_lines, describe_line, write_lines
from operator_command.officer.version_pages import VersionPages
from operator_command.speech import Phrase, Speech
from refusals import Code, Refusal
from toroku.qualification.v1.bidder_pb2 import (
    ROSTER_VERSION_STATE_ENDED,
    ROSTER_VERSION_STATE_IN_FORCE,
    ROSTER_VERSION_STATE_NOT_YET,
    ROSTER_VERSION_STATE_REPLACED,
    PreviewLine,
    RosterVersion,
)
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

STATES = {
    ROSTER_VERSION_STATE_IN_FORCE: Phrase("有効", "in force"),
    ROSTER_VERSION_STATE_NOT_YET: Phrase("有効期間の開始前", "not yet in force"),
    ROSTER_VERSION_STATE_ENDED: Phrase("有効期間の終了後", "ended"),
    ROSTER_VERSION_STATE_REPLACED: Phrase("後の版に置換え済み", "replaced"),
}
# What a terminal has room for.
_SHOWN_FIELDS = ("name", "address", "agencies", "grade")
_VERSION = Phrase("版", "version")
_STATE = Phrase("状態", "state")
_COMMITTED = Phrase("取込み", "imported")
_FILE = Phrase("ファイル", "file")
_CHANGES = Phrase("取込みによる変更", "what the import changed")


@dataclass(frozen=True, slots=True)
class VersionOptions:
    """What to do with a version beside showing it. The files are written if they are not None."""

    # The earlier version that its lines are compared with; None shows the lines themselves.
    compared_with: int | None = None
    lines_file: Path | None = None
    original_file: Path | None = None
    overwrites: bool = False


def show_versions(session: ActingSession, roster: str, *, before: int, most: int) -> None:
    """Prints versions of a roster, the newest first, and how to see older ones. Raises the registry's refusals."""
    console, speech = session.console, session.speech
    with session.open(QUALIFICATION_REGISTRY) as channel:
        pages = VersionPages(QualificationRegistryStub(channel), roster)
        versions = pages.read_versions(before=before, most=most + 1)
    shown = versions[:most]
    if not shown:
        said = Phrase(f"名簿「{roster}」の版はありません。", f"There are no versions of the roster {roster}.")
        print_line(console, speech, said)
        return
    table = make_table(speech, (_VERSION, _STATE, _COMMITTED, _FILE, _CHANGES))
    for version in shown:
        when = f"{_describe_time(version.committed_at)}\n{replace_invisible(version.committed_by)}"
        file = Text(replace_invisible(version.file_name) or "―")
        changes = "\n".join(_list_counts(version, speech))
        table.add_row(str(version.version), Text(_describe_state(version, speech)), Text(when), file, Text(changes))
    name = replace_invisible(roster)
    print_table(console, speech.say(Phrase(f"名簿「{name}」の版", f"Versions of the roster {name}")), table, speech)
    if len(versions) > most:
        last = shown[-1].version
        said = Phrase(
            f"これより前の版は、--before {last}を付けると表示されます。", f"Earlier versions: --before {last}"
        )
        print_line(console, speech, said)


def show_version(session: ActingSession, roster: str, number: int, options: VersionOptions) -> None:
    """Prints a version with its first lines, or how it differs from another one, and writes the files asked for.

    Raises the registry's refusals, OUTPUT_EXISTS, OUTPUT_NOT_WRITTEN.
    """
    console, speech = session.console, session.speech
    for output in filter(None, (options.lines_file, options.original_file)):
        require_overwritable(output, speech, overwrites=options.overwrites)
    with session.open(QUALIFICATION_REGISTRY) as channel:
        pages = VersionPages(QualificationRegistryStub(channel), roster)
        version = pages.find_version(number)
        _show_details(console, roster, version, speech)
        if options.compared_with is not None:
            _show_differences(console, pages, options.compared_with, number, speech)
        else:
            _show_lines(console, pages, number, speech)
        if (file := options.lines_file) is not None:
            write_lines(file, pages.read_lines(number), speech)
            ja, en = f"すべての業者を「{file}」に書き出しました。", f"All bidders are in {file}."
            print_line(console, speech, Phrase(f"{ja}{MARKED.ja}", f"{en} {MARKED.en}"))
        if (file := options.original_file) is not None:
            _write_original(file, pages, number)
            said = Phrase(
                f"取り込んだときのファイルをそのまま「{file}」に書き出しました。",
                f"The file is in {file}, exactly as it was imported.",
            )
            print_line(console, speech, said)


def _show_details(console: Console, roster: str, version: RosterVersion, speech: Speech) -> None:
    details: Mapping[Phrase, str] = {
        _STATE: _describe_state(version, speech),
        _FILE: replace_invisible(version.file_name) or "―",
        Phrase("名簿の様式", "mapping"): replace_invisible(version.mapping),
        _COMMITTED: f"{_describe_time(version.committed_at)} {replace_invisible(version.committed_by)}",
        _CHANGES: speech.say(Phrase("、", "; ")).join(_list_counts(version, speech)),
        Phrase("確認した事項", "confirmed"): speech.say(Phrase("、", ", ")).join(
            describe_question(reason, speech) for reason in version.confirmed
        ),
        Phrase("ファイルのSHA-256", "SHA-256 of the file"): version.file_sha256.hex(),
    }
    name = replace_invisible(roster)
    heading = Phrase(f"名簿「{name}」の第{version.version}版", f"Version {version.version} of the roster {name}")
    console.print(speech.say(heading), style="bold", highlight=False, markup=False, soft_wrap=True)
    for label, value in details.items():
        if value:
            name = speech.say(label)
            print_line(console, speech, Phrase(f"　{name}：{value}", f"  {name}: {value}"))


def _show_lines(console: Console, pages: VersionPages, number: int, speech: Speech) -> None:
    lines = list(islice(pages.read_lines(number, most=MOST_SHOWN + 1), MOST_SHOWN + 1))
    table = make_table(speech, (BIDDER, *(FIELDS[field] for field in _SHOWN_FIELDS), SINCE))
    for line in lines[:MOST_SHOWN]:
        values = describe_line(line, speech)
        cells = [
            Text(replace_invisible(value))
            for value in (line.company.bidder_id, *(values[field] for field in _SHOWN_FIELDS))
        ]
        table.add_row(*cells, str(line.since_version))
    heading = Phrase("この版に載っている業者", "Bidders in this version")
    print_table(console, speech.say(heading), table, speech)
    if len(lines) > MOST_SHOWN:
        said = Phrase(
            f"先頭の{MOST_SHOWN}件です。すべての業者は、--write lines.csvを付けるとファイルに書き出せます。",
            f"These are the first {MOST_SHOWN}. With --write lines.csv all of them are written into a file.",
        )
        print_line(console, speech, said)


def _show_differences(console: Console, pages: VersionPages, before: int, after: int, speech: Speech) -> None:
    pages.find_version(before)
    lines: dict[int, list[PreviewLine]] = {kind: [] for kind in KINDS}
    counts = dict.fromkeys(KINDS, 0)
    for line in compare_lines(pages.read_lines(before), pages.read_lines(after)):
        counts[line.kind] += 1
        if len(lines[line.kind]) < MOST_SHOWN:
            lines[line.kind].append(line)
    heading = Phrase(f"第{before}版との違い", f"Compared with version {before}")
    console.print(speech.say(heading), style="bold", highlight=False, markup=False, soft_wrap=True)
    for kind, count in counts.items():
        if count:
            show_kind(console, kind, lines[kind], count, speech)
    if not any(counts.values()):
        print_line(console, speech, Phrase("違いはありません。", "There is no difference."))


def _write_original(file: Path, pages: VersionPages, number: int) -> None:
    try:
        with open_private_file(file) as stream:
            for piece in pages.read_file(number):
                stream.write(piece)
    except OSError as error:
        metadata = {"path": str(file), "cause": error.strerror or type(error).__name__}
        raise Refusal("OUTPUT_NOT_WRITTEN", Code.FAILED_PRECONDITION, metadata) from None


def _describe_state(version: RosterVersion, speech: Speech) -> str:
    state = speech.say(STATES[version.state]) if version.state in STATES else str(version.state)
    term = describe_term(version.term_from, version.term_until, speech)
    return f"{state}{speech.say(Phrase(f'（{term}）', f' ({term})'))}" if term else state


def _describe_time(instant: Timestamp) -> str:
    """Returns an instant in Japan, to the minute."""
    return datetime.fromtimestamp(instant.seconds, JAPAN).strftime("%Y-%m-%d %H:%M")


def _list_counts(version: RosterVersion, speech: Speech) -> Sequence[str]:
    counts = [(describe_kind(count.kind, speech), count.count) for count in version.counts if count.count]
    if version.unchanged:
        counts.append((speech.say(Phrase("変更なし", "unchanged")), version.unchanged))
    return [speech.say(Phrase(f"{name}{count:,}件", f"{name}: {count:,}")) for name, count in counts]
