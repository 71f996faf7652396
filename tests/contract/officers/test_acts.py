"""What officers sign: an act is good for exactly one request, once, by the officer's own key, while it may."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from history.reading import find_entries
from officers.expiry import delete_expired
from refusals import Refusal
from signed_acts.purpose import decode
from tests.support.desk_service import JOIN, SUSPEND, Desk, DeskStub, request
from tests.support.officers import ask_act, call, sign_and_call, sign_request

YAMADA = "saitama-city/yamada"


async def test_signed_act_is_carried_out_once_and_stands_in_the_history(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    stub = DeskStub(officer.channel)
    request_id = str(uuid4())
    for _ in range(2):
        response = await sign_and_call(stub.Suspend, request("Suspend"), officer, request_id=request_id)
        assert response.answer == f"suspended by {YAMADA}"
    async with desk.database.read() as connection:
        (entry,) = await find_entries(connection, "who", f"officer {YAMADA}", before=None, most=10)
    assert (entry.what, str(entry.request_id)) == ("bidder suspended", request_id)
    assert entry.details is not None
    assert '"act":{' in entry.details


async def test_act_says_in_words_what_will_be_done_and_names_what_it_is_about(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    purpose = decode((await ask_act(SUSPEND, request("Suspend", reason="あ" * 400), officer)).purpose)
    assert purpose.act is not None
    assert purpose.act.lines == (
        "業者「1000000001」の利用を停止します（saitama-city）。",
        "理由：" + "あ" * 397,
        "あ" * 3,
        "Suspend bidder 1000000001 at saitama-city.",
        "Reason: " + "あ" * 392,
        "あ" * 8,
    )
    assert (purpose.operation, purpose.agency, purpose.bidder_id) == (SUSPEND, "saitama-city", "1000000001")


async def test_act_is_for_one_request_only(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    stub = DeskStub(officer.channel)
    signed = await sign_request(SUSPEND, request("Suspend"), officer)
    for changes, reason in (
        ({"reason": "other"}, "PURPOSE_FOR_ANOTHER_REQUEST"),
        ({"bidder_id": "1000000002"}, "PURPOSE_FOR_ANOTHER_BIDDER"),
    ):
        altered = request("Suspend", **changes)
        altered.act.CopyFrom(signed.act)
        with pytest.raises(Refusal, match=reason):
            await call(stub.Suspend, altered)
    other = request("Resume")
    other.act.CopyFrom(signed.act)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_OPERATION"):
        await call(stub.Resume, other)
    with pytest.raises(Refusal, match="OFFICER_ACT_MISSING"):
        await call(stub.Suspend, request("Suspend"))


async def test_nonce_is_good_once_and_for_five_minutes(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    stub = DeskStub(officer.channel)
    signed = await sign_request(SUSPEND, request("Suspend"), officer)
    await call(stub.Suspend, signed)
    async with desk.database.transaction() as connection:
        await connection.execute(b"DELETE FROM officer_outcome")
    with pytest.raises(Refusal, match="CHALLENGE_USED"):
        await call(stub.Suspend, signed)
    late = await sign_request(SUSPEND, request("Suspend"), officer)
    desk.passed = timedelta(minutes=5, seconds=1)
    with pytest.raises(Refusal, match="CHALLENGE_EXPIRED"):
        await call(stub.Suspend, late)


async def test_purpose_that_the_service_did_not_issue_is_refused(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    stub = DeskStub(officer.channel)
    issued = (await ask_act(SUSPEND, request("Suspend"), officer)).purpose
    for found, changed, reason in (
        (b'"instance":"saitama"', b'"instance":"niigata"', "PURPOSE_FOR_ANOTHER_INSTANCE"),
        ("利用を停止".encode(), "利用を再開".encode(), "PURPOSE_ALTERED"),
        (b'"nonce":"', b'"nonce":"AAAA', "CHALLENGE_UNKNOWN"),
    ):
        forged = issued.replace(found, changed)
        if reason == "CHALLENGE_UNKNOWN":
            at = issued.index(found) + len(found)
            forged = issued[:at] + b"AAAA" + issued[at + 4 :]
        asked = request("Suspend")
        asked.act.CopyFrom(officer.sign(forged))
        with pytest.raises(Refusal, match=reason):
            await call(stub.Suspend, asked)


async def test_act_of_another_person_or_another_certificate_is_refused(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    other = await desk.office.enrol("saitama-city/suzuki", "suspension")
    renewed = await desk.office.enrol(YAMADA, "suspension")
    signed = await sign_request(SUSPEND, request("Suspend"), other)
    with pytest.raises(Refusal, match="PURPOSE_FOR_ANOTHER_CARD"):
        await call(DeskStub(renewed.channel).Suspend, signed)
    # The purpose names the certificate of the caller, but another key signed it.
    forged = request("Suspend")
    forged.act.CopyFrom(other.sign((await ask_act(SUSPEND, request("Suspend"), renewed)).purpose))
    with pytest.raises(Refusal, match="SIGNATURE_INVALID"):
        await call(DeskStub(renewed.channel).Suspend, forged)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await sign_request(SUSPEND, request("Suspend"), officer)


async def test_role_withdrawn_after_the_act_was_signed_is_missed(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    signed = await sign_request(SUSPEND, request("Suspend"), officer)
    await desk.office.change(officer, "registration")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await call(DeskStub(officer.channel).Suspend, signed)
    await desk.office.change(officer, "suspension")
    await call(DeskStub(officer.channel).Suspend, signed)


async def test_request_id_with_other_content_is_refused(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    stub = DeskStub(officer.channel)
    request_id = str(uuid4())
    await sign_and_call(stub.Suspend, request("Suspend"), officer, request_id=request_id)
    with pytest.raises(Refusal, match="REQUEST_ID_REUSED"):
        await sign_and_call(stub.Suspend, request("Suspend", reason="other"), officer, request_id=request_id)


async def test_challenge_is_for_whoever_may_call_the_method(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "registration", "roster")
    newcomer = await desk.office.connect("saitama-city/newcomer")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await ask_act(SUSPEND, request("Suspend"), officer)
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await ask_act(SUSPEND, request("Suspend"), newcomer)
    await desk.office.change(officer, "suspension")
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await ask_act(SUSPEND, request("Suspend", agency="kawagoe-city"), officer)
    for method in ("toroku.testing.v1.Desk/Look", "toroku.testing.v1.Desk/Nothing", ""):
        with pytest.raises(Refusal, match="OFFICER_METHOD_UNKNOWN"):
            await ask_act(method, request("Look"), officer)
    with pytest.raises(Refusal, match="REQUEST_ID_INVALID"):
        await ask_act(SUSPEND, request("Suspend"), officer, request_id="1")
    with pytest.raises(Refusal, match="OFFICER_REQUEST_MALFORMED"):
        await ask_act(SUSPEND, await sign_request(SUSPEND, request("Suspend"), officer), officer)
    with pytest.raises(Refusal, match="PURPOSE_MALFORMED"):
        await ask_act(SUSPEND, request("Suspend", reason="two\nlines"), officer)


async def test_person_who_is_not_registered_may_call_and_sign_what_says_so(desk: Desk) -> None:
    newcomer = await desk.office.connect("saitama-city/newcomer")
    stub = DeskStub(newcomer.channel)
    answer = (await sign_and_call(stub.Join, request("Join"), newcomer)).answer
    assert answer.startswith("unregistered person unregistered/")
    with pytest.raises(Refusal, match="CALLER_UNKNOWN"):
        await call(stub.Look, request("Look"))
    officer = await desk.office.enrol(YAMADA, "suspension")
    answer = (await sign_and_call(DeskStub(officer.channel).Join, request("Join"), officer)).answer
    assert answer == f"officer {YAMADA}"


async def test_person_with_a_certificate_of_another_authority_does_not_count_as_one(desk: Desk) -> None:
    files = replace(desk.agencies.person("newcomer"), trusted=desk.authority.trusted)
    stranger = await desk.office.connect("saitama-city/newcomer", files)
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        await call(DeskStub(stranger.channel).Join, request("Join"))
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        await ask_act(JOIN, request("Join"), stranger)


async def test_officer_whose_authority_was_taken_out_signs_nothing(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    signed = await sign_request(SUSPEND, request("Suspend"), officer)
    desk.officers_ca.write_bytes(desk.agencies.trusted.read_bytes())
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        await call(DeskStub(officer.channel).Suspend, signed)


async def test_old_challenges_and_outcomes_are_deleted(desk: Desk) -> None:
    officer = await desk.office.enrol(YAMADA, "suspension")
    await sign_and_call(DeskStub(officer.channel).Suspend, request("Suspend"), officer)
    now = datetime.now(UTC)
    assert await delete_expired(desk.database, now + timedelta(hours=23)) == 0
    assert await delete_expired(desk.database, now + timedelta(hours=25)) == 1
    assert await delete_expired(desk.database, now + timedelta(days=91)) == 1
