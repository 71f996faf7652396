"""A contractor names the expired card before its new one, and an officer links the two."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from refusals import Refusal
from simulators.certificate_authorities import IssuedCard
from tests.support.example_profile import BIDDER, CITY, GOODS, OTHER_BIDDER, PREFECTURE, TOWN
from tests.support.services.card_officer import CardOfficer
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2
from toroku.contact.v1 import contact_pb2

HOUR = timedelta(hours=1)


async def register_expiring(registry: RunningCertificateRegistry, **changes: Any) -> Visit:
    """Registers a card that expires within the hour."""
    card = registry.card(not_after=registry.now[0] + HOUR / 2)
    visit, _ = await registry.register_new(card, **changes)
    return visit


def write_serial(visit: Visit) -> str:
    return str(visit.card.certificate.serial_number)


async def register_after(
    registry: RunningCertificateRegistry, serial: str, *, card: IssuedCard | None = None, **changes: Any
) -> tuple[Visit, card_pb2.Registration]:
    """Registers a new card, and names the serial number of the one before in each call."""
    visit = Visit(card or registry.card(), **changes)
    await registry.log_in(visit)
    await registry.check_registrable(visit, predecessor_serial=serial)
    await registry.sign_act(visit, predecessor_serial=serial)
    return visit, (await registry.register(visit, predecessor_serial=serial)).registration


async def appoint(registry: RunningCertificateRegistry, name: str = f"{PREFECTURE}/hanako") -> CardOfficer:
    return await registry.appoint(name, "binding")


@pytest.mark.every_postgresql
async def test_named_card_is_listed_until_an_officer_links_it(registry: RunningCertificateRegistry) -> None:
    old = await register_expiring(registry)
    registry.pass_time(HOUR)
    new, registration = await register_after(registry, write_serial(old))
    officer = await appoint(registry)
    (named,) = await officer.list_named()
    assert named.registration_id == registration.registration_id
    assert (named.bidder_id, named.certificate_sha256) == (BIDDER, new.card.sha256)
    assert (named.predecessor, named.predecessor_serial) == (old.card.sha256, write_serial(old))
    assert named.named_at == registration.registered_at
    await registry.run_jobs()
    registry.agency_sync.card_states.clear()
    await officer.link(new, old)
    assert await officer.list_named() == []
    assert await registry.rows("SELECT count(*) FROM registration WHERE predecessor IS NOT NULL") == [(1,)]
    await registry.run_jobs()
    ((state,),) = registry.agency_sync.card_states
    assert state.certificate_sha256 == new.card.sha256
    notice = registry.contact_notification.notices[-1]
    assert notice.kind == contact_pb2.NOTICE_KIND_PREDECESSOR_LINKED
    assert (notice.card.certificate_sha256, notice.card.agency) == (new.card.sha256, PREFECTURE)
    acts = await registry.rows(
        "SELECT who, what FROM history_entry JOIN history_details USING (number) "
        "WHERE who LIKE 'officer%' AND details LIKE '%\"act\"%'"
    )
    assert acts == [(f"officer {officer.name}", "predecessor linked")]


async def test_named_number_that_is_no_card_of_the_bidder_is_refused(registry: RunningCertificateRegistry) -> None:
    others = await register_expiring(registry, bidder_id=OTHER_BIDDER)
    in_goods = await register_expiring(registry, category=GOODS)
    wrong = await register_expiring(registry)
    await registry.execute(
        "UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'undone by officers' "  # noqa: S608
        f"WHERE certificate_sha256 = '\\x{wrong.card.sha256.hex()}'"
    )
    registry.pass_time(HOUR)
    visit = Visit(registry.card())
    await registry.log_in(visit)
    for serial in (
        *map(write_serial, (others, in_goods, wrong, visit)),
        "0",
        "12x",
        "-1",
        "１２",
        "9" * 49,
        "9" * 5000,
    ):
        with pytest.raises(Refusal, match="PREDECESSOR_UNKNOWN"):
            await registry.check_registrable(visit, predecessor_serial=serial)
        with pytest.raises(Refusal, match="PREDECESSOR_UNKNOWN"):
            await registry.create_act(visit, predecessor_serial=serial)
    await registry.sign_act(visit)
    with pytest.raises(Refusal, match="PREDECESSOR_UNKNOWN"):
        await registry.register(visit, predecessor_serial=write_serial(others))
    # The nonce is not used up, and the registration goes on without it.
    await registry.register(visit)
    assert await registry.rows("SELECT count(*) FROM named_predecessor") == [(0,)]


async def test_of_two_cards_with_one_number_the_one_that_expired_last_is_meant(
    registry: RunningCertificateRegistry,
) -> None:
    first, second = [await register_expiring(registry) for _ in range(2)]
    later, _ = await registry.register_new()
    await registry.execute("UPDATE card SET serial = '\\x2a'")
    await registry.execute(
        f"UPDATE card SET not_after = not_after - interval '1 day' "  # noqa: S608
        f"WHERE certificate_sha256 = '\\x{first.card.sha256.hex()}'"
    )
    registry.pass_time(HOUR)
    await register_after(registry, "42")
    (named,) = await (await appoint(registry)).list_named()
    assert named.predecessor == second.card.sha256 != later.card.sha256


async def test_registration_that_names_no_card_has_no_statement_more(registry: RunningCertificateRegistry) -> None:
    old = await register_expiring(registry)
    counts = []
    for serial in ("", write_serial(old)):
        visit = await registry.prepare(Visit(registry.card()))
        with counted_statements() as statements:
            await registry.register(visit, predecessor_serial=serial)
        counts.append(len(statements))
        assert any("named_predecessor" in statement for statement in statements) == bool(serial)
    assert counts[1] == counts[0] + 2


async def test_repeated_registration_names_the_card_once(registry: RunningCertificateRegistry) -> None:
    old = await register_expiring(registry)
    visit, registration = await register_after(registry, write_serial(old))
    again = await registry.register(visit, predecessor_serial=write_serial(old))
    assert again.registration == registration
    assert await registry.rows("SELECT count(*) FROM named_predecessor") == [(1,)]


async def test_card_that_has_not_expired_is_not_linked(registry: RunningCertificateRegistry) -> None:
    old = await register_expiring(registry)
    new, _ = await register_after(registry, write_serial(old))
    officer = await appoint(registry)
    with pytest.raises(Refusal, match="PREDECESSOR_NOT_EXPIRED"):
        await officer.link(new, old)
    registry.pass_time(HOUR)
    await officer.link(new, old)


async def test_card_is_linked_to_a_card_of_its_own_bidder_where_it_is_registered(
    registry: RunningCertificateRegistry,
) -> None:
    old, others = await register_expiring(registry), await register_expiring(registry, bidder_id=OTHER_BIDDER)
    registry.pass_time(HOUR)
    new, _ = await registry.register_new()
    officer, city = await appoint(registry), await appoint(registry, f"{CITY}/kumiko")
    for predecessor in (others, Visit(registry.card()), new):
        with pytest.raises(Refusal, match="PREDECESSOR_UNKNOWN"):
            await officer.link(new, predecessor)
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED"):
        await city.link(new, old)
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await city.link(new, old, agency=PREFECTURE)
    with pytest.raises(Refusal, match="CARD_NOT_REGISTERED"):
        await (await appoint(registry, "operator/jiro")).link(new, old)
    with pytest.raises(Refusal, match="BINDING_UNKNOWN"):
        await officer.link(new, old, bidder_id=OTHER_BIDDER)
    with pytest.raises(Refusal, match="OFFICER_REASON_INVALID"):
        await officer.link(new, old, reason="")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await (await registry.appoint(f"{PREFECTURE}/taro", "suspension")).link(new, old)


async def test_linked_card_is_not_linked_again_and_a_repeated_act_has_its_outcome(
    registry: RunningCertificateRegistry,
) -> None:
    old, older = await register_expiring(registry), await register_expiring(registry)
    registry.pass_time(HOUR)
    new, _ = await registry.register_new()
    newest, _ = await registry.register_new()
    officer, request_id = await appoint(registry), str(uuid4())
    linked = await officer.link(new, old, request_id=request_id)
    assert await officer.link(new, old, request_id=request_id) == linked
    for card, predecessor in ((new, old), (new, older), (newest, old)):
        with pytest.raises(Refusal, match="PREDECESSOR_CARD_LINKED"):
            await officer.link(card, predecessor)
    await officer.link(newest, older)


async def test_named_cards_are_listed_in_pages_and_not_where_the_registration_ended(
    registry: RunningCertificateRegistry,
) -> None:
    old = await register_expiring(registry)
    registered = []
    for _ in range(3):
        registered.append(await register_after(registry, write_serial(old)))
        registry.pass_time(timedelta(seconds=1))
    await register_after(registry, write_serial(old), agency=TOWN)
    officer = await appoint(registry)
    ids = [registration.registration_id for _, registration in registered]
    assert [named.registration_id for named in await officer.list_named(most=2)] == ids[:2]
    registry.pass_time(HOUR)
    # A page goes on where another officer has linked the last one of the page before.
    await officer.link(registered[1][0], old)
    assert [named.registration_id for named in await officer.list_named(after=ids[1])] == ids[2:]
    for wrong in ({"after": "1"}, {"most": -1}, {"most": 101}):
        with pytest.raises(Refusal, match="PAGE_INVALID"):
            await officer.list_named(**wrong)
    with pytest.raises(Refusal, match="CATEGORY_UNKNOWN"):
        await officer.list_named(category="none")
    await registry.execute(
        "UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'lapsed' "  # noqa: S608
        f"WHERE certificate_sha256 = '\\x{registered[0][0].card.sha256.hex()}'"
    )
    assert [named.registration_id for named in await officer.list_named()] == ids[2:]
