"""Who is an officer: the service's own table says so at every call, as certificate-registry reported it."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from officers.directory import OfficerCertificate, OfficerState, record_officers
from refusals import Refusal
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.versions import Version
from tests.support.desk_service import NAME, RESUME, SUSPEND, Desk, DeskStub, request
from tests.support.officers import call, sign_and_call, sign_request
from tests.support.statements import counted_statements
from toroku.officer.v1 import officer_directory_pb2, proposals_pb2
from toroku.officer.v1.proposals_pb2_grpc import ProposalsStub

YAMADA, ROLE = "saitama-city/yamada", "suspension"
# The only role of the callers file.
ADMINISTRATOR = "administrator"
_BEGINNING = datetime(2026, 4, 1, tzinfo=UTC)


async def test_officer_is_known_by_its_certificate_and_gone_with_the_role(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "registration")
    stub = DeskStub(officer.channel)
    assert (await call(stub.Look, request("Look"))).answer == f"officer {YAMADA}"
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await call(stub.Look, request("Look", agency="kawagoe-city"))
    await desk.office.change(officer)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await call(stub.Look, request("Look"))


async def test_late_versions_are_dropped(desk: Desk) -> None:
    officer = await desk.office.connect(YAMADA)
    stub = DeskStub(officer.channel)
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        await call(stub.Look, request("Look"))
    await desk.office.report(officer.report(number=2, is_withdrawn=True))
    await desk.office.report(officer.report(ROLE, number=1), officer.report(ROLE, number=2))
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        await call(stub.Look, request("Look"))
    await desk.office.report(officer.report(ROLE, number=3))
    assert (await call(stub.Look, request("Look"))).answer == f"officer {YAMADA}"


async def test_withdrawn_and_expired_certificates_are_refused_with_their_reason(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    await desk.office.change(officer, ROLE, is_withdrawn=True)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await call(DeskStub(officer.channel).Look, request("Look"))
    short = await desk.office.connect(YAMADA, desk.authority.person(YAMADA, timedelta(seconds=1)))
    await desk.office.change(short, ROLE)
    stub = DeskStub(short.channel)
    await call(stub.Look, request("Look"))
    # The connection outlives the certificate.
    reasons: set[str] = set()
    async with asyncio.timeout(5):
        while not reasons:
            try:
                await call(stub.Look, request("Look"))
            except Refusal as refusal:
                reasons.add(refusal.reason)
    assert reasons == {"CALLER_CERTIFICATE_NOT_VALID"}


def make_state(number: int, *certificates: int, version: int) -> OfficerState:
    """Returns the state of an officer, with certificates that are numbers and valid for as many days."""
    valid = [OfficerCertificate(f"{each}".encode(), _BEGINNING + timedelta(days=each)) for each in certificates]
    roles = frozenset({ROLE, "registration"})
    return OfficerState(
        person_id=f"p{number}", agency="saitama-city", roles=roles, certificates=valid, version=Version(1, version)
    )


async def test_many_officers_cost_as_many_statements_as_one(desk: Desk) -> None:
    first = [make_state(number, 2 * number, 2 * number + 1, version=2) for number in range(500)]
    # Of the next report a half is late; of the others one certificate is not listed any more, and one is new.
    second = [make_state(number, 2 * number + 1, 1000 + number, version=1 + 2 * (number % 2)) for number in range(500)]
    counts = []
    for states in (first, first[:1], second):
        with counted_statements() as asked:
            async with desk.database.transaction() as connection:
                await record_officers(connection, reversed(states))
        counts.append(len(asked))
    assert counts == [4, 4, 4]
    async with desk.database.read() as connection:
        kept = {
            int(row.certificate): (row.person_id, row.is_withdrawn, row.valid_until - _BEGINNING, row.version_number)
            async for row in await connection.execute(
                b"SELECT certificate, person_id, is_withdrawn, valid_until, version_number "
                b"FROM officer_certificate JOIN officer USING (person_id)"
            )
        }
    expected = {}
    for number in range(500):
        is_newer = number % 2 == 1
        withdrawn = {2 * number: is_newer, 2 * number + 1: False} | ({1000 + number: False} if is_newer else {})
        for certificate, is_withdrawn in withdrawn.items():
            expected[certificate] = (f"p{number}", is_withdrawn, timedelta(days=certificate), 2 + is_newer)
    assert kept == expected


async def test_certificate_never_changes_its_person(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "registration")
    thief = await desk.office.connect("operator/thief", officer.files)
    await desk.office.change(thief, ROLE)
    assert (await call(DeskStub(thief.channel).Look, request("Look"))).answer == f"officer {YAMADA}"
    # Nor where both claim it in one report, in whichever order.
    await desk.office.change(officer, "registration", is_withdrawn=True)
    await desk.office.report(thief.report(ROLE, number=5), officer.report("registration", number=5))
    assert (await call(DeskStub(thief.channel).Look, request("Look"))).answer == f"officer {YAMADA}"


async def test_malformed_reports_change_nothing(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    for changes in ({"agency": "a" * 70}, {"number": 0}):
        with pytest.raises(Refusal, match="OFFICER_MALFORMED"):
            await desk.office.report(officer.report(**{"number": 5, **changes}))  # type: ignore[arg-type]  # of each kind
    odd = officer_directory_pb2.OfficerState(person_id="Yamada Taro", agency="saitama-city")
    with pytest.raises(Refusal, match="OFFICER_MALFORMED"):
        await desk.office.send(odd)
    with pytest.raises(Refusal, match="INPUT_TOO_LARGE"):
        await desk.office.report(*[officer.report(ROLE, number=5)] * 501)
    assert (await call(DeskStub(officer.channel).Look, request("Look"))).answer == f"officer {YAMADA}"


async def test_agencies_and_services_need_no_look_into_the_database(desk: Desk) -> None:
    agency = await desk.office.connect("agency", desk.authority.agency("saitama-city"))
    stub = DeskStub(agency.channel)
    async with desk.database.transaction() as connection:
        await connection.execute(b"DROP TABLE officer_certificate")
    assert (await call(stub.Look, request("Look"))).answer == "agency saitama-city"
    front_door = desk.authority.service("front-door")
    options = [("grpc.ssl_target_name_override", NAME)]
    async with grpc.aio.secure_channel(desk.internal, create_channel_credentials(front_door), options) as channel:
        assert (await call(DeskStub(channel).Look, request("Look"))).answer == "service front-door"


async def test_officer_of_the_callers_file_is_noted_each_time(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    officer = await desk.office.connect("operator/goro", desk.authority.officer("operator/goro", ADMINISTRATOR))
    stub = DeskStub(officer.channel)
    with caplog.at_level(logging.WARNING, "servicekit.broken_glass"):
        for _ in range(2):
            await call(stub.Look, request("Look"))
    assert [record.getMessage() for record in caplog.records] == [
        "/toroku.testing.v1.Desk/Look is called by operator/goro, an officer of the file of callers (broken glass)"
    ] * 2
    # It signs acts as the others do, and two of them decide.
    other = await desk.office.connect("operator/jiro", desk.authority.officer("operator/jiro", ADMINISTRATOR))
    await sign_and_call(stub.Suspend, request("Suspend"), officer)
    record = (await sign_and_call(stub.Resume, request("Resume"), officer)).proposal
    asked = proposals_pb2.ApproveProposalRequest(
        proposal_id=record.proposal.proposal_id, proposal_sha256=record.proposal_sha256
    )
    desk.authority.forget("operator/goro")
    with pytest.raises(Refusal, match="PROPOSAL_PROPOSER_WITHDRAWN"):
        await sign_and_call(ProposalsStub(other.channel).ApproveProposal, asked, other)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await sign_request(RESUME, request("Resume"), officer)
    assert await sign_request(SUSPEND, request("Suspend"), other)


async def test_table_counts_before_the_callers_file(desk: Desk) -> None:
    files: CertificateFiles = desk.authority.officer(YAMADA, ADMINISTRATOR)
    officer = await desk.office.connect(YAMADA, files)
    stub = DeskStub(officer.channel)
    await desk.office.change(officer, "registration")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await sign_request(SUSPEND, request("Suspend"), officer)
    # Where the table was emptied, by mistake or by a thief, the file still counts.
    await desk.office.change(officer, is_withdrawn=True)
    assert (await sign_and_call(stub.Suspend, request("Suspend"), officer)).answer
