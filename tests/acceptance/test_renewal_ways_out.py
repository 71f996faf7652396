"""What a renewal is not for is refused, and its words name the way to go: 登録, 変更, or whom to ask (REN-02)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from qualification_registry.domain.bidders import BidderStatus
from refusals import Refusal
from servicekit.database import Database
from tests.support.contractor import Contractor
from tests.support.interruption import count_rows
from tests.support.renewing_contractor import RenewingContractor
from tests.support.running_instance import COMPANY_COMPARED_AT, RunningInstance
from tests.support.stopped_bidders import set_status
from tests.support.ways_out import Way, require_way_out
from toroku.certificate.v1 import user_lookup_pb2

GOOD = user_lookup_pb2.ResolveUserResponse.VERDICT_GOOD
CARDS, BIDDERS = "certificate-registry", "qualification-registry"
ANOTHER_BIDDER = "1000000260"


@dataclass(slots=True)
class Attempt:
    """A contractor whose old card is registered, about to renew it; a condition changes what it does not meet."""

    instance: RunningInstance
    contractor: Contractor
    renewal: RenewingContractor

    async def execute(self, service: str, statement: str, *values: object) -> None:
        """Brings about in a service's database what takes officers, imports or years otherwise."""
        dsn = self.instance.launched.services[service].database
        assert dsn is not None
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            changed = await connection.execute(statement.encode(), values)
            assert changed.rowcount == 1

    async def give_status(self, status: BidderStatus) -> None:
        dsn = self.instance.launched.services[BIDDERS].database
        assert dsn is not None
        async with Database.open(dsn, pool=1) as database, database.transaction() as connection:
            await set_status(connection, self.contractor.bidder_id, self.contractor.category, status)

    def bring(self, **certificate: object) -> None:
        """Brings another new card, of the same company unless the certificate says otherwise."""
        values = {"company": self.instance.bidder_of(self.contractor).name} | certificate
        self.renewal.new = self.instance.ca.issue(**values)  # type: ignore[arg-type]


Condition = Callable[[Attempt], Awaitable[None]]


def succeeded_as(kind: str) -> Condition:
    """The bidder ID has changed: another one took its place."""
    statement = (
        "INSERT INTO predecessors (category, predecessor, bidder_id, kind, since) VALUES (%s, %s, %s, %s, now())"
    )

    async def change(at: Attempt) -> None:
        await at.execute(BIDDERS, statement, at.contractor.category, at.contractor.bidder_id, ANOTHER_BIDDER, kind)

    return change


def with_status(status: BidderStatus) -> Condition:
    return lambda at: at.give_status(status)


def of_old_card(statement: str) -> Condition:
    return lambda at: at.execute(CARDS, f"{statement} WHERE certificate_sha256 = %s", at.renewal.old.sha256)


def of_new_card(statement: str) -> Condition:
    """The new card is registered elsewhere, and was stopped there."""

    async def change(at: Attempt) -> None:
        elsewhere = at.instance.other_agencies(at.contractor)[0]
        bidder = at.instance.bidder_of(at.contractor)
        await at.instance.contractor(card=at.renewal.new, bidder=bidder, agency=elsewhere).whole()
        await at.execute(CARDS, f"{statement} WHERE certificate_sha256 = %s", at.renewal.new.sha256)

    return change


def with_new_card(**certificate: object) -> Condition:
    async def change(at: Attempt) -> None:
        at.bring(**certificate)

    return change


async def leave_the_roster(at: Attempt) -> None:
    await at.execute(BIDDERS, "UPDATE roster_lines SET agencies = '' WHERE bidder_id = %s", at.contractor.bidder_id)


async def renew_another_agencys_card(at: Attempt) -> None:
    at.renewal.agency = at.instance.agencies_without(at.contractor)[0]


async def expire(at: Attempt) -> None:
    ended = datetime.now(UTC) - timedelta(days=1)
    at.renewal.old = at.instance.ca.issue(not_before=ended - timedelta(days=700), not_after=ended)


async def revoke(at: Attempt) -> None:
    at.renewal.old = at.instance.revoked_card


async def renew_before(at: Attempt) -> None:
    await replace(at.renewal, new=at.instance.issue_successor(at.contractor)).whole()


async def register_new_card(at: Attempt) -> None:
    bidder = at.instance.bidder_of(at.contractor)
    await at.instance.contractor(card=at.renewal.new, bidder=bidder, agency=at.contractor.agency).whole()


async def bring_old_card_again(at: Attempt) -> None:
    at.renewal.new = at.renewal.old


async def register_for_another_bidder(at: Attempt) -> None:
    other = at.instance.contractor(card=at.renewal.new)
    while other.agency in (at.contractor.agency, COMPANY_COMPARED_AT):
        other = at.instance.contractor(card=at.renewal.new)
    await other.whole()


REGISTER, CHANGE, ASK_AGENCY, ASK_AUTHORITY = Way.REGISTER, Way.CHANGE, Way.ASK_AGENCY, Way.ASK_AUTHORITY
# What a renewal is not for, the reason, and the ways that its words name.
CONDITIONS: dict[str, tuple[Condition, str, tuple[Way, ...]]] = {
    "bidder reapplied": (succeeded_as("reapplication"), "BIDDER_REAPPLIED", (REGISTER, ASK_AGENCY)),
    "authority transferred": (succeeded_as("transfer"), "BIDDER_AUTHORITY_TRANSFERRED", (REGISTER, ASK_AGENCY)),
    "company merged": (succeeded_as("merger"), "BIDDER_MERGED", (REGISTER, ASK_AGENCY)),
    "bidder ended": (with_status(BidderStatus.ENDED), "BIDDER_ENDED", (REGISTER, ASK_AGENCY)),
    "bidder suspended": (with_status(BidderStatus.SUSPENDED), "BIDDER_SUSPENDED", (ASK_AGENCY,)),
    "bidder left the roster": (leave_the_roster, "BIDDER_NOT_QUALIFIED", (REGISTER,)),
    "company changed": (with_new_card(company="別名建設株式会社"), "CARD_COMPANY_DIFFERS", (REGISTER, ASK_AUTHORITY)),
    "address changed": (
        with_new_card(address="埼玉県川越市元町一丁目3番1号"),
        "CARD_ADDRESS_DIFFERS",
        (REGISTER, ASK_AUTHORITY),
    ),
    "old card registered elsewhere": (renew_another_agencys_card, "CARD_NOT_REGISTERED_HERE", (REGISTER,)),
    "old card expired": (expire, "CERTIFICATE_EXPIRED", (REGISTER, ASK_AGENCY)),
    "old card revoked": (revoke, "CERTIFICATE_REVOKED", (REGISTER, ASK_AUTHORITY)),
    "old card suspended": (
        of_old_card("UPDATE card_state SET suspended_because = 'lost'"),
        "CARD_SUSPENDED",
        (ASK_AGENCY,),
    ),
    "old card's binding closed": (
        of_old_card("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'"),
        "CARD_BINDING_ENDED",
        (ASK_AGENCY,),
    ),
    "old card renewed before": (renew_before, "CARD_REPLACED", (ASK_AGENCY,)),
    "new card registered": (register_new_card, "CARD_ALREADY_REGISTERED", (REGISTER, CHANGE)),
    "new card is the old one": (bring_old_card_again, "CARD_ALREADY_REGISTERED", (REGISTER, CHANGE)),
    "new card of another bidder": (
        register_for_another_bidder,
        "CARD_BOUND_TO_ANOTHER_BIDDER",
        (REGISTER, ASK_AGENCY),
    ),
    "new card suspended": (
        of_new_card("UPDATE card_state SET suspended_because = 'lost'"),
        "CARD_SUSPENDED",
        (ASK_AGENCY,),
    ),
    "new card's binding closed": (
        of_new_card("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'transfer'"),
        "CARD_BINDING_ENDED",
        (ASK_AGENCY,),
    ),
}


@pytest.mark.requirement("REN-02", "met")
@pytest.mark.parametrize(("condition", "reason", "ways"), CONDITIONS.values(), ids=CONDITIONS)
async def test_refused_renewal_names_the_way_to_go(
    instance: RunningInstance, condition: Condition, reason: str, ways: tuple[Way, ...]
) -> None:
    contractor = instance.contractor(agency="saitama-prefecture")
    await contractor.whole()
    renewal = RenewingContractor.of(contractor, instance.issue_successor(contractor), propagate=False)
    await condition(Attempt(instance, contractor, renewal))

    with pytest.raises(Refusal) as refused:
        await renewal.whole()

    assert refused.value.reason == reason
    require_way_out(refused.value, *ways)
    assert await count_rows(instance, CARDS, "request_outcome", renewal.new.sha256, "method = 'renew'") == 0


@pytest.mark.requirement("REN-02")
async def test_new_card_of_a_holder_whom_the_agency_may_not_take_is_sent_to_its_officers(
    instance: RunningInstance,
) -> None:
    contractor = instance.contractor(agency="kumagaya-city")
    await contractor.whole()
    bidder = instance.bidder_of(contractor)
    stranger = instance.ca.issue(company=bidder.name, holder="別人　次郎")

    with pytest.raises(Refusal) as refused:
        await RenewingContractor.of(contractor, stranger).whole()

    assert refused.value.reason == "HOLDER_NEEDS_OFFICER"
    require_way_out(refused.value, Way.ASK_AGENCY)
    assert (await instance.resolve(contractor)).verdict == GOOD


@pytest.mark.requirement("REN-02")
async def test_new_card_of_another_company_is_sent_to_the_agency_that_compares_it(instance: RunningInstance) -> None:
    contractor = instance.contractor(agency=COMPANY_COMPARED_AT)
    await contractor.whole()
    renewal = RenewingContractor.of(contractor, instance.ca.issue(company="別名建設株式会社"))

    with pytest.raises(Refusal) as refused:
        await renewal.whole()

    assert refused.value.reason == "COMPANY_DIFFERS_FROM_CARD"
    require_way_out(refused.value, Way.ASK_AGENCY)
    assert (await instance.resolve(contractor)).verdict == GOOD
