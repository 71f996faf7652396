"""How old the revocation lists are, by CA, as the worker shows it."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from certificate_registry.convert import authorities
from certificate_registry.metrics import RevocationListMetrics
from certificate_registry.trusted import Trusted
from servicekit.metrics import Metrics
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.instance_overlay import card_authority
from tests.support.scrape import Scrape, find_secrets, read_registry
from tests.support.services.certificate_registry import CardsHouse, Visit, cards_house

AGE = "toroku_crl_age_seconds"
EXPIRES = "toroku_crl_expires_timestamp_seconds"
HELD = "toroku_crl_lists"
FAILURES = "toroku_crl_fetch_failures"


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[CardsHouse]:
    # The second one's list can't be fetched: nobody listens there.
    other = CertificateAuthority.create("Other CA", key=new_ec_key())
    further = card_authority(other, ("http://127.0.0.1:9/other.crl",)) | {"id": "other-ca"}
    dsn = migrated_database("certificate_registry")
    async with cards_house(dsn, tmp_path, further_authorities=[further]) as opened:
        yield opened


async def looked(house: CardsHouse) -> Scrape:
    """What the worker shows after a look into the database."""
    metrics = Metrics("certificate-registry")
    own = RevocationListMetrics(metrics, Trusted(authorities(house.profile)), clock=lambda: house.now[0])
    async with house.database.read() as connection:
        await own.look(connection)
    return read_registry(metrics.registry)


def id_of(house: CardsHouse) -> str:
    """The house's own CA."""
    return house.profile.card_authorities[0].id


async def test_each_ca_has_its_lists_their_age_and_their_end(house: CardsHouse) -> None:
    ca = id_of(house)
    found = await looked(house)
    assert found.by_label(HELD, "authority") == {ca: 1, "other-ca": 0}
    ((this_update, next_update),) = await house.rows("SELECT this_update, next_update FROM crl")
    assert found.by_label(EXPIRES, "authority") == {ca: next_update.timestamp()}
    assert found.by_label(AGE, "authority") == {ca: pytest.approx((house.now[0] - this_update).total_seconds())}
    # It was issued a minute ago.
    assert 60 <= found.value(AGE, authority=ca) < 62
    labels = {name: names for name, names in found.labels().items() if "crl" in name}
    assert labels == {name: {frozenset({"authority"})} for name in (AGE, EXPIRES, HELD, FAILURES)}


async def test_the_age_grows_until_a_newer_list_comes(house: CardsHouse) -> None:
    ca = id_of(house)
    house.pass_time(timedelta(hours=5))
    assert 18_060 <= (await looked(house)).value(AGE, authority=ca) < 18_062
    await house.fetch_lists()
    assert 60 <= (await looked(house)).value(AGE, authority=ca) < 62


async def test_fetches_that_fail_are_counted_until_one_succeeds(house: CardsHouse) -> None:
    ca = id_of(house)
    assert (await looked(house)).by_label(FAILURES, "authority") == {ca: 0, "other-ca": 1}
    house.published.append(b"")
    await house.fetch_lists()
    await house.fetch_lists()
    assert (await looked(house)).by_label(FAILURES, "authority") == {ca: 2, "other-ca": 3}
    house.published.clear()
    await house.fetch_lists()
    assert (await looked(house)).value(FAILURES, authority=ca) == 0


async def test_a_list_that_its_place_does_not_have_any_more_does_not_count(house: CardsHouse) -> None:
    """The CA divides its lists anew: what it gave before stays in the database."""
    ca = id_of(house)
    house.pass_time(timedelta(hours=20))
    point = x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(house.list_url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
    house.published.append(house.ca.crl(house.now[0] - timedelta(minutes=2), extensions=[(point, True)]))
    await house.fetch_lists()
    assert await house.rows("SELECT count(*) FROM crl") == [(2,)]
    found = await looked(house)
    assert found.value(HELD, authority=ca) == 1
    assert 120 <= found.value(AGE, authority=ca) < 122


async def test_a_ca_that_was_taken_out_of_the_profile_is_not_shown(house: CardsHouse) -> None:
    metrics = Metrics("certificate-registry")
    remaining = [authority for authority in authorities(house.profile) if authority.id != "other-ca"]
    own = RevocationListMetrics(metrics, Trusted(remaining), clock=lambda: house.now[0])
    async with house.database.read() as connection:
        await own.look(connection)
    assert "other-ca" not in metrics_text(metrics)
    assert id_of(house) in metrics_text(metrics)


def metrics_text(metrics: Metrics) -> str:
    return read_registry(metrics.registry).text


async def test_nothing_of_a_card_is_shown(house: CardsHouse) -> None:
    visit = Visit(house.card(company="株式会社見本建設"))
    await house.enter(visit)
    house.ca.revoke(visit.card)
    await house.fetch_lists()
    secrets = ["株式会社見本建設", visit.bidder_id, visit.token, visit.card.sha256.hex(), house.list_url]
    assert find_secrets((await looked(house)).text, secrets) == []
