"""What became of an act, in lines: what it is about, by when something lapses, and what to do next."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from instance_profile.characters import replace_invisible
from instance_profile.japan_time import JAPAN
from operator_command.officer.acts.session import ActingSession
from operator_command.officer.tables import print_line
from operator_command.speech import Phrase, Speech
from toroku.officer.v1.proposals_pb2 import ProposalRecord

# What several commands say.
AGENCY = Phrase("調達機関", "agency")
BIDDER = Phrase("業者の番号", "bidder ID")
CARD = Phrase("ICカード（証明書のSHA-256）", "card (SHA-256 of the certificate)")
CATEGORY = Phrase("業務区分", "category")
LAPSES = Phrase("自動解除", "lapses")
REASON = Phrase("理由", "reason")
WHERE = Phrase("範囲", "where")

Line = tuple[Phrase, str]


def describe_time(instant: Timestamp, speech: Speech) -> str:
    """Returns an instant in Japan's time, to the minute."""
    there = _to_japan(instant)
    ja = f"{there.year}年{there.month}月{there.day}日{there.hour}時{there:%M}分"
    return speech.say(Phrase(ja, f"{there:%Y-%m-%d %H:%M} (Japan)"))


def describe_day(instant: Timestamp, speech: Speech) -> str:
    """Returns the day of an instant in Japan."""
    there = _to_japan(instant)
    return speech.say(Phrase(f"{there.year}年{there.month}月{there.day}日", f"{there:%Y-%m-%d}"))


def print_lines(session: ActingSession, heading: Phrase, lines: Iterable[Line]) -> None:
    """Prints a heading, and below it each label with its value; one without a value is left out."""
    print_line(session.console, session.speech, heading)
    for label, value in lines:
        if shown := replace_invisible(value):
            print_line(session.console, session.speech, Phrase(f"　{label.ja}：{shown}", f"  {label.en}: {shown}"))


def print_not_yet_effective(session: ActingSession, services: Sequence[str]) -> None:
    """Prints which services do not know of an act yet; nothing where all do."""
    if services:
        names = ", ".join(services)
        said = Phrase(
            f"次のサービスにはまだ伝わっていません：{names}。伝わるまで自動的に再送されます。",
            f"These services do not know of it yet: {names}. They will be told without anybody's doing.",
        )
        print_line(session.console, session.speech, said)


def print_proposed(session: ActingSession, record: ProposalRecord) -> None:
    """Prints that something was only proposed, by when it has to be approved, and how another person does so."""
    until, proposal_id = describe_time(record.proposal.expires_at, session.speech), record.proposal.proposal_id
    said = Phrase(
        f"提案しました（提案番号{proposal_id}）。まだ実行されていません。\n"
        f"{until}までに、同じ権限を持つ別の職員が承認すると実行されます：toroku approve {proposal_id}",
        f"Proposed as {proposal_id}. Nothing was carried out yet.\n"
        f"It is carried out when another officer with the same role approves it until {until}: "
        f"toroku approve {proposal_id}",
    )
    print_line(session.console, session.speech, said)


def print_lapse(session: ActingSession, lapses_at: Timestamp, confirming: str) -> None:
    """Prints by when another person has to confirm a suspension, with the command that does so."""
    lapses = describe_time(lapses_at, session.speech)
    said = Phrase(
        f"{lapses}までに別の職員が確認しないと、停止は自動的に解除されます：{confirming}",
        f"It lapses unless another officer confirms it until {lapses}: {confirming}",
    )
    print_line(session.console, session.speech, said)


def _to_japan(instant: Timestamp) -> datetime:
    return instant.ToDatetime(tzinfo=UTC).astimezone(JAPAN)
