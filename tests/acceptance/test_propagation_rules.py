"""自動反映 asks what each agency itself would have asked."""

from functools import partial

import pytest

from refusals import Refusal
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from toroku.agencysync.v1 import propagation_pb2
from toroku.certificate.v1 import user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
NOT_REGISTERED = user_lookup_pb2.ResolveUserResponse.VERDICT_NOT_REGISTERED


@pytest.mark.requirement("CRD-10")
@pytest.mark.requirement("SYN-01")
@pytest.mark.requirement("SYN-05")
@pytest.mark.parametrize(
    ("company", "reason"),
    [
        ("株式会社べつの会社", "COMPANY_DIFFERS_FROM_CARD"),
        ("TOROKU KENSETSU CO.,LTD.", "COMPANY_NEEDS_OFFICER"),
        (None, "COMPANY_NEEDS_OFFICER"),
    ],
    ids=["another company", "romaji", "no company"],
)
async def test_card_of_another_company_does_not_reach_an_agency_that_compares_companies(
    instance: RunningInstance, company: str | None, reason: str
) -> None:
    honest = instance.contractor(agency=COMPANY_COMPARED_AT)
    bidder = instance.bidder_of(honest)
    elsewhere = next(agency for agency in bidder.agencies if agency != COMPANY_COMPARED_AT)
    card = instance.ca.issue(company=company)

    refused = instance.contractor(bidder=bidder, card=card, agency=COMPANY_COMPARED_AT)
    await refused.enter()
    with pytest.raises(Refusal, match=reason):
        await refused.find()

    contractor = instance.contractor(bidder=bidder, card=card, agency=elsewhere)
    receipt = await contractor.whole()
    listed = await instance.poll(
        partial(instance.propagations, receipt.registration),
        lambda listed: (
            COMPANY_COMPARED_AT in listed
            and listed[COMPANY_COMPARED_AT].state != propagation_pb2.PROPAGATION_STATE_PLANNED
        ),
    )

    assert listed[COMPANY_COMPARED_AT].state == propagation_pb2.PROPAGATION_STATE_REFUSED
    assert listed[COMPANY_COMPARED_AT].reason == reason
    assert (await instance.resolve(contractor)).verdict == GOOD
    assert (await instance.resolve(contractor, COMPANY_COMPARED_AT)).verdict == NOT_REGISTERED


async def test_card_of_the_bidder_reaches_an_agency_that_compares_companies(instance: RunningInstance) -> None:
    bidder = instance.bidder_of(instance.contractor(agency=COMPANY_COMPARED_AT))
    elsewhere = next(agency for agency in bidder.agencies if agency != COMPANY_COMPARED_AT)
    contractor = instance.contractor(bidder=bidder, agency=elsewhere)
    await contractor.whole()

    answer = await instance.poll(
        partial(instance.resolve, contractor, COMPANY_COMPARED_AT), lambda answer: answer.verdict == GOOD
    )
    assert answer.bidder_id == contractor.bidder_id
