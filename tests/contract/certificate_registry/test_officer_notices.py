"""What officers do to cards is told to all contacts of the bidder."""

from datetime import datetime

import pytest

from certificate_registry.domain.notice import CardAct, NoticeKind
from certificate_registry.operations.notices import tell_of_card
from history.writing import WrittenEntry, write_history
from servicekit.messages import write_timestamp
from tests.support.example_profile import CITY, WORKS
from tests.support.history import make_entry
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.contact.v1 import contact_pb2


async def tell(
    registry: RunningCertificateRegistry, visit: Visit, kind: NoticeKind, happened_at: datetime
) -> WrittenEntry:
    """Does something to a card as an officer's operation will: the entry and the notice in one transaction."""
    act = CardAct(visit.card.sha256, CITY, visit.category, visit.bidder_id, happened_at)
    async with registry.database.transaction() as connection:
        [entry] = await write_history(connection, registry.chain, [make_entry(1)])
        await tell_of_card(connection, kind, act, entry, now=happened_at)
    return entry


@pytest.mark.parametrize("kind", [NoticeKind.CARD_SUSPENDED, NoticeKind.CARD_RESUMED, NoticeKind.BINDING_UNDONE])
async def test_act_on_a_card_is_told_to_all_contacts_of_the_bidder_with_its_entry(
    registry: RunningCertificateRegistry, kind: NoticeKind
) -> None:
    visit, _ = await registry.register_new()
    await registry.run_jobs()
    registry.contact_notification.notices.clear()
    entry = await tell(registry, visit, kind, registry.now[0])
    await registry.run_jobs()
    (notice,) = registry.contact_notification.notices
    assert notice.kind == contact_pb2.NoticeKind.Value(f"NOTICE_KIND_{kind.name}")
    everybody, own = notice.recipients
    assert everybody.bidder == contact_pb2.BidderContacts(bidder_id=visit.bidder_id, category=WORKS)
    assert own.owner.certificate_sha256 == visit.card.sha256
    assert notice.card == contact_pb2.CardFacts(
        certificate_sha256=visit.card.sha256,
        serial_decimal=str(visit.card.certificate.serial_number),
        agency=CITY,
        category=WORKS,
        bidder_id=visit.bidder_id,
        happened_at=write_timestamp(registry.now[0]),
        holder_name="登録 太郎",
    )
    assert (notice.entry.digest, notice.entry.position > 0) == (entry.digest, True)
