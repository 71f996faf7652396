"""企業情報 is kept whole with the contacts, for receipt and mail (QUA-07)."""

import pytest

from tests.support.example_profile import BIDDER
from tests.support.full_message import fill_message
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.qualification.v1.bidder_pb2 import CompanyProfile


@pytest.mark.requirement("QUA-07")
async def test_every_field_of_the_company_profile_is_kept(contacts: RunningContactNotification) -> None:
    company = fill_message(CompanyProfile())
    request = staging_request(company=company)
    await contacts.stage(request)
    assert (await contacts.staged(request)).company == company
    await contacts.register(request)
    assert (await contacts.staged(request)).company == company


@pytest.mark.requirement("REG-07")
async def test_mails_name_the_branch_that_bidding_is_delegated_to(contacts: RunningContactNotification) -> None:
    company = CompanyProfile(bidder_id=BIDDER, name="株式会社〇〇建設", branch="さいたま支店")
    await contacts.register(staging_request(company=company))
    await contacts.send_all()
    (mail,) = contacts.mailbox.to("card1@contractor.example")
    assert "企業名称 : 株式会社〇〇建設　さいたま支店\n" in mail.body
