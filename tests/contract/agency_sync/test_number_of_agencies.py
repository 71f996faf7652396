"""What a card's registrations cost does not depend on how many agencies there are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.example_profile import PREFECTURE, example_profile
from tests.support.services.agency_sync import agency_registration, card_state, running_agency_sync
from tests.support.statements import counted_statements
from toroku.certificate.v1 import card_pb2

FEW, MANY = 3, 60


def many_agencies() -> list[dict[str, Any]]:
    (first, *_) = example_profile().agencies
    described = first.model_dump(mode="json", exclude_none=True)
    return [described, *(described | {"code": f"city-{number}"} for number in range(1, MANY))]


async def test_sixty_agencies_have_the_statements_and_calls_of_three(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    profile = example_profile(agencies=many_agencies())
    codes = [agency.code for agency in profile.agencies]
    counts: dict[int, int] = {}
    async with running_agency_sync(migrated_database("agency_sync"), tmp_path, profile) as sync:
        for number in (FEW, MANY):
            await sync.qualify(*codes[:number])
            sync.certificate_registry.calls.clear()
            state = card_state(agency=PREFECTURE)
            with counted_statements() as statements:
                registration_id = await sync.record(state)
                await sync.propagate()
                # certificate-registry tells of all that it made in one state.
                for code in codes[1:number]:
                    state.registrations.append(
                        agency_registration(code, origin=card_pb2.REGISTRATION_ORIGIN_PROPAGATION)
                    )
                state.version.number += 1
                await sync.record(state)
            assert sync.certificate_registry.calls == {"PropagateRegistrations": 1}
            assert sync.contact_notification.calls == {}
            assert sync.certificate_registry.agencies_of(registration_id) == set(codes[1:number])
            done = [what for what, _ in (await sync.propagations(registration_id)).values() if what == "DONE"]
            assert len(done) == number - 1
            counts[number] = len(statements)
    # Four record the registration, one claims its intention, three record what became of it, two record the state, and
    # each of both states takes four more for the feeds. Where agencies refuse the bidder, one more looks whether its
    # state is still the one that it was judged by.
    assert counts == {FEW: 4 + 1 + 3 + 1 + 2 + 4 + 4, MANY: 4 + 1 + 3 + 2 + 4 + 4}
