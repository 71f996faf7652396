"""What a search found is checked again where the registration is committed, over the real services."""

import psycopg
import pytest

from refusals import Refusal
from tests.support import running_instance
from tests.support.contractor import Contractor
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1 import user_lookup_pb2
from toroku.frontdoor.v1.entry_pb2 import EndSessionRequest
from toroku.frontdoor.v1.registration_pb2 import PrepareRegistrationRequest

PERSON = "髙﨑　花子"


async def reissue_password(instance: RunningInstance, contractor: Contractor) -> None:
    """Issues a new password to a contractor's bidder, as an officer does."""
    await running_instance.reissue_password(
        instance.launched, contractor.agency, contractor.category, contractor.bidder_id
    )


def name_person(request: PrepareRegistrationRequest) -> None:
    """Names the person in charge."""
    request.person_in_charge = PERSON


@pytest.mark.requirement("QUA-09")
@pytest.mark.requirement("REG-05")
async def test_password_reissued_before_the_commit_stops_it_and_no_retry_after_it(instance: RunningInstance) -> None:
    late, early = instance.contractor(), instance.contractor()
    await late.enter()
    await late.find()
    await late.prepare()
    receipt = await early.whole()
    for contractor in (late, early):
        await reissue_password(instance, contractor)

    for step in (late.register, late.prepare):
        with pytest.raises(Refusal, match="PASSWORD_CHANGED_TODAY"):
            await step()
    assert (await instance.resolve(late)).verdict == user_lookup_pb2.ResolveUserResponse.VERDICT_NOT_REGISTERED
    assert await early.register() == receipt


@pytest.mark.requirement("REG-06")
@pytest.mark.requirement("REG-09")
async def test_person_in_charge_is_in_the_signed_act_and_on_the_receipt(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.enter()
    await contractor.find()
    prepared = await contractor.prepare(name_person)
    assert f"担当者：{PERSON}" in instance.read_purpose(prepared.purpose)["lines"]
    receipt = await contractor.register()
    assert receipt.person_in_charge == PERSON
    assert await contractor.receipt() == receipt


@pytest.mark.requirement("ENT-07")
async def test_check_keeps_a_session_of_this_agency_and_category_only(instance: RunningInstance) -> None:
    contractor = instance.contractor()
    await contractor.begin()
    opened = await contractor.log_in()
    # A session is renewed where that was done more than twenty seconds ago.
    with psycopg.connect(instance.launched.services["certificate-registry"].database or "") as connection:
        connection.execute("UPDATE card_session SET last_used_at = last_used_at - interval '21 seconds'")
    checked = await contractor.check_session()
    assert opened.expires_at.ToNanoseconds() < checked.expires_at.ToNanoseconds()
    (agency, *_) = instance.other_agencies(contractor)
    with pytest.raises(Refusal, match="CARD_SESSION_FOR_ANOTHER_AGENCY"):
        await contractor.check_session(agency=agency)
    await contractor.call("EndSession", EndSessionRequest(session_token=contractor.session_token))
    with pytest.raises(Refusal, match="CARD_SESSION_UNKNOWN"):
        await contractor.check_session()
