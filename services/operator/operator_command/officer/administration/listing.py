"""The officers of an agency, on the terminal and as a file for the change of offices."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import grpc
from rich.text import Text

from instance_profile.characters import replace_invisible
from operator_command.officer.acts.outcome import print_lines
from operator_command.officer.acts.session import CERTIFICATE_REGISTRY, ActingSession, ask_service
from operator_command.officer.administration.words import (
    HELD_ROLES,
    NAME,
    PERSON,
    VALID_UNTIL,
    describe_end,
    describe_officer,
    describe_roles,
)
from operator_command.officer.roster_import import MARKED, require_overwritable
from operator_command.officer.spreadsheet import write_table
from operator_command.officer.tables import make_table, print_line, print_table
from operator_command.speech import Phrase, Speech
from toroku.certificate.v1 import officers_pb2
from toroku.certificate.v1.officers_pb2 import Officer
from toroku.certificate.v1.officers_pb2_grpc import OfficersStub

_PAGE = 1000
# The last column of the file, for the administrator.
LEAVES = Phrase("利用の終了", "withdraw")
HEADINGS = (PERSON, NAME, HELD_ROLES, VALID_UNTIL, LEAVES)


def list_officers(session: ActingSession, agency: str, file: Path | None, *, withdrawn: bool, overwrites: bool) -> None:
    """Prints the officers of an agency, and writes them into a file if one is named.

    Raises the registry's refusals, OUTPUT_EXISTS, OUTPUT_NOT_WRITTEN.
    """
    if file is not None:
        require_overwritable(file, session.speech, overwrites=overwrites)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        officers = list(_read(channel, agency, withdrawn=withdrawn))
    speech = session.speech
    table = make_table(speech, HEADINGS[:-1])
    for officer in officers:
        table.add_row(*(Text(replace_invisible(cell)) for cell in _compose_row(officer, speech)))
    place = speech.name_agency(agency)
    heading = Phrase(f"職員（{place}、{len(officers):,}人）", f"Officers of {place}: {len(officers):,}")
    print_table(session.console, speech.say(heading), table, speech)
    if file is not None:
        _write(session, file, officers)


def show_officer(session: ActingSession, agency: str, person_id: str) -> None:
    """Prints all that is known of an officer."""
    request = officers_pb2.GetOfficerRequest(agency=agency, person_id=person_id)
    with session.open(CERTIFICATE_REGISTRY) as channel:
        officer = ask_service(OfficersStub(channel).GetOfficer, request).officer
    heading = Phrase(f"職員 {officer.agency}/{officer.person_id}", f"officer {officer.agency}/{officer.person_id}")
    print_lines(session, heading, describe_officer(officer, session.speech))


def _read(channel: grpc.Channel, agency: str, *, withdrawn: bool) -> Iterator[Officer]:
    request = officers_pb2.ListOfficersRequest(agency=agency, withdrawn=withdrawn, most=_PAGE)
    while True:
        officers = ask_service(OfficersStub(channel).ListOfficers, request).officers
        yield from officers
        if len(officers) < _PAGE:
            return
        request.after = officers[-1].person_id


def _compose_row(officer: Officer, speech: Speech) -> Sequence[str]:
    roles = describe_roles(officer.roles, speech)
    if officer.HasField("withdrawn_at"):
        roles = speech.say(Phrase("利用終了済み", "withdrawn"))
    return officer.person_id, officer.name, roles, describe_end(officer, speech)


def _write(session: ActingSession, file: Path, officers: Iterable[Officer]) -> None:
    speech = session.speech
    rows = ((*_compose_row(officer, speech), "") for officer in officers)
    write_table(file, [speech.say(heading) for heading in HEADINGS], rows)
    said = Phrase(
        f"「{file}」に書き出しました。異動などで利用を終える職員の「{LEAVES.ja}」の列に「はい」と記入し、"
        f"toroku officer withdraw --file {file}で指定してください。{MARKED.ja}",
        f"The officers are in {file}. Write yes into the column {LEAVES.en} of those who leave, and give it back with "
        f"toroku officer withdraw --file {file}. {MARKED.en}",
    )
    print_line(session.console, session.speech, said)
