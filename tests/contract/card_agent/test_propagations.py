"""`card-agent propagations`, and what is said after an act where the other agencies follow in the night (SYN-05)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.changing_office import ChangingOffice, office_at
from tests.support.example_profile import CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.japanese_text import broken_rules
from tests.support.office import replace_person
from tests.support.propagations import REGISTRATION_ID, ended, planned
from toroku.agencysync.v1 import propagation_pb2

OF_CHANGE, OF_REGISTRATION = "自動反映：変更", "自動反映：登録"
BY_NIGHT = "自動反映：他の調達機関には、当日の夜間に反映されます。"
WHEN = "2026年11月27日"


@pytest.fixture(name="office")
async def office_of_the_night(tmp_path: Path) -> AsyncIterator[ChangingOffice]:
    """An office at an instance with a night batch, whose card is registered at the prefecture and the city."""
    async with office_at(tmp_path, example_profile(propagation="night")) as office:
        await office.have_registered(agencies=(CITY,))
        office.send_person()
        yield office


@pytest.mark.requirement("SYN-05")
async def test_card_sees_for_every_act_and_agency_whether_it_is_done_planned_or_refused(
    office: ChangingOffice,
) -> None:
    office.propagate(
        planned(CITY),
        planned(TOWN, reason="PROPAGATION_SUSPENDED"),
        ended(CITY),
        ended(VILLAGE, "BIDDER_NOT_QUALIFIED"),
    )
    assert len(await office.look_at_propagations()) == 4
    person, names = office.person, {agency.code: agency.name.ja for agency in office.server.profile.agencies}
    assert WHEN in person.value(OF_CHANGE, names[CITY])
    assert "停止されているため、反映を保留しています" in person.value(OF_CHANGE, names[TOWN])
    assert person.value(OF_REGISTRATION, names[CITY]) == "反映済み"
    refused = person.value(OF_REGISTRATION, names[VILLAGE])
    assert refused.startswith("反映されません。この調達機関・業務区分の入札参加資格がありません。")
    assert broken_rules(refused) == []
    # A look changes nothing: one signature, no session left.
    assert (office.signed, office.changes, office.server.cards.sessions) == (1, 0, {})


async def test_card_sees_what_it_did_at_the_chosen_agency_alone(office: ChangingOffice) -> None:
    office.propagate(planned(CITY), agency=TOWN)
    assert list(await office.look_at_propagations()) == []
    assert any("自動反映はありません" in said for said in office.person.told)


@pytest.mark.requirement("SYN-05")
async def test_look_is_answered_at_any_hour(office: ChangingOffice) -> None:
    office.server.clock.japan(23, 30)
    office.propagate(planned(CITY))
    assert len(await office.look_at_propagations()) == 1


@pytest.mark.requirement("SYN-05")
@pytest.mark.requirement("CHG-02")
async def test_change_says_that_the_other_agencies_follow_in_the_night(office: ChangingOffice) -> None:
    office.propagate(planned(CITY), ended(TOWN))
    shown: list[tuple[str, str]] = []
    office.person.before_confirming = lambda: shown.append(
        ("follows", office.person.value("変更先", "他の調達機関への反映"))
    )
    result = await office.change_done()
    assert shown[0] == ("follows", "自動反映する（当日の夜間）")
    assert BY_NIGHT in office.person.told
    assert [propagation.agency for propagation in result.planned] == [CITY]
    assert OF_CHANGE in office.person.titles
    assert OF_REGISTRATION not in office.person.titles


@pytest.mark.requirement("CHG-02")
@pytest.mark.requirement("SYN-04")
async def test_change_of_this_agency_alone_says_nothing_of_the_night(office: ChangingOffice) -> None:
    office.send_person(propagate="here_only")
    office.server.propagations.calls.clear()
    assert not (await office.change_done()).planned
    assert BY_NIGHT not in office.person.told
    assert office.server.propagations.calls["ListPropagationsOfCard"] == 0


@pytest.mark.requirement("SYN-05")
async def test_registration_says_that_the_other_agencies_follow_in_the_night(office: ChangingOffice) -> None:
    of_registration = propagation_pb2.PROPAGATION_KIND_REGISTRATION
    office.propagate(planned(VILLAGE, act_id=REGISTRATION_ID, kind=of_registration), agency=TOWN)
    replace_person(office, agency=TOWN)
    result = await office.register()
    assert [propagation.agency for propagation in result.planned] == [VILLAGE]
    assert BY_NIGHT in office.person.told


async def test_plan_that_can_not_be_read_does_not_spoil_what_was_done(office: ChangingOffice) -> None:
    office.server.propagations.failing = True
    assert not (await office.change_done()).planned
    assert BY_NIGHT in office.person.told
    assert office.changes == 1


async def test_nothing_is_asked_or_said_where_everything_is_propagated_at_once(tmp_path: Path) -> None:
    async with office_at(tmp_path, example_profile()) as office:
        await office.change_done()
        assert not any("夜間" in said for said in office.person.told)
        assert office.server.propagations.calls["ListPropagationsOfCard"] == 0
        assert PREFECTURE in office.person.chosen_from["agency"]
