"""Revocation lists: fetched by the worker, kept in the database, and what they mean for the cards that are kept."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from refusals import Refusal
from simulators.certificate_authorities import CertificateAuthority, new_ec_key
from simulators.crl_server import crl_server
from simulators.instance_overlay import card_authority
from tests.support.services.certificate_registry import CardsHouse, Visit, cards_house
from toroku.certificate.v1 import resources_pb2, service_pb2

Answer = service_pb2.ResolveUserResponse
OpenHouse = Callable[[dict[str, Any]], AbstractAsyncContextManager[CardsHouse]]


@pytest.fixture
async def house(migrated_database: Callable[[str], str], tmp_path: Path) -> AsyncIterator[CardsHouse]:
    async with cards_house(migrated_database("certificate_registry"), tmp_path) as opened:
        yield opened


@pytest.fixture
def open_house(migrated_database: Callable[[str], str], tmp_path: Path) -> OpenHouse:
    """Opens a house whose CA is described otherwise."""
    return lambda changes: cards_house(migrated_database("certificate_registry"), tmp_path, authority_changes=changes)


@pytest.mark.requirement("CRD-05")
async def test_a_place_that_only_the_card_names_is_learned_and_fetched_at_once(open_house: OpenHouse) -> None:
    async with open_house({"revocation": {}}) as house:
        house.ca.crl_url = house.list_url
        visit = Visit(house.card())
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await house.challenge(visit)
        assert await house.jobs_waiting() == ["fetch_crls"]
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await house.challenge(visit)
        # It is learned once; a crowd of cards does not make a crowd of jobs.
        assert await house.jobs_waiting() == ["fetch_crls"]
        await house.run_jobs()
        card = (await house.challenge(visit)).card
        assert card.revocation.status == resources_pb2.REVOCATION_STATUS_GOOD


async def test_a_place_that_a_stranger_names_is_never_asked(house: CardsHouse) -> None:
    stranger = CertificateAuthority.create(key=new_ec_key(), crl_url="http://127.0.0.1:9/internal")
    with pytest.raises(Refusal, match="CERTIFICATE_AUTHORITY_UNKNOWN"):
        await house.challenge(Visit(stranger.issue(key=new_ec_key())))
    assert await house.rows("SELECT url FROM crl_source") == [(house.list_url,)]


@pytest.mark.requirement("CRD-05")
async def test_where_the_ca_accepts_unknown_the_answer_says_so(open_house: OpenHouse) -> None:
    async with open_house({"revocation": {"unknown": "accept"}}) as house:
        card = (await house.challenge(Visit(house.card()))).card
        assert card.revocation.status == resources_pb2.REVOCATION_STATUS_UNKNOWN
        assert not card.revocation.HasField("crl_this_update")
        visit, _ = await house.registered()
        assert (await house.resolve(visit)).verdict == Answer.VERDICT_GOOD


@pytest.mark.requirement("CRD-05")
async def test_a_list_that_is_too_old_says_nothing_any_more(house: CardsHouse) -> None:
    visit = Visit(house.card())
    house.pass_time(timedelta(hours=49))
    with pytest.raises(Refusal) as refused:
        await house.challenge(visit)
    assert refused.value.reason == "REVOCATION_STATUS_UNKNOWN"
    assert refused.value.metadata["cause"] in {"stale", "too old"}
    await house.fetch_lists()
    await house.challenge(visit)


async def test_while_the_cas_server_is_down_the_list_that_is_held_counts(house: CardsHouse) -> None:
    house.published.append(b"")
    for failures in (1, 2):
        await house.fetch_lists()
        (row,) = await house.rows("SELECT failures, last_refusal, next_fetch_at > now() FROM crl_source")
        assert row == (failures, "CRL_MALFORMED", True)
    await house.challenge(Visit(house.card()))
    house.published.clear()
    await house.fetch_lists()
    assert await house.rows("SELECT failures, last_refusal FROM crl_source") == [(0, None)]


async def test_a_card_that_waits_has_a_failed_fetch_tried_again_but_not_at_every_knock(house: CardsHouse) -> None:
    house.published.append(b"")
    house.pass_time(timedelta(hours=49))
    for _ in range(12):
        await house.fetch_lists()
    visit = Visit(house.card())
    for minutes, waiting in ((0, []), (2, ["fetch_crls"])):
        house.pass_time(timedelta(minutes=minutes))
        with pytest.raises(Refusal, match="REVOCATION_STATUS_UNKNOWN"):
            await house.challenge(visit)
        assert await house.jobs_waiting() == waiting
    house.published.clear()
    await house.run_jobs()
    await house.challenge(visit)


async def test_a_list_that_somebody_else_signed_is_not_held(house: CardsHouse) -> None:
    held = await house.rows("SELECT sha256 FROM crl")
    house.published.append(house.ca.crl(house.now[0], signed_by=new_ec_key()))
    await house.fetch_lists()
    assert await house.rows("SELECT sha256 FROM crl") == held
    assert await house.rows("SELECT last_refusal FROM crl_source") == [("CRL_SIGNATURE_INVALID",)]


async def test_an_older_list_does_not_take_the_place_of_the_one_held(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    old = house.ca.crl(house.now[0] - timedelta(hours=1), number=0)
    house.ca.revoke(visit.card)
    await house.fetch_lists()
    house.published.append(old)
    await house.fetch_lists()
    assert await house.rows("SELECT last_refusal FROM crl_source") == [("CRL_OLDER_THAN_HELD",)]
    assert (await house.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED


@pytest.mark.requirement("LIF-02", "LIF-05")
async def test_a_revoked_card_is_marked_once_and_recorded(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    house.ca.revoke(visit.card)
    for _ in range(2):
        await house.fetch_lists()
    assert (await house.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
    rows = await house.rows("SELECT who, certificate_sha256 FROM history WHERE what = 'revoked'")
    assert rows == [("certificate-registry", visit.card.sha256)]


async def test_a_card_that_was_only_on_hold_works_again(house: CardsHouse) -> None:
    visit, _ = await house.registered()
    house.ca.revoke(visit.card)
    await house.fetch_lists()
    house.ca.revoked.clear()
    await house.fetch_lists()
    assert (await house.resolve(visit)).verdict == Answer.VERDICT_GOOD
    assert await house.rows("SELECT what FROM history ORDER BY number") == [
        ("registered",),
        ("revoked",),
        ("revocation lifted",),
    ]


async def test_the_serial_of_another_cas_card_revokes_nothing(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    root = CertificateAuthority.create("Other Root", key=new_ec_key())
    with crl_server(lambda: root.crl()) as url:
        entry = card_authority(root, (url,)) | {"id": "other-ca"}
        async with cards_house(
            migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
        ) as house:
            visit, _ = await house.registered()
            twin = root.issue(key=new_ec_key(), serial=visit.card.certificate.serial_number)
            root.revoke(twin)
            await house.fetch_lists()
            assert (await house.resolve(visit)).verdict == Answer.VERDICT_GOOD
            with pytest.raises(Refusal, match="CERTIFICATE_REVOKED"):
                await house.challenge(Visit(twin))


@pytest.mark.requirement("LIF-02")
async def test_with_a_revoked_ca_all_its_cards_stop_working(
    migrated_database: Callable[[str], str], tmp_path: Path
) -> None:
    root = CertificateAuthority.create("Other Root", key=new_ec_key())
    with crl_server(lambda: root.crl()) as root_url:
        root.crl_url = root_url
        issuing = CertificateAuthority.create("Other Card CA", parent=root, key=new_ec_key())
        with crl_server(lambda: issuing.crl()) as url:
            issuing.crl_url = url
            entry = card_authority(issuing, (root_url, url)) | {"id": "other-ca"}
            async with cards_house(
                migrated_database("certificate_registry"), tmp_path, further_authorities=[entry]
            ) as house:
                visit, _ = await house.registered(issuing.issue(key=new_ec_key()))
                other, _ = await house.registered()
                root.revoke(issuing.certificate)
                await house.fetch_lists()
                assert (await house.resolve(visit)).verdict == Answer.VERDICT_CERTIFICATE_REVOKED
                assert (await house.resolve(other)).verdict == Answer.VERDICT_GOOD


async def test_workers_side_by_side_fetch_a_list_once(house: CardsHouse) -> None:
    before = house.ca.crl_number
    await house.execute("UPDATE crl_source SET next_fetch_at = '-infinity'")
    await asyncio.gather(*(house.run_task("fetch_crls") for _ in range(4)))
    assert house.ca.crl_number == before + 1


async def test_a_list_is_fetched_again_when_its_time_has_come(house: CardsHouse) -> None:
    fetched = house.ca.crl_number
    await house.run_task("fetch_crls")
    assert house.ca.crl_number == fetched
    house.pass_time(timedelta(minutes=61))
    await house.run_task("fetch_crls")
    assert house.ca.crl_number == fetched + 1
