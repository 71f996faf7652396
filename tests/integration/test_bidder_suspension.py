"""A bidder's suspension from the officer's act to the log-ins of e-bidding systems and to the propagation (LIF-04)."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import pytest

from qualification_registry.adapters.agency_sync import AgencySync
from qualification_registry.adapters.certificate_registry import CertificateRegistry
from qualification_registry.domain.bidder_state import BidderState
from qualification_registry.operations.bidder_events import AGENCY_SYNC, CERTIFICATE_REGISTRY, Consumer
from refusals import Code, Refusal
from tests.support.example_profile import BIDDER, CITY, PREFECTURE, TOWN, VILLAGE, example_profile
from tests.support.services.agency_sync import RunningAgencySync, card_state, running_agency_sync
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.example_rosters import roster, row
from tests.support.services.qualification_registry import RunningQualificationRegistry, running_qualification_registry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1.user_lookup_pb2 import ResolveUserResponse

GOOD, SUSPENDED = ResolveUserResponse.VERDICT_GOOD, ResolveUserResponse.VERDICT_BIDDER_SUSPENDED
NOT_CONSUMED: list[str] = []


@dataclass(slots=True)
class Reachable:
    """A consumer that may be away."""

    consumer: Consumer
    is_away: bool = False

    async def record_bidder_states(self, states: Sequence[BidderState]) -> None:
        if self.is_away:
            raise Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE)
        await self.consumer.record_bidder_states(states)


@dataclass(slots=True)
class Instance:
    """The three services that a suspension concerns, each with its own database."""

    cards: RunningCertificateRegistry
    sync: RunningAgencySync
    bidders: RunningQualificationRegistry
    consumers: dict[str, Reachable] = field(default_factory=dict)


@pytest.fixture
async def instance(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Instance]:
    folders = [tmp_path / name for name in ("cards", "sync", "bidders")]
    for folder in folders:
        folder.mkdir()
    async with AsyncExitStack() as stack:
        cards = await stack.enter_async_context(
            running_certificate_registry(migrated_database("certificate_registry"), folders[0])
        )
        sync = await stack.enter_async_context(
            running_agency_sync(migrated_database("agency_sync"), folders[1], example_profile())
        )
        consumers = {
            CERTIFICATE_REGISTRY: Reachable(CertificateRegistry(cards.callers["qualification-registry"])),
            AGENCY_SYNC: Reachable(AgencySync(sync.from_qualification_registry)),
        }
        bidders = await stack.enter_async_context(
            running_qualification_registry(migrated_database("qualification_registry"), folders[2], consumers=consumers)
        )
        await bidders.officer.import_roster(roster(row(BIDDER)))
        await sync.qualify(PREFECTURE, CITY, TOWN, VILLAGE)
        yield Instance(cards, sync, bidders, consumers)


@pytest.mark.requirement("LIF-04")
@pytest.mark.requirement("SYN-08")
async def test_log_in_is_refused_within_a_second_of_the_act_and_good_after_the_resumption(instance: Instance) -> None:
    visit, registration = await instance.cards.register_new()
    await instance.cards.propagate({CITY: [registration.registration_id]})
    mika = await instance.bidders.appoint(f"{PREFECTURE}/mika")
    taro = await instance.bidders.appoint(f"{PREFECTURE}/taro")
    begins = monotonic()
    assert list((await mika.suspend()).not_yet_effective_at) == NOT_CONSUMED
    assert (await instance.cards.resolve(visit)).verdict == SUSPENDED
    assert monotonic() - begins < 1
    assert (await instance.cards.resolve(visit, CITY)).verdict == GOOD
    registration_id = await instance.sync.record(card_state(agency=CITY))
    await instance.sync.propagate()
    assert (await instance.sync.propagations(registration_id, CITY))[PREFECTURE] == ("REFUSED", "BIDDER_SUSPENDED")
    approved = await taro.approve(await mika.propose_resumption())
    assert list(approved.not_yet_effective_at) == NOT_CONSUMED
    assert (await instance.cards.resolve(visit)).verdict == GOOD
    await instance.sync.propagate()
    assert (await instance.sync.propagations(registration_id, CITY))[PREFECTURE] == ("DONE", "")


@pytest.mark.requirement("LIF-04")
@pytest.mark.requirement("SYN-08")
async def test_log_in_is_refused_after_a_registry_that_was_away_came_back(instance: Instance) -> None:
    visit, _ = await instance.cards.register_new()
    gen = await instance.bidders.appoint("operator/gen")
    instance.consumers[CERTIFICATE_REGISTRY].is_away = True
    assert list((await gen.suspend()).not_yet_effective_at) == [CERTIFICATE_REGISTRY]
    assert (await instance.cards.resolve(visit)).verdict == GOOD
    with pytest.raises(Refusal, match="PEER_UNREACHABLE"):
        await instance.bidders.send_events()
    instance.consumers[CERTIFICATE_REGISTRY].is_away = False
    await instance.bidders.send_events()
    assert (await instance.cards.resolve(visit)).verdict == SUSPENDED
