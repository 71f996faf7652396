"""Officers who leave: one, or all that a file names, after a preview; all of them or none."""

import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer
from rich.text import Text

from instance_profile.characters import replace_invisible
from operator_command.officer.acts.options import ActOptions
from operator_command.officer.acts.outcome import print_not_yet_effective
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service, make_signer
from operator_command.officer.administration.listing import LEAVES
from operator_command.officer.administration.words import HELD_ROLES, NAME, PERSON, describe_roles
from operator_command.officer.spreadsheet import read_table
from operator_command.officer.tables import make_table, print_line, print_table
from operator_command.speech import Language, Phrase, Speech
from refusals import Code, Refusal
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2 import PersonToWithdraw
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub

_METHODS = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name
_READ = (PERSON, LEAVES)
# What administrators write into the column; any other text is a mistake.
_MARKS = frozenset({"はい", "○", "◯", "〇", "yes", "y", "x", "1"})
_RESULT = Phrase("結果", "result")


def withdraw(
    session: ActingSession,
    options: ActOptions,
    agency: str,
    person_ids: Sequence[str],
    reason: str,
    *,
    preview_only: bool,
) -> None:
    """Shows who will be withdrawn, and withdraws all of them at once.

    Raises the registry's refusals, OFFICERS_NOT_NAMED, WITHDRAWAL_NOT_POSSIBLE.
    """
    if not person_ids:
        raise Refusal("OFFICERS_NOT_NAMED", Code.INVALID_ARGUMENT)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        preview = officers_pb2.PreviewWithdrawalRequest(agency=agency, person_ids=person_ids)
        response = ask_service(OfficersStub(channel).PreviewWithdrawal, preview)
        _show_preview(session, response.persons)
        if response.refused_because:
            raise Refusal(response.refused_because, Code.FAILED_PRECONDITION)
        refused = [person.person_id for person in response.persons if person.refused_because]
        if refused:
            metadata = {"persons": ", ".join(refused[:10]), "count": str(len(refused))}
            raise Refusal("WITHDRAWAL_NOT_POSSIBLE", Code.FAILED_PRECONDITION, metadata)
        if preview_only:
            said = Phrase("確認だけを行いました。何も変更していません。", "This was a preview. Nothing was changed.")
            print_line(session.console, session.speech, said)
            raise typer.Exit
        request = officers_pb2.WithdrawOfficersRequest(agency=agency, person_ids=person_ids, reason=reason)
        result = make_signer(session, options).carry_out(
            channel, _METHODS["WithdrawOfficers"], request, officers_pb2.WithdrawOfficersResponse
        )
    said = Phrase(
        f"{result.withdrawn:,}人の利用を終了しました。証明書・権限・ログインは、すべて使えなくなりました。",
        f"Officers withdrawn: {result.withdrawn:,}. Their certificates, roles and sessions count no more.",
    )
    print_line(session.console, session.speech, said)
    print_not_yet_effective(session, result.not_yet_effective_at)


def read_leaving(file: Path) -> Iterator[str]:
    """Yields the persons whom a file of `toroku officer list --write` marks. Raises TABLE_UNREADABLE, TABLE_WRONG."""
    # Whichever language it was written in.
    headings = [tuple(Speech(language).say(heading) for heading in _READ) for language in Language]
    for number, (person, text) in read_table(file, headings):
        mark = unicodedata.normalize("NFKC", text).strip().casefold()
        if not mark:
            continue
        if mark not in _MARKS:
            metadata = {"path": str(file), "row": str(number), "columns": " / ".join((LEAVES.ja, LEAVES.en))}
            raise Refusal("TABLE_WRONG", Code.INVALID_ARGUMENT, metadata)
        yield person.strip()


def _show_preview(session: ActingSession, persons: Sequence[PersonToWithdraw]) -> None:
    speech = session.speech
    table = make_table(speech, (PERSON, NAME, HELD_ROLES, _RESULT))
    for person in persons:
        because = person.refused_because
        result = speech.explain(because, {}).what if because else speech.say(Phrase("終了します", "will be withdrawn"))
        roles = describe_roles(person.officer.roles, speech)
        row = (person.person_id, person.officer.name, roles, result)
        table.add_row(*(Text(replace_invisible(cell)) for cell in row))
    heading = Phrase(f"利用を終了する職員（{len(persons):,}人）", f"Officers to withdraw: {len(persons):,}")
    print_table(session.console, speech.say(heading), table, speech)
