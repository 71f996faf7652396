"""What is requested of a propagation, in portions, and what was made of it."""

from certificate_registry.domain.propagation import (
    NewRegistrations,
    PropagatedRegistration,
    PropagationResult,
    map_made,
    split_made,
    split_requested,
)

DONE = PropagationResult.DONE


def test_portions_have_all_registrations_once_with_their_agencies() -> None:
    requested = {str(number): ["city", "town"] for number in range(5)}
    portions = list(split_requested(requested, 2))
    assert [len(portion) for portion in portions] == [2, 2, 1]
    assert {source: agencies for portion in portions for source, agencies in portion.items()} == requested
    assert list(split_requested({}, 2)) == []


def test_what_was_made_is_done_and_the_rest_is_asked_for() -> None:
    # Two sources of one card, and another card of which nothing was made.
    new = NewRegistrations(b"card", "works", "1000000001", ["first", "second"], {"city": "of city", "town": "of town"})
    requested = {"first": ["city", "village"], "second": ["town"], "other": ["city"]}
    done, others = split_made(requested, map_made([new]))
    assert done == [
        PropagatedRegistration("first", "city", DONE, "of city"),
        PropagatedRegistration("second", "town", DONE, "of town"),
    ]
    assert others == {"first": ["village"], "other": ["city"]}


def test_card_that_gained_by_two_statements_has_all_of_it() -> None:
    new = [
        NewRegistrations(b"card", "works", "1000000001", ["source"], {"city": "1"}),
        NewRegistrations(b"card", "works", "1000000001", ["source"], {"town": "2"}),
    ]
    assert map_made(new) == {"source": {"city": "1", "town": "2"}}
