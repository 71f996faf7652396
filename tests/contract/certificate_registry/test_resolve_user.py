"""Lookups of e-bidding systems: the bidder of a card and whether the card is valid there now (SYN-08)."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from typing_extensions import override

from certificate_registry.domain.verdict import LookupKey, Verdict
from certificate_registry.operations.resolve_user import HALF_FULL, MOST_KEYS, BatchedLookups
from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from refusals import Refusal
from servicekit.database import Database
from servicekit.database_connection import Connection
from tests.support.example_profile import BIDDER, CITY, GOODS, PREFECTURE, WORKS
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import user_lookup_pb2

Answer = user_lookup_pb2.ResolveUserResponse
ENDED = Answer.VERDICT_BINDING_ENDED


class _CountedReads(Database):
    reads = 0

    @override
    def read(self) -> AbstractAsyncContextManager[Connection]:
        self.reads += 1
        return super().read()


def request_of(visit: Visit) -> user_lookup_pb2.ResolveUserRequest:
    """The question about a card whose possession was verified."""
    return user_lookup_pb2.ResolveUserRequest(
        agency=visit.agency, category=visit.category, certificate_sha256=visit.card.sha256, possession_verified=True
    )


def test_verdict_numbers_are_those_of_the_interface() -> None:
    names = {f"VERDICT_{verdict.name}": verdict.value for verdict in Verdict}
    assert names | {"VERDICT_UNSPECIFIED": 0} == dict(Answer.Verdict.items())


@pytest.mark.requirement("REG-08")
@pytest.mark.requirement("SYN-08")
async def test_registered_card_resolves_to_its_bidder_at_once(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    before = datetime.now(UTC)
    answer = await registry.resolve(visit)
    assert (answer.verdict, answer.bidder_id) == (Answer.VERDICT_GOOD, BIDDER)
    assert abs(answer.as_of.ToDatetime(UTC) - before) < timedelta(seconds=30)


@pytest.mark.requirement("SYN-08")
async def test_card_not_registered_there_resolves_to_no_bidder(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    unknown = Visit(registry.card())
    for asked in (Visit(visit.card, agency=CITY), Visit(visit.card, category=GOODS), unknown):
        answer = await registry.resolve(asked)
        assert (answer.verdict, answer.bidder_id) == (Answer.VERDICT_NOT_REGISTERED, "")
        assert answer.HasField("as_of")


@pytest.mark.requirement("SYN-08")
@pytest.mark.requirement("LIF-01", "met")
@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ("UPDATE card SET not_after = now() - interval '1 second'", Answer.VERDICT_CERTIFICATE_EXPIRED),
        ("UPDATE card SET not_before = now() + interval '1 hour'", Answer.VERDICT_CERTIFICATE_NOT_YET_VALID),
        ("UPDATE card SET revoked_at = now()", Answer.VERDICT_CERTIFICATE_REVOKED),
        (
            "UPDATE card SET distrusted_at = now(), distrusted_because = 'CERTIFICATE_PATH_INVALID'",
            Answer.VERDICT_CERTIFICATE_NOT_TRUSTED,
        ),
        # Seen without a worker: by the database's clock.
        ("UPDATE card SET trusted_until = now() - interval '1 second'", Answer.VERDICT_CERTIFICATE_NOT_TRUSTED),
        ("UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'renewal'", ENDED),
        ("UPDATE binding SET ended_at = now(), ended_as = 'released', ended_because = 'officer'", ENDED),
        (
            "UPDATE registration SET state = 'replaced', reason = 'renewal', replaced_by = 'x'",
            Answer.VERDICT_CARD_REPLACED,
        ),
        ("UPDATE registration SET state = 'suspended', reason = 'officer'", Answer.VERDICT_CARD_SUSPENDED),
        ("UPDATE card_state SET suspended_because = 'lost'", Answer.VERDICT_CARD_SUSPENDED),
    ],
)
async def test_verdict_names_why_a_card_is_no_longer_valid(
    registry: RunningCertificateRegistry, change: str, verdict: "Answer.Verdict.ValueType"
) -> None:
    visit, _ = await registry.register_new()
    await registry.execute(change)
    answer = await registry.resolve(visit)
    assert (answer.verdict, answer.bidder_id) == (verdict, "")


@pytest.mark.requirement("SYN-08")
@pytest.mark.requirement("LIF-02")
async def test_revoked_card_is_refused_once_its_list_is_fetched(registry: RunningCertificateRegistry) -> None:
    revoked, _ = await registry.register_new()
    other, _ = await registry.register_new()
    registry.ca.revoke(revoked.card)
    assert (await registry.resolve(revoked)).verdict == Answer.VERDICT_GOOD
    await registry.fetch_lists()
    assert (await registry.resolve(revoked)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
    assert (await registry.resolve(other)).verdict == Answer.VERDICT_GOOD


async def test_card_without_verified_possession_is_refused(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    request = user_lookup_pb2.ResolveUserRequest(
        agency=visit.agency, category=visit.category, certificate_sha256=visit.card.sha256
    )
    with pytest.raises(Refusal, match="POSSESSION_NOT_VERIFIED"):
        await registry.lookups["front-door"].ResolveUser(request)


@pytest.mark.parametrize(
    ("agency", "category", "certificate_sha256", "reason"),
    [
        (PREFECTURE, WORKS, b"", "CERTIFICATE_SHA256_INVALID"),
        (PREFECTURE, WORKS, b"x" * 33, "CERTIFICATE_SHA256_INVALID"),
        ("nowhere\0", WORKS, b"x" * 32, "AGENCY_UNKNOWN"),
        (PREFECTURE, "works\0", b"x" * 32, "CATEGORY_UNKNOWN"),
    ],
)
async def test_unknown_or_malformed_lookup_key_is_refused(
    registry: RunningCertificateRegistry, agency: str, category: str, certificate_sha256: bytes, reason: str
) -> None:
    request = user_lookup_pb2.ResolveUserRequest(
        agency=agency, category=category, certificate_sha256=certificate_sha256, possession_verified=True
    )
    with pytest.raises(Refusal, match=reason):
        await registry.lookups["front-door"].ResolveUser(request)


async def test_certificate_beside_its_hash_does_not_change_the_answer(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    unknown = Visit(registry.card())
    for asked, verdict, bidder in (
        (visit, Answer.VERDICT_GOOD, BIDDER),
        (unknown, Answer.VERDICT_NOT_REGISTERED, ""),
    ):
        request = request_of(asked)
        request.certificate = asked.card.der
        answer = await registry.lookups["front-door"].ResolveUser(request)
        assert (answer.verdict, answer.bidder_id) == (verdict, bidder)


async def test_certificate_of_another_card_is_refused(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    request = request_of(visit)
    request.certificate = registry.card().der
    with pytest.raises(Refusal, match="CERTIFICATE_SHA256_DIFFERS"):
        await registry.lookups["front-door"].ResolveUser(request)


async def test_certificate_may_have_16_kibibytes_at_most(registry: RunningCertificateRegistry) -> None:
    longest = bytes(16 * 1024)
    for certificate, too_large in ((longest, False), (longest + b"\0", True)):
        request = user_lookup_pb2.ResolveUserRequest(
            agency=PREFECTURE,
            category=WORKS,
            certificate_sha256=sha256(certificate).digest(),
            certificate=certificate,
            possession_verified=True,
        )
        if too_large:
            with pytest.raises(Refusal, match="INPUT_TOO_LARGE") as refused:
                await registry.lookups["front-door"].ResolveUser(request)
            assert refused.value.metadata == {"most": "16384"}
        else:
            answer = await registry.lookups["front-door"].ResolveUser(request)
            assert answer.verdict == Answer.VERDICT_NOT_REGISTERED


async def test_agency_may_only_look_up_its_own_registrations(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    request = request_of(visit)
    assert (await registry.lookups[PREFECTURE].ResolveUser(request)).bidder_id == BIDDER
    request.agency = CITY
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await registry.lookups[PREFECTURE].ResolveUser(request)


@pytest.mark.every_postgresql
async def test_concurrent_lookups_get_their_own_answers(registry: RunningCertificateRegistry) -> None:
    visits = [(await registry.register_new(bidder_id=f"100000000{number}"))[0] for number in range(4)]
    asked = [visits[number % 4] if number % 5 else Visit(registry.card()) for number in range(6 * MOST_KEYS)]
    answers = await asyncio.gather(*(registry.resolve(visit) for visit in asked))
    assert [answer.bidder_id for answer in answers] == [visit.bidder_id if visit in visits else "" for visit in asked]


async def test_unreadable_key_fails_alone(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    good = LookupKey(visit.agency, visit.category, visit.card.sha256)
    async with Database.open(registry.dsn, pool=2) as database:
        lookups = BatchedLookups(database, most_queries=2)
        keys = [good, LookupKey("NUL\0", WORKS, visit.card.sha256), good, good]
        answers = await asyncio.gather(*(lookups.look_up(key) for key in keys), return_exceptions=True)
    assert [isinstance(answer, Refusal) for answer in answers] == [False, True, False, False]


async def test_next_query_is_under_way_while_callers_are_answered(
    registry: RunningCertificateRegistry,
) -> None:
    key = LookupKey(PREFECTURE, WORKS, bytes(32))

    async def look_up() -> int:
        await lookups.look_up(key)
        return opened.reads

    async with _CountedReads.open(registry.dsn, pool=1) as opened:
        lookups = BatchedLookups(opened, most_queries=1)
        # The first one goes alone, 24 and 12 are gathered meanwhile.
        reads = await asyncio.gather(*(look_up() for _ in range(1 + MOST_KEYS + HALF_FULL)))
    assert reads == [1, *[3] * (MOST_KEYS + HALF_FULL)]


async def test_answers_are_nobodys_where_a_code_is_none(registry: RunningCertificateRegistry) -> None:
    """They are in the order of the keys, so with one too many each could be another's."""
    visit, _ = await registry.register_new()
    good = LookupKey(visit.agency, visit.category, visit.card.sha256)
    async with Database.open(registry.dsn, pool=1) as database:
        lookups = BatchedLookups(database, most_queries=1)
        keys = [good, LookupKey("two codes", WORKS, visit.card.sha256), good, good]
        answers = await asyncio.gather(*(lookups.look_up(key) for key in keys), return_exceptions=True)
    assert [isinstance(answer, ValueError) for answer in answers] == [False, True, True, True]


async def test_cancelled_lookup_does_not_affect_others(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    key = LookupKey(visit.agency, visit.category, visit.card.sha256)
    async with Database.open(registry.dsn, pool=2) as database:
        lookups = BatchedLookups(database, most_queries=2)
        asking = [asyncio.create_task(lookups.look_up(key)) for _ in range(3 * MOST_KEYS)]
        await asyncio.sleep(0)
        for task in asking[::2]:
            task.cancel()
        answers = await asyncio.gather(*asking[1::2])
    assert {answer.bidder_id for answer in answers} == {BIDDER}


async def test_lookup_succeeds_after_all_connections_are_lost(
    registry: RunningCertificateRegistry, postgresql: EmbeddedPostgreSQL
) -> None:
    visit, _ = await registry.register_new()
    key = LookupKey(visit.agency, visit.category, visit.card.sha256)
    async with Database.open(registry.dsn, pool=2) as database:
        lookups = BatchedLookups(database, most_queries=2)
        await asyncio.gather(*(lookups.look_up(key) for _ in range(4 * MOST_KEYS)))
        with postgresql.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [registry.dsn.partition("@/")[2].partition("?")[0]],
            )
        answers = await asyncio.gather(*(lookups.look_up(key) for _ in range(4 * MOST_KEYS)))
    assert {answer.verdict for answer in answers} == {Verdict.GOOD}


async def test_missing_database_is_reported_as_unavailable(tmp_path: Path) -> None:
    dsn = f"postgresql://nobody@/nothing?host={tmp_path}&connect_timeout=1"
    async with Database.open(dsn, pool=1) as database:
        lookups = BatchedLookups(database, most_queries=1)
        with pytest.raises(Refusal, match="REGISTRY_UNAVAILABLE"):
            await lookups.look_up(LookupKey(PREFECTURE, WORKS, b"x" * 32))
