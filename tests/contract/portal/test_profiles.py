"""What differs between instances: the same pages, made from another profile."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.contractor import contact_of
from tests.support.example_profile import BIDDER, GOODS, PREFECTURE, WORKS, example_profile
from tests.support.person_in_memory import PersonInMemory, write_contacts, write_search
from tests.support.services.portal import RunningPortal, running_portal

Opened = AbstractAsyncContextManager[RunningPortal]
OpenPortal = Callable[..., Opened]
MENU = "/agencies/prefecture/works/menu"


@pytest.fixture
def open_portal(migrated_database: Callable[[str], str], tmp_path: Path) -> OpenPortal:
    """Opens the portal of the example profile with changes."""

    @asynccontextmanager
    async def open_it(**changes: Any) -> AsyncIterator[RunningPortal]:
        async with running_portal(example_profile(**changes), tmp_path, migrated_database("portal")) as running:
            yield running

    return open_it


async def go_to_form(portal: RunningPortal) -> PersonInMemory:
    """Returns a new person at the form of a registration."""
    contractor, person = portal.front_door.contractor(), await portal.come()
    await person.log_in("registration", contractor)
    await person.send(write_search(contractor))
    return person


@pytest.mark.requirement("ENT-01", "met")
async def test_choice_is_skipped_where_there_is_one_agency_with_one_category(open_portal: OpenPortal) -> None:
    agency = example_profile().agency(PREFECTURE).model_dump(mode="json") | {"categories": [GOODS]}
    async with open_portal(agencies=[agency]) as portal:
        page = await portal.open_browser().get("/choice")

        assert page.address == f"/agencies/{PREFECTURE}/{GOODS}"


@pytest.mark.requirement("ENT-01")
async def test_category_alone_is_chosen_where_there_is_one_agency_with_several(open_portal: OpenPortal) -> None:
    agency = example_profile().agency(PREFECTURE).model_dump(mode="json")
    async with open_portal(agencies=[agency]) as portal:
        page = await portal.open_browser().get("/choice")
        assert "<select" not in page.body
        assert "調達機関: 例示県" in page.read()
        chosen = await portal.open_browser().get(f"/choice?agency={page.list_values()['agency']}&category={GOODS}")

        assert chosen.address == f"/agencies/{PREFECTURE}/{GOODS}"


@pytest.mark.requirement("ENT-08", "met")
async def test_chat_of_the_instance_stands_on_every_screen(open_portal: OpenPortal) -> None:
    desk = example_profile().help_desk.model_dump(mode="json") | {"chat_url": "https://chat.example.lg.jp/"}
    async with open_portal(help_desk=desk) as portal:
        for address in ("/", "/choice", MENU, "/nowhere", "/end"):
            page = await portal.open_browser().get(address)
            assert '<a href="https://chat.example.lg.jp/" rel="noreferrer">チャット</a>' in page.body, address


@pytest.mark.requirement("ENT-10", "met")
async def test_after_an_operation_e_bidding_is_entered_anew_from_the_end(open_portal: OpenPortal) -> None:
    async with open_portal(bidding_url="https://ebid.example.jp/") as portal:
        person = await go_to_form(portal)
        await person.send(write_contacts())
        await person.send()
        done = await person.sign()
        assert "https://ebid.example.jp/" not in done.body
        person.page = await person.browser.get("/log-out")
        end = await person.browser.post("/log-out", {})

        assert end.find_link("ebid") == "https://ebid.example.jp/"
        assert "operation=registration" in end.address


@pytest.mark.requirement("ENT-05", "met")
@pytest.mark.parametrize(("hour", "minute"), [(8, 29), (20, 0)])
async def test_menu_outside_the_hours_says_when_it_opens_and_begins_nothing(
    open_portal: OpenPortal, hour: int, minute: int
) -> None:
    async with open_portal() as portal:
        portal.front_door.clock.japan(hour, minute)
        menu = await portal.open_browser().get(MENU)

        day = "2026年11月27日(金)" if hour < 20 else "2026年11月30日(月)"
        assert f"現在は受付時間外です。次の受付開始：{day} 8時30分" in menu.read()
        assert menu.body.count('class="first" disabled') == 3


@pytest.mark.requirement("ENT-05")
async def test_what_was_begun_in_time_can_be_finished_ten_minutes_later_and_no_longer(open_portal: OpenPortal) -> None:
    async with open_portal() as portal:
        portal.front_door.clock.japan(19, 58)
        person = await go_to_form(portal)
        portal.front_door.clock.japan(20, 6)
        await person.send(write_contacts())
        await person.send()
        portal.front_door.clock.japan(20, 11)
        page = await person.sign()

        assert "受付時間" in page.read()
        assert "2026年11月30日(月) 8時30分" in page.read()
        assert portal.front_door.cards.calls["Register"] == 0


@pytest.mark.requirement("ENT-07", "met")
async def test_log_out_asks_ends_the_cards_session_and_leaves_nothing(open_portal: OpenPortal) -> None:
    async with open_portal() as portal:
        person = await go_to_form(portal)
        form = person.page.address
        question = await person.browser.get("/log-out")
        assert "よろしいですか" in question.read()
        end = await person.browser.post("/log-out", {})

        assert "終了画面" in end.read()
        assert not portal.front_door.cards.sessions
        assert (await person.browser.get(form)).status == 404


@pytest.mark.requirement("ENT-07")
async def test_ten_minutes_without_use_end_the_log_in(open_portal: OpenPortal) -> None:
    async with open_portal() as portal:
        person = await go_to_form(portal)
        portal.front_door.clock.japan(10, 10)
        page = await person.send(write_contacts())

        assert page.address.endswith("/card")
        assert "10分" in page.read()


@pytest.mark.requirement("ENT-09", "met")
async def test_form_of_a_page_that_is_not_the_newest_does_nothing(open_portal: OpenPortal) -> None:
    async with open_portal() as portal:
        person = await go_to_form(portal)
        await person.send(write_contacts())
        check = person.page
        early = check.list_values() | {"answer": "ok", "version": "1"}
        page = await person.browser.post(check.find_action(), early)

        assert page.address.endswith("/check")
        assert portal.front_door.cards.calls["CreateActChallenge"] == 0


@pytest.mark.requirement("CRD-04", "met")
async def test_of_a_card_is_shown_what_the_instance_shows_and_never_null(open_portal: OpenPortal) -> None:
    display = {
        "fields": ["company_name", "company_address", "holder_name", "holder_address"],
        "serial_number": ["decimal"],
    }
    async with open_portal(category={"card_display": display}) as portal:
        contractor, person = portal.front_door.contractor(), await portal.come()
        await portal.front_door.register(contractor)
        await person.log_in("renewal", contractor)
        await person.sign()
        await person.use_card(portal.front_door.card())
        page = await person.sign()
        serial = contractor.card.certificate.serial_number

        assert "ICカード企業住所 証明書に記載なし" in page.read()
        assert f"{serial} (10進) / {serial:X} (16進)" in page.read()
        expiry = contractor.card.certificate.not_valid_after_utc
        assert f"{expiry:%Y/%m/}" in page.read()
        assert "null" not in page.body
        assert "None" not in page.read()


@pytest.mark.requirement("REG-02", "met")
async def test_mail_address_is_typed_twice_where_the_instance_wants_that(open_portal: OpenPortal) -> None:
    async with open_portal(category={"mail_address_typed_twice": True}) as portal:
        person = await go_to_form(portal)
        twice = {
            f"{section}.mail_address_again": contact
            for section, contact in (
                ("card_contact", "koji@contractor.example"),
                ("representative_contact", "other@contractor.example"),
            )
        }
        page = await person.send(write_contacts() | twice)

        assert 'id="representative_contact.mail_address_again-problem"' in page.body
        assert 'id="card_contact.mail_address_again-problem"' not in page.body
        page = await person.send({"representative_contact.mail_address_again": "daihyo@contractor.example"})
        assert page.address.endswith("/check")


@pytest.mark.requirement("REG-03", "met")
@pytest.mark.parametrize(
    ("rule", "is_known", "is_asked"),
    [
        ("first_registration", False, True),
        ("first_registration", True, False),
        ("shown", True, False),
        ("always", True, True),
    ],
)
async def test_representative_contact_is_asked_as_the_instance_says(
    open_portal: OpenPortal, rule: str, is_known: bool, is_asked: bool
) -> None:
    async with open_portal(category={"representative_contact": rule}) as portal:
        if is_known:
            portal.front_door.contacts.representatives[BIDDER, WORKS] = contact_of("代表 次郎")
        person = await go_to_form(portal)

        assert ("representative_contact.person_name" in person.page.list_values()) is is_asked
        assert ("代表 次郎" in person.page.read()) is (is_known and not is_asked)
        # Who wants to change it is sent to 変更.
        assert ("「変更」を選んでください" in person.page.read()) is (not is_asked)
