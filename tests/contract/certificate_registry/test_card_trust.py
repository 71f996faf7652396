"""The trust in stored cards: judged anew when CRLs, CAs or rules change, and when a CRL has ended."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.convert.registry import read_card_authorities
from certificate_registry.domain.trust import Judgement
from certificate_registry.metrics import CardTrustMetrics
from certificate_registry.operations.card_trust import MOST_CARDS, MOST_COPIES
from certificate_registry.store import trust
from refusals import Refusal
from servicekit.metrics import Metrics
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.example_profile import CITY, TOWN
from tests.support.scrape import read_registry
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from tests.support.statements import counted_statements
from toroku.certificate.v1 import user_lookup_pb2

Answer = user_lookup_pb2.ResolveUserResponse
OpenRegistry = Callable[[dict[str, Any]], AbstractAsyncContextManager[RunningCertificateRegistry]]
GRACE = timedelta(hours=72)


@pytest.fixture
def open_registry(migrated_database: Callable[[str], str], tmp_path: Path) -> OpenRegistry:
    """Runs a registry with changes to its CA's entry in the profile."""
    return lambda changes: running_certificate_registry(
        migrated_database("certificate_registry"), tmp_path, authority_changes=changes
    )


@pytest.fixture
def open_chained(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> Callable[[], AbstractAsyncContextManager[tuple[RunningCertificateRegistry, CertificateAuthority, Visit]]]:
    """Runs a registry that has a root's certificate only; its card brings the CA between them along."""

    @asynccontextmanager
    async def running() -> AsyncIterator[tuple[RunningCertificateRegistry, CertificateAuthority, Visit]]:
        root = CertificateAuthority.create("Other Root", key=new_ec_key())
        issuing = CertificateAuthority.create("Other Card CA", parent=root, key=new_ec_key())
        with crl_server(lambda: root.crl()) as url:
            entry = card_authority(root, (url,)) | {"id": "other-ca"}
            entry["revocation"]["unknown"] = "accept"
            async with running_certificate_registry(
                migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
            ) as registry:
                visit = Visit(issuing.issue(key=new_ec_key()), other_certificates=(issuing.der,))
                await registry.register(await registry.prepare(visit))
                yield registry, root, visit

    return running


async def read_trust_history(registry: RunningCertificateRegistry) -> list[tuple[Any, ...]]:
    """Returns what the history says about trust: what, and the reason before and after."""
    return await registry.rows(
        "SELECT what, details::json #>> '{before,distrusted_because}', details::json #>> '{after,distrusted_because}' "
        "FROM history_entry JOIN history_details USING (number) "
        "WHERE what IN ('no longer trusted', 'trusted again') ORDER BY number"
    )


async def read_this_update(registry: RunningCertificateRegistry) -> datetime:
    ((this_update,),) = await registry.rows("SELECT this_update FROM crl")
    assert isinstance(this_update, datetime)
    return this_update


async def copy_card(registry: RunningCertificateRegistry, copies: int) -> None:
    """Stores a registered card many times, under other hashes."""
    await registry.execute(
        f"""
        INSERT INTO card SELECT (copy).* FROM (
            SELECT jsonb_populate_record(card, jsonb_build_object(
                'certificate_sha256', '\\x' || encode(sha256(('copy ' || n)::bytea), 'hex'),
                'tbs_sha256', '\\x' || encode(sha256(('tbs ' || n)::bytea), 'hex')
            )) AS copy
            FROM card, generate_series(1, {copies}) AS n
        ) AS copies
        """  # noqa: S608  # a number of the test
    )


@pytest.mark.requirement("LIF-02")
@pytest.mark.requirement("LIF-05")
async def test_card_below_a_revoked_ca_that_it_brought_along_is_not_good_until_the_ca_is_released(
    open_chained: Callable[
        [], AbstractAsyncContextManager[tuple[RunningCertificateRegistry, CertificateAuthority, Visit]]
    ],
) -> None:
    async with open_chained() as (registry, root, visit):
        other, _ = await registry.register_new()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
        root.revoke(x509.load_der_x509_certificate(visit.other_certificates[0]))
        await registry.fetch_lists()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
        assert (await registry.resolve(other)).verdict == Answer.VERDICT_GOOD
        await registry.fetch_lists()
        root.revoked.clear()
        await registry.fetch_lists()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
        assert await read_trust_history(registry) == [
            ("no longer trusted", None, "CERTIFICATE_REVOKED"),
            ("trusted again", "CERTIFICATE_REVOKED", None),
        ]


@pytest.mark.requirement("CRD-05")
@pytest.mark.requirement("LIF-05")
@pytest.mark.requirement("LIF-02")
async def test_card_of_a_ca_taken_out_of_the_profile_is_not_good_until_it_is_back(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    for verdict, authorities in ((Answer.VERDICT_CERTIFICATE_NOT_TRUSTED, []), (Answer.VERDICT_GOOD, None)):
        await registry.restart_worker(authorities)
        await registry.judge_cards()
        answer = await registry.resolve(visit)
        assert (answer.verdict, answer.bidder_id == visit.bidder_id) == (verdict, verdict == Answer.VERDICT_GOOD)
    assert await read_trust_history(registry) == [
        ("no longer trusted", None, "CERTIFICATE_AUTHORITY_UNKNOWN"),
        ("trusted again", "CERTIFICATE_AUTHORITY_UNKNOWN", None),
    ]


@pytest.mark.requirement("CRD-05")
async def test_card_of_a_ca_with_another_pin_is_not_good(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    successor = CertificateAuthority.create(key=new_ec_key())
    await registry.restart_worker([card_authority(successor, (registry.list_url,))])
    await registry.judge_cards()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED


@pytest.mark.requirement("CRD-05")
async def test_rule_that_a_card_no_longer_meets_counts_for_stored_cards(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    entry = card_authority(registry.ca, (registry.list_url,)) | {"required_policies": ["2.999.7"]}
    await registry.restart_worker([entry])
    await registry.judge_cards()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
    assert await read_trust_history(registry) == [("no longer trusted", None, "CERTIFICATE_PATH_INVALID")]


@pytest.mark.requirement("CRD-05")
async def test_card_is_not_trusted_any_more_once_the_access_to_its_cas_lists_is_gone(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    await registry.restart_worker([card_authority(registry.ca) | {"revocation": {"access": False}}])
    await registry.judge_cards()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
    assert await read_trust_history(registry) == [("no longer trusted", None, "REVOCATION_ACCESS_MISSING")]


async def test_cards_are_not_judged_again_because_their_path_is_new(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.run_task("refresh_trust")
    assert "judge_cards" not in await registry.jobs_waiting()
    # But where anything has changed since its first card logged in.
    await registry.restart_worker(
        [card_authority(registry.ca, (registry.list_url,)) | {"required_policies": ["2.999.7"]}]
    )
    await registry.run_task("refresh_trust")
    assert "judge_cards" in await registry.jobs_waiting()


async def test_worker_with_the_profile_before_leaves_judging_to_the_newer_one(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    before = registry.work
    newer = await registry.restart_worker([])
    await registry.judge_cards()
    registry.work = before
    await registry.run_task("refresh_trust")
    assert "judge_cards" not in await registry.jobs_waiting()
    ((path,),) = await registry.rows("SELECT encode(path_sha256, 'hex') FROM card")
    await registry.run_task("judge_cards", paths=[path], after="")
    # It passed the job on.
    assert "judge_cards" in await registry.jobs_waiting()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
    registry.work = newer
    await registry.judge_cards()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED


@pytest.mark.requirement("LIF-02")
@pytest.mark.requirement("SYN-08")
async def test_newer_list_moves_what_the_answer_knows_of_revocation(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    first = (await registry.resolve(visit)).revocation_as_of.ToDatetime(UTC)
    assert first == await read_this_update(registry)
    registry.pass_time(timedelta(hours=5))
    await registry.fetch_lists()
    answer = await registry.resolve(visit)
    assert answer.verdict == Answer.VERDICT_GOOD
    assert answer.revocation_as_of.ToDatetime(UTC) == await read_this_update(registry) == first + timedelta(hours=5)
    assert await read_trust_history(registry) == []
    unknown = await registry.resolve(Visit(registry.card()))
    assert not unknown.HasField("revocation_as_of")


@pytest.mark.requirement("LIF-02")
@pytest.mark.requirement("SYN-08")
@pytest.mark.parametrize("passed", [timedelta(days=2, hours=73), timedelta(days=300)])
async def test_card_whose_list_ended_long_ago_is_not_good_until_there_is_a_newer_one(
    registry: RunningCertificateRegistry, passed: timedelta
) -> None:
    visit, _ = await registry.register_new()
    held = await read_this_update(registry)
    registry.published.append(b"")
    registry.pass_time(passed)
    await registry.fetch_lists()
    answer = await registry.resolve(visit)
    assert answer.verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
    assert answer.revocation_as_of.ToDatetime(UTC) == held
    registry.published.clear()
    await registry.fetch_lists()
    answer = await registry.resolve(visit)
    assert answer.verdict == Answer.VERDICT_GOOD
    assert answer.revocation_as_of.ToDatetime(UTC) == held + passed
    assert await read_trust_history(registry) == [
        ("no longer trusted", None, "REVOCATION_STATUS_UNKNOWN"),
        ("trusted again", "REVOCATION_STATUS_UNKNOWN", None),
    ]


@pytest.mark.requirement("LIF-02")
@pytest.mark.requirement("SYN-08")
async def test_weekend_without_lists_leaves_log_ins_good_and_acts_refused(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    held = await read_this_update(registry)
    registry.published.append(b"")
    registry.pass_time(timedelta(days=2, hours=71))
    await registry.fetch_lists()
    answer = await registry.resolve(visit)
    assert answer.verdict == Answer.VERDICT_GOOD
    assert answer.revocation_as_of.ToDatetime(UTC) == held
    with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
        await registry.challenge(visit)


@pytest.mark.requirement("LIF-02")
@pytest.mark.parametrize(
    ("rule", "hours", "verdict"),
    [
        ({"grace_hours": 0}, 49, Answer.VERDICT_CERTIFICATE_NOT_TRUSTED),
        ({"grace_hours": 240}, 48 + 239, Answer.VERDICT_GOOD),
        ({"grace_hours": 1, "most_age_hours": 10}, 12, Answer.VERDICT_CERTIFICATE_NOT_TRUSTED),
        ({"unknown": "accept"}, 7200, Answer.VERDICT_GOOD),
    ],
)
async def test_rule_of_the_ca_says_how_long_a_card_stays_good(
    open_registry: OpenRegistry, rule: dict[str, Any], hours: int, verdict: "Answer.Verdict.ValueType"
) -> None:
    async with open_registry({}) as registry:
        visit, _ = await registry.register_new()
        held = await read_this_update(registry)
        entry = card_authority(registry.ca, (registry.list_url,))
        entry["revocation"] |= rule
        await registry.restart_worker([entry])
        await registry.judge_cards()
        registry.published.append(b"")
        registry.pass_time(timedelta(hours=hours))
        await registry.fetch_lists()
        answer = await registry.resolve(visit)
        assert (answer.verdict, answer.revocation_as_of.ToDatetime(UTC)) == (verdict, held)


@pytest.mark.requirement("CRD-05")
async def test_rule_that_comes_to_refuse_unknown_status_has_its_grace_from_then_on(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    dsn = migrated_database("certificate_registry")
    async with running_certificate_registry(
        dsn, tmp_path, authority_changes={"revocation": {"unknown": "accept"}}
    ) as registry:
        visit, _ = await registry.register_new()
        assert not (await registry.resolve(visit)).HasField("revocation_as_of")
        await registry.restart_worker([card_authority(registry.ca)])
        await registry.judge_cards()
        registry.pass_time(GRACE - timedelta(minutes=1))
        await registry.judge_cards()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
        registry.pass_time(timedelta(minutes=2))
        await registry.judge_cards()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
        # A list of its CA is found after all.
        await registry.restart_worker([card_authority(registry.ca, (registry.list_url,))])
        await registry.fetch_lists()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD


async def test_card_rests_on_the_list_of_a_new_distribution_point(registry: RunningCertificateRegistry) -> None:
    """A CA that partitions its lists anew leaves the earlier ones behind, which then end."""
    registry.ca.crl_url = registry.list_url
    visit, _ = await registry.register_new()
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(registry.list_url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    for days in (1, 2, 2, 2):
        registry.pass_time(timedelta(days=days))
        registry.published.append(registry.ca.crl(registry.now[0], extensions=[(point, True)]))
        await registry.fetch_lists()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
    answer = await registry.resolve(visit)
    assert registry.now[0] - answer.revocation_as_of.ToDatetime(UTC) < timedelta(minutes=2)
    assert await read_trust_history(registry) == []


@pytest.mark.requirement("LIF-02")
async def test_card_on_a_delta_list_is_revoked_and_released_by_the_next_whole_one(
    registry: RunningCertificateRegistry,
) -> None:
    deltas: list[bytes] = []
    with crl_server(lambda: deltas[-1]) as delta_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(delta_url)], None, None, None)
        freshest = [(x509.FreshestCRL([point]), False)]
        visit, _ = await registry.register_new()
        registry.published.append(registry.ca.crl(registry.now[0] - timedelta(minutes=1), extensions=freshest))
        deltas.append(b"")
        await registry.fetch_lists()
        whole = (await registry.resolve(visit)).revocation_as_of
        registry.pass_time(timedelta(hours=1))
        indicator = x509.DeltaCRLIndicator(registry.ca.crl_number)
        registry.ca.revoke(visit.card)
        deltas.append(registry.ca.crl(registry.now[0], extensions=[(indicator, True)]))
        # Its address is known once the whole list was read.
        await registry.fetch_lists()
        await registry.fetch_lists()
        answer = await registry.resolve(visit)
        assert answer.verdict == Answer.VERDICT_CERTIFICATE_REVOKED
        assert answer.revocation_as_of == whole
        registry.ca.revoked.clear()
        registry.pass_time(timedelta(hours=1))
        registry.published.append(registry.ca.crl(registry.now[0] - timedelta(minutes=1), extensions=freshest))
        deltas.append(
            registry.ca.crl(registry.now[0], extensions=[(x509.DeltaCRLIndicator(registry.ca.crl_number), True)])
        )
        for _ in range(3):
            await registry.fetch_lists()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("LIF-02")
async def test_revoked_card_does_not_wait_for_the_judging_of_others(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    registry.ca.revoke(visit.card)
    await registry.execute("UPDATE crl_source SET next_fetch_at = '-infinity'")
    await registry.run_task("fetch_crls")
    assert "refresh_trust" in await registry.jobs_waiting()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
    await registry.judge_cards()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED


@pytest.mark.every_postgresql
async def test_newer_list_costs_one_statement_for_a_thousand_cards(
    registry: RunningCertificateRegistry,
) -> None:
    visit, _ = await registry.register_new()
    await registry.judge_cards()
    counts = []
    for copies in (0, 2000):
        await copy_card(registry, copies)
        registry.pass_time(timedelta(hours=1))
        with counted_statements() as statements:
            await registry.fetch_lists()
        counts.append(len(statements))
    assert counts[0] < 40
    assert counts[1] - counts[0] == 2001 // MOST_COPIES
    as_of = (await registry.resolve(visit)).revocation_as_of.ToDatetime(UTC)
    rows = await registry.rows("SELECT revocation_as_of, count(*) FROM card GROUP BY 1")
    assert rows == [(as_of, 2001)]


async def test_thousands_of_cards_are_judged_anew_in_slices_within_minutes(
    registry: RunningCertificateRegistry,
) -> None:
    await registry.register_new()
    await copy_card(registry, 1999)
    await registry.restart_worker([])
    start = time.process_time()
    with counted_statements() as statements:
        await registry.judge_cards()
    assert time.process_time() - start < 60
    assert await registry.rows("SELECT distrusted_because, count(*) FROM card GROUP BY 1") == [
        ("CERTIFICATE_AUTHORITY_UNKNOWN", 2000)
    ]
    assert await registry.rows("SELECT count(*) FROM history_entry WHERE what = 'no longer trusted'") == [(2000,)]
    # Some twenty for each slice, however many cards it has.
    assert len(statements) < (2000 / MOST_CARDS + 3) * 25
    # Where they pass, each path is validated to its end.
    await registry.restart_worker()
    start = time.process_time()
    await registry.judge_cards()
    assert time.process_time() - start < 120
    assert await registry.rows("SELECT count(*) FROM card WHERE distrusted_at IS NULL") == [(2000,)]


@pytest.mark.every_postgresql
async def test_two_workers_judge_the_same_cards_once(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await copy_card(registry, 20)
    await registry.restart_worker([])
    paths = [row[0] for row in await registry.rows("SELECT encode(path_sha256, 'hex') FROM trust_path")]
    await asyncio.gather(
        *(registry.run_task("refresh_trust") for _ in range(3)),
        *(registry.run_task("judge_cards", paths=paths, after="") for _ in range(3)),
    )
    await registry.judge_cards()
    rows = await registry.rows(
        "SELECT count(*), count(DISTINCT certificate_sha256) FROM history_entry WHERE what = 'no longer trusted'"
    )
    assert rows == [(21, 21)]


async def test_judgement_by_older_lists_does_not_replace_a_newer_one(registry: RunningCertificateRegistry) -> None:
    """A worker reads a card, and another one judges it before the first one writes."""
    visit, _ = await registry.register_new()
    paths = [row[0] for row in await registry.rows("SELECT path_sha256 FROM trust_path")]
    async with registry.database.read() as connection:
        (stored,) = await trust.read_cards(connection, paths, after=b"", most=MOST_CARDS, now=registry.now[0])
    await registry.restart_worker([])
    await registry.judge_cards()
    await registry.restart_worker()
    await registry.judge_cards()
    async with registry.database.transaction() as connection:
        late = Judgement(stored, "CERTIFICATE_AUTHORITY_UNKNOWN")
        assert await trust.save_judgements(connection, [late], registry.now[0]) == set()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("CRD-05")
async def test_card_that_passes_at_a_log_in_is_trusted_again(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    await registry.execute("UPDATE card SET distrusted_at = now(), distrusted_because = 'CERTIFICATE_PATH_INVALID'")
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_NOT_TRUSTED
    await registry.log_in(Visit(visit.card, agency=CITY))
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
    assert await read_trust_history(registry) == [("trusted again", "CERTIFICATE_PATH_INVALID", None)]


@pytest.mark.every_postgresql
async def test_cards_not_trusted_are_counted_by_ca(registry: RunningCertificateRegistry) -> None:
    await registry.register_new()
    await registry.register_new(agency=TOWN)
    ca = registry.profile.card_authorities[0].id

    async def count(card_authorities: list[dict[str, Any]] | None) -> dict[str, float]:
        await registry.restart_worker(card_authorities)
        await registry.judge_cards()
        metrics = Metrics("certificate-registry")
        own = CardTrustMetrics(metrics, TrustStoreCache(read_card_authorities(registry.profile)))
        async with registry.database.read() as connection:
            await own.refresh(connection)
        return read_registry(metrics.registry).by_label("toroku_cards_not_trusted", "authority")

    assert await count([]) == {ca: 2}
    assert await count(None) == {ca: 0}
