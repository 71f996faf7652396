"""Which version counts at another agency, by the truth table of `pins`."""

from collections.abc import Mapping
from uuid import UUID

import pytest

from contact_notification.domain.pins import Pin, Reach, choose_reach, list_pins
from instance_profile.model import Propagation

A, B = UUID(int=1), UUID(int=2)
AGENCIES = frozenset({"prefecture", "city", "town"})


def after(reach: Reach, pins: Mapping[str, Pin], version: int = 2, change_id: UUID = B) -> Mapping[str, Pin]:
    """Returns the pins after a change at the prefecture."""
    return list_pins(pins, AGENCIES, version=version, agency="prefecture", reach=reach, change_id=change_id)


@pytest.mark.parametrize(
    ("reach", "no_pin", "lasting", "planned"),
    [
        (Reach.AT_ONCE, None, None, None),
        (Reach.HERE, Pin(2), Pin(1), Pin(1, A, 2)),
        (Reach.NIGHT, Pin(2, B), Pin(1, B), Pin(1, B)),
    ],
)
def test_change_leaves_each_agency_as_the_table_says(
    reach: Reach, no_pin: Pin | None, lasting: Pin | None, planned: Pin | None
) -> None:
    assert after(reach, {}).get("city") == no_pin
    assert after(reach, {"city": Pin(1)}).get("city") == lasting
    assert after(reach, {"city": Pin(1, A)}).get("city") == planned


@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("pin", [Pin(1), Pin(1, A), Pin(1, A, 2)])
def test_change_counts_at_its_own_agency_at_once(reach: Reach, pin: Pin) -> None:
    assert "prefecture" not in after(reach, {"prefecture": pin})


def test_what_the_night_leaves_is_what_the_last_propagated_change_left() -> None:
    first = after(Reach.NIGHT, {}, version=1, change_id=A)
    second = after(Reach.HERE, first, version=2)
    third = after(Reach.HERE, second, version=3)
    assert third["city"] == Pin(1, A, 2)
    assert after(Reach.NIGHT, third, version=4)["city"] == Pin(1, B)


def test_agency_at_which_nobody_is_registered_any_more_keeps_its_pin() -> None:
    assert after(Reach.HERE, {"village": Pin(1)})["village"] == Pin(1)


@pytest.mark.parametrize(
    ("propagation", "propagate", "reach"),
    [
        (Propagation.AT_ONCE, True, Reach.AT_ONCE),
        (Propagation.NIGHT, True, Reach.NIGHT),
        (Propagation.NIGHT, False, Reach.HERE),
        (Propagation.AT_ONCE, False, Reach.HERE),
    ],
)
def test_reach_is_what_the_contractor_chose_in_the_way_of_the_instance(
    propagation: Propagation, propagate: bool, reach: Reach
) -> None:
    assert choose_reach(propagation, propagate=propagate) is reach
