"""The PINs of a renewal: both, or one where the user says that they are equal; no try burnt on a guess (REN-01)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typing_extensions import override

from refusals import Refusal
from tests.support.card_in_memory import CardInMemory, PivInMemory, piv_of
from tests.support.example_profile import example_profile
from tests.support.renewal_office import NEW_PIN, OLD_PIN, VERIFY, RenewalOffice
from tests.support.services.front_door import running_front_door

EQUAL = {"pins": "equal"}
_ONE_WHERE_EQUAL = {"renewal": {"pins": "one_where_equal"}}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[RenewalOffice]:
    async with running_front_door(example_profile(category=_ONE_WHERE_EQUAL), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        yield office


class PulledAtFirstPin(CardInMemory):
    """A card that is pulled as soon as it has received a PIN, so that nobody knows whether it counted a try."""

    @override
    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        if command[1] == VERIFY and self.instructions.count(VERIFY) == 1:
            self.removed = True
            raise Refusal("CARD_REMOVED")
        return answer


@pytest.mark.requirement("REN-01")
async def test_one_pin_is_asked_for_where_the_user_says_that_both_are_equal(office: RenewalOffice) -> None:
    office.new_piv = PivInMemory.of(office.new, pin=OLD_PIN)
    office.person = office.make_person(**EQUAL)
    await office.renew()
    assert office.renewals == 1
    assert office.person.pins_asked == 1
    assert office.person.chosen_from["pins"] == ["different", "equal"]
    # For the log-in and, since the card took it, for the act.
    assert office.pins_sent(office.new_piv) == [OLD_PIN.encode()] * 2


@pytest.mark.requirement("REN-01")
async def test_one_pin_that_the_new_card_refuses_is_sent_once_and_then_asked_for(office: RenewalOffice) -> None:
    office.person = office.make_person(**EQUAL)
    await office.renew()
    assert office.renewals == 1
    assert [refusal.reason for refusal in office.person.refused] == ["CARD_PIN_WRONG"]
    assert office.pins_sent(office.new_piv) == [OLD_PIN.encode(), NEW_PIN.encode(), NEW_PIN.encode()]
    assert office.person.pin_questions[-1] == "新しいICカードのPIN（暗証番号）"


@pytest.mark.requirement("REN-01")
async def test_one_pin_is_not_sent_again_after_the_card_was_pulled_in_the_middle(office: RenewalOffice) -> None:
    pulled = PulledAtFirstPin(piv_of(office.new, pin=OLD_PIN))
    office.new_piv = PivInMemory(pulled)
    office.person = office.make_person(**EQUAL)

    def put_back(refusal: Refusal) -> bool:
        pulled.removed = False
        return refusal.reason == "CARD_REMOVED"

    office.person.tries_again = put_back
    office.person.pins = [OLD_PIN, OLD_PIN]
    await office.renew()
    assert office.renewals == 1
    # It may have cost a try: the person is asked before the next one.
    assert office.person.pins_asked == 2


@pytest.mark.requirement("REN-01")
async def test_both_pins_are_asked_for_where_the_user_does_not_say_so(office: RenewalOffice) -> None:
    await office.renew()
    assert office.person.pins_asked == 2
    assert office.pins_sent(office.new_piv) == [NEW_PIN.encode()] * 2


@pytest.mark.requirement("REN-01")
async def test_both_pins_are_asked_for_where_the_instance_wants_both(tmp_path: Path) -> None:
    async with running_front_door(example_profile(), tmp_path) as server:
        office = RenewalOffice(server, tmp_path)
        await office.register_old()
        office.person = office.make_person(**EQUAL)
        await office.renew()
        assert "pins" not in office.person.chosen_from
        assert office.person.pins_asked == 2
        assert office.pins_sent(office.new_piv) == [NEW_PIN.encode()] * 2


async def test_blocked_new_card_ends_the_renewal(office: RenewalOffice) -> None:
    office.new_piv = PivInMemory.of(office.new, pin=NEW_PIN, tries=1)
    office.person = office.make_person(**EQUAL)
    assert (await office.refused()).reason == "CARD_PIN_BLOCKED"
    assert office.pins_sent(office.new_piv) == [OLD_PIN.encode()]
    assert office.renewals == 0


@pytest.mark.requirement("REN-01")
async def test_wrong_pin_of_a_card_is_asked_for_again_if_the_person_wants_to(office: RenewalOffice) -> None:
    office.person.pins = ["999999", OLD_PIN, NEW_PIN]
    office.person.tries_again = lambda refusal: refusal.reason == "CARD_PIN_WRONG"
    await office.renew()
    assert office.pins_sent(office.old_piv) == [b"999999", OLD_PIN.encode(), OLD_PIN.encode()]
    assert office.renewals == 1
