"""A contractor whose registration has reached all agencies, and mailboxes of its own."""

from functools import partial

from tests.support.contractor import Contractor, contact_of
from tests.support.running_instance import RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse
from toroku.contact.v1 import contact_pb2

GOOD = ResolveUserResponse.VERDICT_GOOD


async def register_everywhere(instance: RunningInstance) -> Contractor:
    """Returns a contractor whose registration has reached the other agencies, and its contacts are active there."""
    contractor = instance.contractor()
    contractor.card_contact = mailbox_of(contractor, "card")
    contractor.representative_contact = mailbox_of(contractor, "daihyo")
    await contractor.whole()
    for agency in (contractor.agency, *instance.other_agencies(contractor)):
        await instance.poll(partial(instance.resolve, contractor, agency), lambda answer: answer.verdict == GOOD)
        await instance.poll(partial(instance.contact, contractor, "card", agency), lambda found: found is not None)
    return contractor


def mailbox_of(contractor: Contractor, name: str) -> contact_pb2.Contact:
    return contact_of("土木 一郎", mail_address=f"{name}-{contractor.bidder_id}@contractor.example")
