"""The worker's metrics of revocation lists, by CA."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certificate_registry.adapters.trust_store_cache import TrustStoreCache
from certificate_registry.convert.registry import read_card_authorities
from certificate_registry.metrics import RevocationListMetrics
from servicekit.metrics import Metrics
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.scrape import Scrape, find_secrets, read_registry
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from tests.support.services.running_certificate_registry import running_certificate_registry

AGE = "toroku_crl_age_seconds"
EXPIRES = "toroku_crl_expires_timestamp_seconds"
HELD = "toroku_crl_lists"
FAILURES = "toroku_crl_fetch_failures"


@pytest.fixture
async def registry(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> AsyncIterator[RunningCertificateRegistry]:
    # The list of the second CA can't be fetched: nothing listens at its address.
    other = CertificateAuthority.create("Other CA", key=new_ec_key())
    further = card_authority(other, ("http://127.0.0.1:9/other.crl",)) | {"id": "other-ca"}
    dsn = migrated_database("certificate_registry")
    async with running_certificate_registry(dsn, tmp_path, further_authorities=[further]) as opened:
        yield opened


async def refreshed(registry: RunningCertificateRegistry) -> Scrape:
    """Returns the metrics after a refresh from the database."""
    metrics = Metrics("certificate-registry")
    own = RevocationListMetrics(
        metrics, TrustStoreCache(read_card_authorities(registry.profile)), clock=lambda: registry.now[0]
    )
    async with registry.database.read() as connection:
        await own.refresh(connection)
    return read_registry(metrics.registry)


def id_of(registry: RunningCertificateRegistry) -> str:
    """Returns the id of the registry's own CA."""
    return registry.profile.card_authorities[0].id


async def test_metrics_show_count_age_and_expiry_by_ca(registry: RunningCertificateRegistry) -> None:
    ca = id_of(registry)
    found = await refreshed(registry)
    assert found.by_label(HELD, "authority") == {ca: 1, "other-ca": 0}
    ((this_update, next_update),) = await registry.rows("SELECT this_update, next_update FROM crl")
    assert found.by_label(EXPIRES, "authority") == {ca: next_update.timestamp()}
    assert found.by_label(AGE, "authority") == {ca: pytest.approx((registry.now[0] - this_update).total_seconds())}
    # Issued a minute ago.
    assert 60 <= found.value(AGE, authority=ca) < 62
    labels = {name: names for name, names in found.labels().items() if "crl" in name}
    assert labels == {name: {frozenset({"authority"})} for name in (AGE, EXPIRES, HELD, FAILURES)}


async def test_age_grows_until_a_newer_list_is_fetched(registry: RunningCertificateRegistry) -> None:
    ca = id_of(registry)
    registry.pass_time(timedelta(hours=5))
    assert 18_060 <= (await refreshed(registry)).value(AGE, authority=ca) < 18_062
    await registry.fetch_lists()
    assert 60 <= (await refreshed(registry)).value(AGE, authority=ca) < 62


async def test_failed_fetches_are_counted_until_one_succeeds(registry: RunningCertificateRegistry) -> None:
    ca = id_of(registry)
    assert (await refreshed(registry)).by_label(FAILURES, "authority") == {ca: 0, "other-ca": 1}
    registry.published.append(b"")
    await registry.fetch_lists()
    await registry.fetch_lists()
    assert (await refreshed(registry)).by_label(FAILURES, "authority") == {ca: 2, "other-ca": 3}
    registry.published.clear()
    await registry.fetch_lists()
    assert (await refreshed(registry)).value(FAILURES, authority=ca) == 0


async def test_list_no_longer_published_does_not_count(
    registry: RunningCertificateRegistry,
) -> None:
    """A CA that partitions its lists anew leaves the earlier ones in the database."""
    ca = id_of(registry)
    registry.pass_time(timedelta(hours=20))
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(registry.list_url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    registry.published.append(registry.ca.crl(registry.now[0] - timedelta(minutes=2), extensions=[(point, True)]))
    await registry.fetch_lists()
    assert await registry.rows("SELECT count(*) FROM crl") == [(2,)]
    found = await refreshed(registry)
    assert found.value(HELD, authority=ca) == 1
    assert 120 <= found.value(AGE, authority=ca) < 122


async def test_ca_removed_from_the_profile_is_not_shown(registry: RunningCertificateRegistry) -> None:
    metrics = Metrics("certificate-registry")
    remaining = [authority for authority in read_card_authorities(registry.profile) if authority.id != "other-ca"]
    own = RevocationListMetrics(metrics, TrustStoreCache(remaining), clock=lambda: registry.now[0])
    async with registry.database.read() as connection:
        await own.refresh(connection)
    assert "other-ca" not in metrics_text(metrics)
    assert id_of(registry) in metrics_text(metrics)


def metrics_text(metrics: Metrics) -> str:
    return read_registry(metrics.registry).text


async def test_metrics_contain_no_card_data(registry: RunningCertificateRegistry) -> None:
    visit = Visit(registry.card(company="株式会社見本建設"))
    await registry.log_in(visit)
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    secrets = ["株式会社見本建設", visit.bidder_id, visit.token, visit.card.sha256.hex(), registry.list_url]
    assert find_secrets((await refreshed(registry)).text, secrets) == []
