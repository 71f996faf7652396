"""登録, 変更 and 更新 in a browser: portal, the agent's pages, card in the reader, all with real parts."""

import http.client
from pathlib import Path

import pytest
from playwright.async_api import Browser

from simulators.certificate_authorities import IssuedCard
from simulators.portal import Portal
from simulators.portal_journeys import Changing, Renewing
from tests.support.browser import person_at
from tests.support.card_reader import CardReader
from tests.support.contractor import Contractor
from tests.support.person_at_portal import PIN as PIN_FIELD
from tests.support.person_at_portal import (
    REST,
    Desk,
    PersonAtPortal,
    count_signatures,
    new_contractor,
    type_form,
)
from tests.support.running_agent import PHRASE, agent_of_a_person, trust
from tests.support.running_instance import ONE_PIN_CATEGORY, RunningInstance
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

GOOD = ResolveUserResponse.VERDICT_GOOD
CARD_REPLACED = ResolveUserResponse.VERDICT_CARD_REPLACED
PIN, OTHER_PIN, WRONG_PIN = "246810", "135792", "999999"
BUSY = "ただいま ICカードにアクセス中です"


@pytest.mark.requirement("CRD-01")
async def test_card_is_registered_with_one_pin_that_never_leaves_the_pc(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    card = desk.insert(contractor.card, PIN)
    portal.operations["登録"] = type_form(contractor).begin

    await person.begin("登録")
    await person.examine("card")
    page = await person.read_all()
    assert PHRASE in page
    assert "埼玉県電子入札共同システム" in page
    # Nothing has touched the card yet, and nothing asks for its PIN.
    assert card.instructions == []
    assert await person.page.locator(PIN_FIELD).count() == 0
    await person.use_card()
    await person.go_to_agent()
    await person.examine("log-in")
    page = await person.read_all()
    for part in (instance.agency_name(contractor.agency), instance.bidder_of(contractor).name):
        assert part in page
    # 担当者 is left empty.
    await person.type_pin(PIN)
    await person.come_back()
    await person.go_to_agent()
    await person.examine("act")
    # What is signed is shown with its values, before it is.
    for part in (contractor.bidder_id, contractor.card_contact.person_name, contractor.card_contact.mail_address):
        assert part in await person.read_all()
    assert await person.page.locator(PIN_FIELD).count() == 0
    await person.press()
    await person.come_back()

    assert await person.page.locator("#done").count() == 1, await person.read()
    answer = await instance.resolve(contractor)
    assert (answer.verdict, answer.bidder_id) == (GOOD, contractor.bidder_id)
    assert count_signatures(card) == 2
    assert not [form for form in portal.returned if PIN in str(form.values())]
    assert PIN not in person.agent.log


async def test_contact_is_changed_with_one_pin(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    await contractor.whole()
    desk.insert(contractor.card, PIN)
    portal.operations["変更"] = Changing(contractor.agency, contractor.category, "048-111-2222").begin

    await person.begin("変更")
    await person.use_card()
    await person.go_to_agent()
    await person.type_pin(PIN)
    await person.come_back()
    await person.go_to_agent()
    await person.examine("act-of-a-change")
    assert "048-111-2222" in await person.read_all()
    await person.press()
    await person.come_back()

    assert await person.page.locator("#done").count() == 1, await person.read()
    contact = await instance.contact(contractor, "card")
    assert contact is not None
    assert contact.telephone == "048-111-2222"


async def begin_renewal(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> tuple[Contractor, IssuedCard]:
    """Registers a contractor, and goes with the old card to the page of the new one; its PIN is said to be equal."""
    contractor = new_contractor(instance, ONE_PIN_CATEGORY)
    await contractor.whole()
    successor = instance.issue_successor(contractor)
    portal.operations["更新"] = Renewing(contractor.agency, contractor.category, propagate=False).begin
    desk.insert(contractor.card, PIN)
    await person.begin("更新")
    await person.examine("old-card")
    await person.use_card(share_pin=True)
    await person.log_in_and_sign(PIN)
    return contractor, successor


@pytest.mark.requirement("REN-01")
async def test_card_is_renewed_in_one_reader_with_one_pin_where_both_are_equal(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor, successor = await begin_renewal(instance, portal, person, desk)

    new = desk.insert(successor, PIN)
    await person.go_to_agent()
    await person.examine("new-card")
    await person.use_card()
    await person.sign()
    await person.sign()

    assert await person.page.locator("#done").count() == 1, await person.read()
    assert person.typed == [PIN]
    assert new.piv.tries_left == new.piv.tries
    assert (await instance.resolve(contractor, card=successor)).verdict == GOOD
    assert (await instance.resolve(contractor)).verdict == CARD_REPLACED


@pytest.mark.requirement("REN-01")
async def test_equal_pin_that_the_new_card_refuses_costs_one_try_and_is_asked_for(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor, successor = await begin_renewal(instance, portal, person, desk)

    new = desk.insert(successor, OTHER_PIN)
    await person.go_to_agent()
    await person.use_card()
    await person.go_to_agent()
    await person.press()
    assert "PIN" in await person.read_problem()
    assert new.piv.tries_left == 2
    await person.type_pin(OTHER_PIN)
    await person.come_back()
    await person.sign()

    assert await person.page.locator("#done").count() == 1, await person.read()
    assert (await instance.resolve(contractor, card=successor)).verdict == GOOD


@pytest.mark.requirement("CRD-08")
async def test_first_start_asks_for_a_phrase_and_a_certificate_file_is_registered_like_a_card(
    instance: RunningInstance, portal: Portal, browser: Browser, reader: CardReader, tmp_path: Path
) -> None:
    contractor = new_contractor(instance)
    portal.operations = {"登録": type_form(contractor).begin}
    # The smart card service, which runs, knows no reader by such a name, and takes none that is not ASCII.
    home = tmp_path / "山田 太郎"
    home.mkdir()
    file = home / "電子証明書.p12"
    file.write_bytes(contractor.card.pkcs12(PIN.encode()))
    launched = instance.launched
    trusted = trust(portal.place, launched.front_door, launched.certificates.public.authority)
    environment = reader.service.environment | {"LANG": "C"}
    with agent_of_a_person(home, {instance.profile.id: trusted}, environment) as agent:
        agent.choose_files([file])
        opened = agent.start()
        async with person_at(browser) as context:
            person = PersonAtPortal(await context.new_page(), portal, agent)
            await person.page.goto(opened)
            await person.examine("phrase")
            await person.page.fill("input[name=phrase]", PHRASE)
            await person.page.click("button[type=submit]")
            await person.page.wait_for_selector("button[name=instance]")
            await person.examine("start")
            assert PHRASE in await person.read_all()
            await person.page.click("button[name=instance]")
            await person.page.wait_for_url(f"{portal.place.origin}/")

            await person.begin("登録")
            # A file tells its certificates after its password only, which serves both signatures then.
            await person.press()
            await person.page.wait_for_selector(PIN_FIELD)
            await person.examine("password-of-a-file")
            assert "パスワード" in await person.read()
            await person.type_pin(PIN)
            await person.come_back()
            await person.sign()
            await person.sign()
            assert await person.page.locator("#done").count() == 1, await person.read()
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("CRD-02")
async def test_while_the_card_works_a_page_says_so_and_nothing_can_be_pressed_twice(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    card = desk.insert(contractor.card, PIN)
    portal.operations["登録"] = type_form(contractor).begin
    await person.begin("登録")
    await person.use_card()
    await person.go_to_agent()
    card.may_sign.clear()
    await person.page.fill(PIN_FIELD, PIN)

    # A double click sends the same form twice.
    await person.page.dblclick("button[value=ok]", no_wait_after=True)
    await person.page.wait_for_selector(f"text={BUSY}")
    await person.examine("busy")

    assert await person.page.locator(REST).count() == 0
    assert await person.page.locator("button, a, input").count() == 0
    card.may_sign.set()
    await person.come_back()
    assert count_signatures(card) == 1
    assert len(portal.returned) == 2


async def test_form_that_is_posted_again_gets_the_first_answer_and_back_has_no_effect(
    instance: RunningInstance, portal: Portal, person: PersonAtPortal, desk: Desk
) -> None:
    contractor = new_contractor(instance)
    card = desk.insert(contractor.card, PIN)
    portal.operations["登録"] = type_form(contractor).begin
    await person.begin("登録")
    await person.use_card()
    await person.go_to_agent()
    async with person.page.expect_request(lambda request: request.method == "POST") as posted:
        await person.type_pin(PIN)
    await person.come_back()
    shown, uses = person.page.url, len(card.instructions)

    body = (await posted.value).post_data
    assert body is not None
    assert "#handoff=" in post_again(person.agent.port, body)
    # Another PIN in the same form is not looked at.
    assert "#handoff=" in post_again(person.agent.port, body.replace(PIN, WRONG_PIN))
    while "127.0.0.1" not in person.page.url:
        await person.page.go_back()
    await person.page.goto(shown)

    assert len(card.instructions) == uses
    # The operation is where it was: at its act.
    await person.sign()
    assert await person.page.locator("#done").count() == 1


def post_again(port: int, body: str) -> str:
    """Posts what the browser posted, and returns the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(
        "POST",
        "/sign",
        body,
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{port}",
            "Sec-Fetch-Site": "same-origin",
        },
    )
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer
