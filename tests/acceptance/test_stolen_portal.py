"""What a thief of the portal's certificate and open sessions can do without a card: docs/operations/portal.md."""

from collections.abc import AsyncIterator, Iterable
from uuid import uuid4

import grpc
import pytest
import pytest_asyncio
from google.protobuf.descriptor import ServiceDescriptor

from refusals import Refusal
from tests.support.changing_contractor import ChangingContractor
from tests.support.contractor import Contractor, altered, signed
from tests.support.running_instance import RunningInstance, channel_to
from toroku.agencysync.v1 import agency_sync_pb2
from toroku.certificate.v1 import certificate_registry_pb2
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse
from toroku.contact.v1 import contact_notification_pb2
from toroku.qualification.v1 import qualification_registry_pb2

NOT_REGISTERED = ResolveUserResponse.VERDICT_NOT_REGISTERED
# The services behind the front door, with what their internal listeners offer.
BEHIND = {
    "agency-sync": agency_sync_pb2,
    "certificate-registry": certificate_registry_pb2,
    "contact-notification": contact_notification_pb2,
    "qualification-registry": qualification_registry_pb2,
}


@pytest_asyncio.fixture(loop_scope="session")
async def stolen(instance: RunningInstance) -> AsyncIterator[grpc.aio.Channel]:
    """A connection to the front door's internal listener with the certificate of the portal."""
    portal = instance.launched.certificates.services["portal"]
    async with channel_to(instance.launched, portal, "front-door", listener="internal") as channel:
        yield channel


async def open_session(contractor: Contractor, stolen: grpc.aio.Channel) -> Contractor:
    """Returns a thief with the session that a contractor opened with its card, at the check of its registration."""
    contractor.channel = stolen
    await contractor.enter()
    await contractor.find()
    await contractor.prepare()
    return contractor


async def list_reasons_of(*steps: object) -> list[str]:
    """Returns the reasons for which steps are refused, none of which may succeed."""
    reasons = []
    for step in steps:
        with pytest.raises(Refusal) as caught:
            await step  # type: ignore[misc]
        reasons.append(caught.value.reason)
    return reasons


async def test_open_session_registers_nothing_without_the_card(
    instance: RunningInstance, stolen: grpc.aio.Channel
) -> None:
    thief = await open_session(instance.contractor(), stolen)
    own_card, purpose = instance.ca.issue(company=thief.company_name), thief.prepared.purpose
    nothing = signed(own_card, purpose)
    nothing.signature = b""
    log_in = signed(thief.card, thief.log_in_purpose)

    reasons = await list_reasons_of(
        thief.register(nothing), thief.register(signed(own_card, purpose)), thief.register(log_in)
    )

    assert reasons == ["SIGNATURE_INVALID", "SIGNATURE_INVALID", "PURPOSE_FOR_ANOTHER_TYPE"]
    assert (await instance.resolve(thief)).verdict == NOT_REGISTERED


async def test_act_that_a_person_signed_is_good_for_no_other_request(
    instance: RunningInstance, stolen: grpc.aio.Channel
) -> None:
    thief = await open_session(instance.contractor(), stolen)
    act = signed(thief.card, thief.prepared.purpose)
    other = signed(thief.card, thief.prepared.purpose)
    other.purpose = altered(act.purpose, agency="elsewhere")
    thief.card_contact.mail_address = "thief@hostile.example"

    # The same request with another contact, another request with the same act, another act with the same signature.
    reasons = await list_reasons_of(thief.prepare(), thief.register(other))
    thief.request_id = str(uuid4())
    await thief.prepare()
    reasons += await list_reasons_of(thief.register(act))

    assert reasons[:2] == ["REQUEST_ID_REUSED", "PURPOSE_FOR_ANOTHER_AGENCY"]
    assert (await instance.resolve(thief)).verdict == NOT_REGISTERED


async def test_open_session_of_a_registration_reads_and_changes_no_contact(
    instance: RunningInstance, stolen: grpc.aio.Channel
) -> None:
    contractor = instance.contractor()
    thief = await open_session(contractor, stolen)
    await thief.register()
    change = ChangingContractor.of(thief)
    change.session_token = thief.session_token

    assert await list_reasons_of(change.look()) == ["CARD_SESSION_FOR_ANOTHER_OPERATION"]


async def test_open_session_of_a_change_reads_one_card_at_one_agency_and_changes_nothing(
    instance: RunningInstance, stolen: grpc.aio.Channel
) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    elsewhere = instance.other_agencies(contractor)[0]
    thief = ChangingContractor.of(contractor)
    thief.channel = stolen
    await thief.see()
    thief.card_contact.mail_address = "thief@hostile.example"
    await thief.prepare()
    there = ChangingContractor.of(contractor, agency=elsewhere)
    there.channel, there.session_token = stolen, thief.session_token

    reasons = await list_reasons_of(
        thief.submit(signed(instance.ca.issue(), thief.prepared.purpose)),
        thief.submit(signed(thief.card, thief.log_in_purpose)),
        there.look(),
    )

    assert reasons == ["SIGNATURE_INVALID", "PURPOSE_FOR_ANOTHER_TYPE", "CARD_SESSION_FOR_ANOTHER_AGENCY"]
    contact = await instance.contact(contractor, "card")
    assert contact is not None
    assert contact.mail_address == contractor.card_contact.mail_address


async def test_certificate_alone_opens_no_session(instance: RunningInstance, stolen: grpc.aio.Channel) -> None:
    contractor = instance.contractor()
    await contractor.whole()
    contractor.channel = stolen
    await contractor.begin()
    own_card = instance.ca.issue(company=contractor.company_name)

    assert await list_reasons_of(contractor.log_in(signed(own_card, contractor.log_in_purpose))) == [
        "SIGNATURE_INVALID"
    ]


@pytest.mark.parametrize("service", BEHIND)
async def test_certificate_opens_nothing_behind_the_front_door(instance: RunningInstance, service: str) -> None:
    portal = instance.launched.certificates.services["portal"]
    described: Iterable[ServiceDescriptor] = BEHIND[service].DESCRIPTOR.services_by_name.values()
    paths = [f"/{each.full_name}/{method.name}" for each in described for method in each.methods]
    opened = {}
    async with channel_to(instance.launched, portal, service, listener="internal") as channel:
        for path in paths:
            try:
                await channel.unary_unary(path, bytes, bytes)(b"", timeout=10)
                opened[path] = "OK"
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED):
                    opened[path] = error.code().name

    assert paths
    assert opened == {}
