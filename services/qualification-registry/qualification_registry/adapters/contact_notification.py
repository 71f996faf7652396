"""contact-notification as the sender of mails."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qualification_registry.convert.bidders import write_bidder_notice
from qualification_registry.convert.card_approvals import write_answer
from qualification_registry.domain.bidder_notice import BidderNotice
from qualification_registry.domain.card_approval import Answer
from toroku.contact.v1 import contact_notification_pb2

if TYPE_CHECKING:
    from toroku.contact.v1.contact_notification_pb2_grpc import ContactNotificationAsyncStub


@dataclass(frozen=True, slots=True)
class ContactNotification:
    """The peer that sends notices and answers as mails."""

    stub: "ContactNotificationAsyncStub"

    async def send_answer(self, answer: Answer) -> None:
        """Hands an answer over. Raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        request = contact_notification_pb2.SendNoticesRequest(notices=[write_answer(answer)])
        await self.stub.SendNotices(request)

    async def send_bidder_notice(self, notice: BidderNotice) -> None:
        """Hands a notice over. Raises what the peer refuses, PEER_UNREACHABLE and PEER_FAILED."""
        request = contact_notification_pb2.SendNoticesRequest(notices=[write_bidder_notice(notice)])
        await self.stub.SendNotices(request)
