"""What can't be recorded or propagated keeps nothing else waiting, and officers see it."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest

from refusals import Code, Refusal
from tests.support.example_profile import CITY, GOODS, PREFECTURE, TOWN, VILLAGE, WORKS, example_profile
from tests.support.services.agency_sync import RunningAgencySync, card_state, running_agency_sync
from toroku.certificate.v1 import card_state_pb2

DONE = {CITY: ("DONE", ""), TOWN: ("DONE", ""), VILLAGE: ("DONE", "")}
WAITING = (
    "SELECT refusals, refused_for, due_at - now() BETWEEN '0' AND '1 hour' FROM intentions WHERE refused_for <> ''"
)


@pytest.fixture
async def sync(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[RunningAgencySync]:
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, example_profile()) as running:
        for category in (WORKS, GOODS):
            await running.qualify(PREFECTURE, CITY, TOWN, VILLAGE, category=category)
        yield running


def spoil(state: card_state_pb2.CardState, part: str) -> card_state_pb2.CardState:
    match part:
        case "registrations.state":
            state.registrations[0].state = card_state_pb2.REGISTRATION_STATE_UNSPECIFIED
        case "registrations.registration_id":
            state.registrations[0].registration_id = "4711"
        case "registrations.agency":
            state.registrations[0].agency = ""
        case "version":
            state.ClearField("version")
        case "certificate_sha256":
            state.certificate_sha256 = b"short"
        case _:
            setattr(state, part, "a\0")
    return state


@pytest.mark.parametrize(
    "part",
    [
        "registrations.state",
        "registrations.registration_id",
        "registrations.agency",
        "version",
        "certificate_sha256",
        "category",
        "bidder_id",
    ],
)
async def test_state_that_can_not_be_read_keeps_no_other_from_being_recorded(
    sync: RunningAgencySync, part: str
) -> None:
    first, last = card_state(), card_state()
    with pytest.raises(Refusal, match="CARD_STATE_INVALID") as caught:
        await sync.record(first, spoil(card_state(), part), last)
    assert caught.value.metadata["part"] == part
    assert await sync.rows("SELECT count(*) FROM card_states") == [(2,)]
    await sync.propagate()
    for state in (first, last):
        assert await sync.propagations(UUID(state.registrations[0].registration_id)) == DONE


async def test_more_states_than_a_message_may_have_are_refused(sync: RunningAgencySync) -> None:
    with pytest.raises(Refusal, match="INPUT_TOO_MANY"):
        await sync.record(*(card_state() for _ in range(501)))
    assert await sync.rows("SELECT count(*) FROM card_states") == [(0,)]


def refuse_category(sync: RunningAgencySync, category: str) -> set[str]:
    """Has certificate-registry refuse requests with registrations of a category; returns those it does not know."""
    unknown = {category}

    async def refuse() -> None:
        requested = {
            registration_id
            for agency in sync.certificate_registry.propagation_requests[-1].agencies
            for registration_id in agency.registration_ids
        }
        rows = await sync.rows("SELECT registration_id, category FROM intentions")
        if any(str(registration_id) in requested and of in unknown for registration_id, of in rows):
            raise Refusal("CATEGORY_UNKNOWN", Code.INVALID_ARGUMENT, {"category": category})

    sync.certificate_registry.before_answer = refuse
    return unknown


async def test_category_that_a_registry_does_not_know_stops_no_other_and_is_shown(sync: RunningAgencySync) -> None:
    unknown = refuse_category(sync, GOODS)
    good = [await sync.record(card_state()) for _ in range(4)]
    bad = await sync.record(card_state(category=GOODS))
    good += [await sync.record(card_state()) for _ in range(4)]
    await sync.propagate()
    for registration_id in good:
        assert await sync.propagations(registration_id) == DONE
    assert await sync.propagations(bad) == dict.fromkeys((CITY, TOWN), ("PLANNED", "PROPAGATION_POSTPONED"))
    assert await sync.rows(WAITING) == [(1, "CATEGORY_UNKNOWN", True)]
    # It waits alone: fresh ones do not share its batch, and it is not asked for before it is due.
    calls = sync.certificate_registry.calls["PropagateRegistrations"]
    fresh = await sync.record(card_state())
    await sync.propagate()
    assert await sync.propagations(fresh) == DONE
    assert sync.certificate_registry.calls["PropagateRegistrations"] == calls + 1
    # Its wait grows, and a time that is further ahead than any wait counts as due.
    await sync.execute(
        "UPDATE intentions SET refusals = 40, due_at = now() + interval '30 days' WHERE refused_for <> ''"
    )
    await sync.propagate()
    assert await sync.rows(WAITING) == [(41, "CATEGORY_UNKNOWN", True)]
    # Once the registry knows the category it is propagated like any other.
    unknown.clear()
    await sync.execute("UPDATE intentions SET due_at = now()")
    await sync.propagate()
    assert await sync.propagations(bad) == dict.fromkeys((CITY, TOWN), ("DONE", ""))
    assert await sync.rows(WAITING) == []


async def test_registry_that_fails_for_all_leaves_the_batch_free(sync: RunningAgencySync) -> None:
    registration_ids = [await sync.record(card_state()) for _ in range(9)]
    sync.certificate_registry.failing = True
    with pytest.raises(Refusal, match="INTERNAL_FAILURE"):
        await sync.propagate()
    assert await sync.rows(WAITING) == []
    sync.certificate_registry.failing = False
    await sync.propagate()
    for registration_id in registration_ids:
        assert await sync.propagations(registration_id) == DONE


async def test_registration_that_a_registry_can_not_bear_waits_alone(sync: RunningAgencySync) -> None:
    bad, good = [await sync.record(card_state()) for _ in range(2)]

    async def fail() -> None:
        if any(
            str(bad) in propagation.registration_ids
            for propagation in sync.certificate_registry.propagation_requests[-1].agencies
        ):
            raise RuntimeError("a fault")

    sync.certificate_registry.before_answer = fail
    await sync.propagate()
    assert await sync.propagations(good) == DONE
    assert await sync.rows(WAITING) == [(1, "INTERNAL_FAILURE", True)]
    assert set((await sync.propagations(bad)).values()) == {("PLANNED", "PROPAGATION_POSTPONED")}
