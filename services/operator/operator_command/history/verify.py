"""The verification of each registry's history: what it finds, how much there is, and the newest head to note."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from history.entries import Chain, StoredEntry
from history.heads import Head, PublicKeys, SealedBatch, Witness
from history.verification import Verification, verify_history
from instance_profile.japan_time import JAPAN
from operator_command.client.connection import Connection, open_channel
from operator_command.console import console
from operator_command.history.finding_words import describe_finding
from operator_command.history.progress import VerificationProgress
from operator_command.history.reading import RegistryHistory
from operator_command.history.registries import Registry, name_registry
from operator_command.history.session import HistorySession, read_instance
from operator_command.history.witnesses import NotedHeads, read_witnesses, write_witnesses
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from toroku.history.v1.history_pb2_grpc import HistoryStub


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """A range of positions, 0 where it is open; and the file of witnesses."""

    first: int
    last: int
    witness_file: Path | None

    @property
    def is_range(self) -> bool:
        """Whether not all is verified."""
        return bool(self.first or self.last)


@dataclass(slots=True)
class _Result:
    """What a verification has seen. `erased` counts entries by the act that erased their details."""

    entries: int = 0
    batches: int = 0
    faults: int = 0
    erased: Counter[int] = field(default_factory=Counter)
    newest: Head | None = None


def verify_registries(session: HistorySession, keys: PublicKeys, options: VerifyOptions) -> bool:
    """Verifies the history of each registry, and prints what was found; returns whether nothing was.

    The newest heads are noted in the file of witnesses, but not those of a registry in which something was found, and
    not where the file is a signed head.
    Raises the registries' refusals, HISTORY_UNREADABLE, INSTANCE_NOT_NAMED, WITNESS_UNREADABLE, WITNESS_NOT_WRITTEN.
    """
    # The same certificate is used for all of them.
    instance = read_instance(next(iter(session.connections.values())))
    file = options.witness_file
    known = read_witnesses(file, instance, keys) if file is not None else NotedHeads({}, is_signed=False)
    witnesses = {**known.heads}
    is_good = True
    for registry, connection in session.connections.items():
        noted = witnesses.get(registry)
        verification = Verification(
            Chain(instance, registry), keys, witnesses=[noted] if noted is not None else [], is_range=options.is_range
        )
        result = _verify(registry, connection, verification, options, session.speech)
        _print_summary(registry, result, session.speech, is_range=options.is_range)
        if file is not None:
            _print_witness(file, noted, result, session.speech, is_signed=known.is_signed)
        if result.faults:
            is_good = False
        elif result.newest is not None:
            witnesses[registry] = result.newest.witness
    if file is not None and not known.is_signed:
        write_witnesses(file, instance, witnesses)
    return is_good


def _verify(
    registry: Registry, connection: Connection, verification: Verification, options: VerifyOptions, speech: Speech
) -> _Result:
    result = _Result()
    name = name_registry(registry, speech)
    progress = VerificationProgress(name, speech)
    with open_channel(registry, connection) as channel:
        history = RegistryHistory(registry, HistoryStub(channel))
        items = _count_batches(history.read(options.first, options.last), result)
        for finding in verify_history(items, verification, progress.show):
            if finding.fault is None:
                result.erased[finding.act or 0] += 1
                continue
            result.faults += 1
            progress.clear()
            said = describe_finding(finding)
            print_line(console, speech, Phrase(f"{name}：{said.ja}", f"{name}: {said.en}"))
    progress.clear()
    result.entries, result.newest = verification.entries, verification.newest_head
    return result


def _count_batches(items: Iterable[SealedBatch | StoredEntry], result: _Result) -> Iterator[SealedBatch | StoredEntry]:
    for item in items:
        result.batches += isinstance(item, SealedBatch)
        yield item


def _print_summary(registry: Registry, result: _Result, speech: Speech, *, is_range: bool) -> None:
    name, faults = name_registry(registry, speech), result.faults
    verdict = (
        Phrase(f"{name}：{faults:,}件の問題が見つかりました。", f"{name}: {faults:,} found, see above.")
        if faults
        else Phrase(f"{name}：問題は見つかりませんでした。", f"{name}: nothing was found.")
    )
    print_line(console, speech, verdict)
    counted = Phrase(
        f"　確認した記録：{result.entries:,}件、封印：{result.batches:,}回",
        f"  Entries: {result.entries:,}, heads: {result.batches:,}",
    )
    print_line(console, speech, counted)
    for act, count in sorted(result.erased.items()):
        erased = Phrase(
            f"　{count:,}件の記録の詳細は、記録番号{act}の操作により消去されています（問題ではありません）。",
            f"  Entries whose details were erased by act {act}, on the record: {count:,}",
        )
        print_line(console, speech, erased)
    head = result.newest
    if head is None or is_range:
        return
    when = head.sealed_at.astimezone(JAPAN).strftime("%Y-%m-%d %H:%M:%S")
    noted = Phrase(
        f"　最新の封印：{head.number}番（日本時間{when}）\n　ハッシュ値：{head.hash.hex()}",
        f"  Newest head: number {head.number} ({when} in Japan)\n  Hash: {head.hash.hex()}",
    )
    print_line(console, speech, noted)
    if not faults:
        advice = Phrase(
            "　この番号とハッシュ値を、このシステムの外に書き留めてください。後で履歴が作り直されたときに分かります。",
            "  Note this number and hash outside of this system: they show later whether the history was rewritten.",
        )
        print_line(console, speech, advice)


def _print_witness(file: Path, noted: Witness | None, result: _Result, speech: Speech, *, is_signed: bool) -> None:
    if is_signed:
        if noted is None or result.faults:
            return
        said = Phrase(
            f"　{file}の封印{noted.number}番と一致しました。", f"  It contains head {noted.number} of {file}."
        )
    elif result.faults:
        said = Phrase(f"　{file}の控えは書き換えていません。", f"  What {file} has noted was not replaced.")
    elif result.newest is None:
        return
    elif noted is None:
        said = Phrase(f"　{file}に書き留めました（初めての控えです）。", f"  Noted in {file}, for the first time.")
    else:
        said = Phrase(
            f"　{file}に控えてあった封印{noted.number}番と一致しました。最新の封印に書き換えました。",
            f"  It contains head {noted.number}, which {file} had noted; the newest one is noted there now.",
        )
    print_line(console, speech, said)
