"""Revocation lists: fetched by the worker, stored in the database, applied to the stored cards."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry
from toroku.certificate.v1 import card_pb2, user_lookup_pb2

Answer = user_lookup_pb2.ResolveUserResponse
OpenRegistry = Callable[[dict[str, Any]], AbstractAsyncContextManager[RunningCertificateRegistry]]


@pytest.fixture
def open_registry(migrated_database: Callable[[str], str], tmp_path: Path) -> OpenRegistry:
    """Runs a registry with changes to its CA's entry in the profile."""
    return lambda changes: running_certificate_registry(
        migrated_database("certificate_registry"), tmp_path, authority_changes=changes
    )


@pytest.mark.requirement("CRD-05")
async def test_address_named_only_by_the_card_is_added_and_fetched_at_once(open_registry: OpenRegistry) -> None:
    async with open_registry({"revocation": {}}) as registry:
        registry.ca.crl_url = registry.list_url
        visit = Visit(registry.card())
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await registry.challenge(visit)
        assert await registry.jobs_waiting() == ["fetch_crls"]
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await registry.challenge(visit)
        # The address is added once; many cards do not enqueue many jobs.
        assert await registry.jobs_waiting() == ["fetch_crls"]
        await registry.run_jobs()
        card = (await registry.challenge(visit)).card
        assert card.revocation.status == card_pb2.REVOCATION_STATUS_GOOD


async def test_address_named_by_an_unknown_ca_is_not_fetched(registry: RunningCertificateRegistry) -> None:
    stranger = CertificateAuthority.create(key=new_ec_key(), crl_url="http://127.0.0.1:9/internal")
    with pytest.raises(Refusal, match="CERTIFICATE_AUTHORITY_UNKNOWN"):
        await registry.challenge(Visit(stranger.issue(key=new_ec_key())))
    assert await registry.rows("SELECT url FROM crl_source") == [(registry.list_url,)]


@pytest.mark.requirement("CRD-05")
async def test_unknown_status_is_shown_if_the_ca_accepts_it(open_registry: OpenRegistry) -> None:
    async with open_registry({"revocation": {"unknown": "accept"}}) as registry:
        card = (await registry.challenge(Visit(registry.card()))).card
        assert card.revocation.status == card_pb2.REVOCATION_STATUS_UNKNOWN
        assert not card.revocation.HasField("crl_this_update")
        visit, _ = await registry.register_new()
        assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("CRD-05")
@pytest.mark.requirement("CRD-08")
async def test_my_number_card_is_refused_by_reason_without_access_to_the_lists_of_its_ca(
    open_registry: OpenRegistry,
) -> None:
    async with open_registry({"revocation": {"access": False}}) as registry:
        registry.ca.crl_url = registry.list_url
        visit = Visit(registry.ca.issue_personal())
        with pytest.raises(Refusal) as refused:
            await registry.challenge(visit)
        assert (refused.value.reason, refused.value.metadata["authority"]) == ("REVOCATION_ACCESS_MISSING", "test-ca")
        # Nothing is fetched for it either: the CA gives its lists to others only.
        assert await registry.jobs_waiting() == []
        assert await registry.rows("SELECT url FROM crl_source") == []


@pytest.mark.requirement("CRD-05")
async def test_too_old_list_is_not_used(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card())
    registry.pass_time(timedelta(hours=49))
    with pytest.raises(Refusal) as refused:
        await registry.challenge(visit)
    assert refused.value.reason == "REVOCATION_STATUS_UNKNOWN"
    assert refused.value.metadata["cause"] in {"stale", "too old"}
    await registry.fetch_lists()
    await registry.challenge(visit)


async def test_stored_list_is_used_while_the_server_of_the_ca_is_down(registry: RunningCertificateRegistry) -> None:
    registry.published.append(b"")
    for failures in (1, 2):
        await registry.fetch_lists()
        (row,) = await registry.rows("SELECT failures, last_refusal, next_fetch_at > now() FROM crl_source")
        assert row == (failures, "CRL_MALFORMED", True)
    await registry.challenge(Visit(registry.card()))
    registry.published.clear()
    await registry.fetch_lists()
    assert await registry.rows("SELECT failures, last_refusal FROM crl_source") == [(0, None)]


async def test_waiting_card_repeats_a_failed_fetch_once_a_minute(
    registry: RunningCertificateRegistry,
) -> None:
    registry.published.append(b"")
    registry.pass_time(timedelta(hours=49))
    for _ in range(12):
        await registry.fetch_lists()
    visit = Visit(registry.card())
    for minutes, waiting in ((0, []), (2, ["fetch_crls"])):
        registry.pass_time(timedelta(minutes=minutes))
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await registry.challenge(visit)
        assert await registry.jobs_waiting() == waiting
    registry.published.clear()
    await registry.run_jobs()
    await registry.challenge(visit)


async def test_list_signed_by_another_key_is_not_stored(registry: RunningCertificateRegistry) -> None:
    held = await registry.rows("SELECT sha256 FROM crl")
    registry.published.append(registry.ca.crl(registry.now[0], signed_by=new_ec_key()))
    await registry.fetch_lists()
    assert await registry.rows("SELECT sha256 FROM crl") == held
    assert await registry.rows("SELECT last_refusal FROM crl_source") == [("CRL_SIGNATURE_INVALID",)]


async def test_older_list_does_not_replace_the_stored_one(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    old = registry.ca.crl(registry.now[0] - timedelta(hours=1), number=0)
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    registry.published.append(old)
    await registry.fetch_lists()
    assert await registry.rows("SELECT last_refusal FROM crl_source") == [("CRL_OLDER_THAN_HELD",)]
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED


@pytest.mark.requirement("LIF-02")
@pytest.mark.requirement("LIF-05")
async def test_revoked_card_is_marked_and_recorded_once(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    registry.ca.revoke(visit.card)
    for _ in range(2):
        await registry.fetch_lists()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
    rows = await registry.rows("SELECT who, certificate_sha256 FROM history_entry WHERE what = 'revoked'")
    assert rows == [("certificate-registry", visit.card.sha256)]


async def test_card_released_from_hold_is_valid_again(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    registry.ca.revoked.clear()
    await registry.fetch_lists()
    assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
    assert await registry.rows("SELECT what FROM history_entry ORDER BY number") == [
        ("registered",),
        ("revoked",),
        ("revocation lifted",),
    ]


async def test_serial_number_of_another_ca_revokes_nothing(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    root = CertificateAuthority.create("Other Root", key=new_ec_key())
    with crl_server(lambda: root.crl()) as url:
        entry = card_authority(root, (url,)) | {"id": "other-ca"}
        async with running_certificate_registry(
            migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
        ) as registry:
            visit, _ = await registry.register_new()
            twin = root.issue(key=new_ec_key(), serial=visit.card.certificate.serial_number)
            root.revoke(twin)
            await registry.fetch_lists()
            assert (await registry.resolve(visit)).verdict == Answer.VERDICT_GOOD
            with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
                await registry.challenge(Visit(twin))


@pytest.mark.requirement("LIF-02")
async def test_revoked_ca_revokes_all_its_cards(migrated_database: Callable[[str], str], tmp_path: Path) -> None:
    root = CertificateAuthority.create("Other Root", key=new_ec_key())
    with crl_server(lambda: root.crl()) as root_url:
        root.crl_url = root_url
        issuing = CertificateAuthority.create("Other Card CA", parent=root, key=new_ec_key())
        with crl_server(lambda: issuing.crl()) as url:
            issuing.crl_url = url
            entry = card_authority(issuing, (root_url, url)) | {"id": "other-ca"}
            async with running_certificate_registry(
                migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
            ) as registry:
                visit, _ = await registry.register_new(issuing.issue(key=new_ec_key()))
                other, _ = await registry.register_new()
                root.revoke(issuing.certificate)
                await registry.fetch_lists()
                assert (await registry.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
                assert (await registry.resolve(other)).verdict == Answer.VERDICT_GOOD


async def test_concurrent_workers_fetch_a_list_once(registry: RunningCertificateRegistry) -> None:
    before = registry.ca.crl_number
    await registry.execute("UPDATE crl_source SET next_fetch_at = '-infinity'")
    await asyncio.gather(*(registry.run_task("fetch_crls") for _ in range(4)))
    assert registry.ca.crl_number == before + 1


async def test_list_is_fetched_again_when_due(registry: RunningCertificateRegistry) -> None:
    fetched = registry.ca.crl_number
    await registry.run_task("fetch_crls")
    assert registry.ca.crl_number == fetched
    registry.pass_time(timedelta(minutes=61))
    await registry.run_task("fetch_crls")
    assert registry.ca.crl_number == fetched + 1


async def test_list_is_fetched_at_its_interval_after_the_clock_was_a_month_ahead(
    registry: RunningCertificateRegistry,
) -> None:
    """A due time further ahead than a fetch could set it is wrong, whoever's clock wrote it."""
    registry.published.append(registry.ca.crl(registry.now[0]))
    registry.pass_time(timedelta(days=30))
    await registry.run_task("fetch_crls")
    registry.pass_time(-timedelta(days=30))
    await registry.run_task("fetch_crls")
    ((tried_at, next_fetch_at),) = await registry.rows("SELECT tried_at, next_fetch_at FROM crl_source")
    assert tried_at == registry.now[0]
    assert tried_at < next_fetch_at <= registry.now[0] + timedelta(hours=1)
    # Then it is due at this time, and no sooner.
    registry.pass_time(timedelta(minutes=5))
    await registry.run_task("fetch_crls")
    assert await registry.rows("SELECT next_fetch_at FROM crl_source") == [(next_fetch_at,)]
