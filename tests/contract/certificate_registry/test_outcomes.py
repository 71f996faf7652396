"""Outcomes of requests: a registration, a tombstone, or neither; never both."""

import asyncio
from uuid import uuid4

import pytest

from refusals import Refusal
from tests.support.services.card_visit import REQUEST_SHA256, Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import certificate_registry_pb2

Outcome = certificate_registry_pb2.GetOutcomeResponse.Outcome


async def test_outcome_of_a_request_is_reported(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    for caller in ("front-door", "contact-notification"):
        response = await registry.outcome(visit, caller=caller)
        assert response.outcome == Outcome.OUTCOME_REGISTERED
        assert response.registration == registration
        assert response.card.certificate_sha256 == visit.card.sha256
        (of_agency,) = response.card_state.registrations
        assert of_agency.registration_id == registration.registration_id
        assert (of_agency.request_id, of_agency.request_sha256) == (visit.request_id, REQUEST_SHA256)
    unknown = await registry.outcome(Visit(visit.card))
    assert unknown == certificate_registry_pb2.GetOutcomeResponse(outcome=Outcome.OUTCOME_NONE)


async def test_asking_for_an_outcome_records_none(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    assert (await registry.outcome(visit)).outcome == Outcome.OUTCOME_NONE
    await registry.register(visit)


async def test_abandoned_request_can_not_register(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    assert (await registry.outcome(visit, abandon=True)).outcome == Outcome.OUTCOME_ABANDONED
    assert (await registry.outcome(visit)).outcome == Outcome.OUTCOME_ABANDONED
    for call in (registry.create_act(visit), registry.register(visit)):
        with pytest.raises(Refusal, match="REQUEST_ID_ABANDONED"):
            await call
    assert await registry.rows("SELECT count(*) FROM registration") == [(0,)]
    # The card itself is not affected: a new request registers it.
    visit.request_id = str(uuid4())
    await registry.sign_act(visit)
    await registry.register(visit)


async def test_registration_can_not_be_abandoned(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    response = await registry.outcome(visit, abandon=True)
    assert response.outcome == Outcome.OUTCOME_REGISTERED
    assert response.registration == registration


async def test_request_is_either_abandoned_or_registered(registry: RunningCertificateRegistry) -> None:
    for _ in range(8):
        visit = await registry.prepare(Visit(registry.card()))
        registration = asyncio.create_task(registry.register(visit))
        abandonments = [asyncio.create_task(registry.outcome(visit, abandon=True)) for _ in range(3)]
        await asyncio.wait([registration, *abandonments])
        (count,) = await registry.rows(
            f"SELECT count(*) FROM registration WHERE certificate_sha256 = '\\x{visit.card.sha256.hex()}'"  # noqa: S608
        )
        found = {task.result().outcome for task in abandonments}
        error = registration.exception()
        if error is not None:
            assert isinstance(error, Refusal)
            assert error.reason == "REQUEST_ID_ABANDONED"
            assert (found, count) == ({Outcome.OUTCOME_ABANDONED}, (0,))
        else:
            assert (found, count) == ({Outcome.OUTCOME_REGISTERED}, (1,))


async def test_only_contact_notification_may_abandon(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await registry.outcome(visit, abandon=True, caller="front-door")
    await registry.register(visit)
