"""Shows entries of all registries, merged by time, the newest first."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from heapq import merge
from itertools import islice

from history.entries import StoredEntry
from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from operator_command.client.connection import open_channel
from operator_command.console import console
from operator_command.history.details import describe_details
from operator_command.history.entry_words import LABELS, Line, describe_act, describe_person
from operator_command.history.reading import RegistryHistory
from operator_command.history.registries import Registry, name_registry
from operator_command.history.session import HistorySession
from operator_command.officer.card_argument import read_card
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from toroku.history.v1.history_pb2_grpc import HistoryStub


def name_subject(kind: str, value: str) -> Mapping[str, str | bytes]:
    """Returns what is asked for as a field of the request, for an option's name. Raises CARD_ARGUMENT_UNREADABLE."""
    match kind:
        case "card":
            return {"certificate_sha256": read_card(value)}
        case "officer":
            return {"who": f"officer {value}"}
        case "request":
            return {"request_id": value.lower()}
        case _:
            return {"bidder_id": value}


def show_entries(session: HistorySession, subject: Mapping[str, str | bytes], *, most: int, has_details: bool) -> None:
    """Prints the newest entries about a subject, and how to see older ones. Raises the registries' refusals."""
    speech = session.speech
    with ExitStack() as stack:
        histories = [
            RegistryHistory(registry, HistoryStub(stack.enter_context(open_channel(registry, connection))))
            for registry, connection in session.connections.items()
        ]
        streams = [_list(history, subject, most + 1) for history in histories]
        newest = list(islice(merge(*streams, key=lambda found: found[1].happened_at, reverse=True), most + 1))
    shown = newest[:most]
    if not shown:
        print_line(console, speech, Phrase("記録はありません。", "There are no entries."))
        return
    print_line(
        console,
        speech,
        Phrase(
            "日時は日本時間です。新しいものから順に表示します。",
            "Times are those of Japan, the newest entry comes first.",
        ),
    )
    # A registry's entries are in the order in which they were written, which is nearly that of their times.
    for registry, entry in sorted(shown, key=lambda found: found[1].happened_at, reverse=True):
        _print_entry(registry, entry, speech, has_details=has_details)
    if len(newest) > most:
        print_line(
            console,
            speech,
            Phrase(
                f"\nこれより前の記録もあります。--most {most * 2}のように、件数を増やすと表示されます。",
                f"\nThere are older entries: show more of them, for example with --most {most * 2}.",
            ),
        )


def _list(
    history: RegistryHistory, subject: Mapping[str, str | bytes], most: int
) -> Iterator[tuple[Registry, StoredEntry]]:
    for entry in history.list_entries(subject, most=most):
        yield history.registry, entry


def _print_entry(registry: Registry, entry: StoredEntry, speech: Speech, *, has_details: bool) -> None:
    when = entry.happened_at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M:%S")
    act = replace_invisible(speech.say(describe_act(entry.what)))
    print_line(console, speech, Phrase(f"\n{when}　{act}", f"\n{when}  {act}"))
    details = describe_details(entry.details, speech) if has_details and entry.details is not None else ()
    for label, value in (*_describe_columns(registry, entry, speech), *details):
        visible = replace_invisible(value)
        print_line(console, speech, Phrase(f"　{label.ja}：{visible}", f"  {label.en}: {visible}"))


def _describe_columns(registry: Registry, entry: StoredEntry, speech: Speech) -> Iterator[Line]:
    yield LABELS["who"], describe_person(entry.who, speech)
    if entry.agencies:
        yield LABELS["agencies"], speech.name_agencies(" ".join(entry.agencies))
    if entry.category is not None:
        yield LABELS["category"], speech.name_category(entry.category)
    if entry.bidder_id is not None:
        yield LABELS["bidder_id"], entry.bidder_id
    if entry.certificate_sha256 is not None:
        yield LABELS["certificate_sha256"], entry.certificate_sha256.hex()
    if entry.request_id is not None:
        yield LABELS["request_id"], str(entry.request_id)
    if entry.trace_id is not None:
        yield LABELS["trace_id"], entry.trace_id
    name, number = name_registry(registry, speech), entry.number
    place = Phrase(f"{entry.position}番（記録番号{number}）", f"position {entry.position} (number {number})")
    if entry.position is None:
        place = Phrase(f"まだ封印されていません（記録番号{number}）", f"not sealed yet (number {number})")
    yield LABELS["place"], speech.say(Phrase(f"{name}、{place.ja}", f"{name}, {place.en}"))
    if entry.erased_by is not None:
        erased = Phrase(f"記録番号{entry.erased_by}の操作により消去", f"erased by act {entry.erased_by}")
        yield LABELS["details"], speech.say(erased)
