"""A registration that names the expired card that it comes after."""

import json
from typing import Any

from tests.support.office import Office, replace_person

SERIAL = "224231109942"


def registered(office: Office) -> Any:
    return next(request for request in office.proxy.requests if type(request).__name__ == "RegisterRequest")


async def test_expired_card_is_named_in_the_act_and_shown_before_it(office: Office) -> None:
    replace_person(office, predecessor_serial="3435373536 (16進)")
    await office.register()
    request = registered(office)
    assert request.predecessor_serial == SERIAL
    assert any(SERIAL in line for line in json.loads(request.act.purpose)["lines"])
    assert office.person.value("登録先", "有効期限が切れた古いICカードの証明書シリアル番号") == SERIAL


async def test_nothing_is_sent_or_shown_where_no_card_is_named(office: Office) -> None:
    await office.register()
    assert registered(office).predecessor_serial == ""
    assert "有効期限が切れた古いICカードの証明書シリアル番号" not in dict(office.person.shown["登録先"])


async def test_what_is_no_serial_number_is_asked_for_again_before_anything_is_sent(office: Office) -> None:
    replace_person(office, predecessor_serial=["前のカード", SERIAL])
    office.person.tries_again = lambda _refusal: True
    await office.register()
    [refused] = office.person.refused
    assert [violation.field for violation in refused.violations] == ["predecessor_serial"]
    assert registered(office).predecessor_serial == SERIAL


async def test_card_that_nobody_knows_is_asked_for_again_and_may_be_left_out(office: Office) -> None:
    office.proxy.refuse("PrepareRegistration", "PREDECESSOR_UNKNOWN", times=1)
    replace_person(office, predecessor_serial=["1", ""])
    office.person.tries_again = lambda _refusal: True
    await office.register()
    assert [refusal.reason for refusal in office.person.refused] == ["PREDECESSOR_UNKNOWN"]
    assert office.person.asked.count("predecessor_serial") == 2
    assert office.person.asked.count("card_contact.telephone") == 1
    assert registered(office).predecessor_serial == ""
