"""Log-ins and suspensions are answered at any hour, also while the instance takes no registrations (ENT-05)."""

from datetime import datetime, timedelta

import pytest

from instance_profile.hours import determine_opening_state
from instance_profile.japan_time import JAPAN
from tests.support.example_profile import PREFECTURE, example_profile
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import user_lookup_pb2

Verdict = user_lookup_pb2.ResolveUserResponse


@pytest.mark.requirement("ENT-05")
async def test_on_a_sunday_night_a_card_is_good_and_is_suspended(registry: RunningCertificateRegistry) -> None:
    visit, _ = await registry.register_new()
    officer = await registry.appoint(f"{PREFECTURE}/hanako", "suspension")
    today = datetime.now(JAPAN)
    sunday = (today + timedelta(days=6 - today.weekday() or 7)).replace(hour=3, minute=0)
    registry.pass_time(sunday - today)
    assert not determine_opening_state(example_profile().opening_hours, sunday).open

    assert (await registry.resolve(visit, PREFECTURE)).verdict == Verdict.VERDICT_GOOD
    await officer.suspend(visit)
    assert (await registry.resolve(visit, PREFECTURE)).verdict == Verdict.VERDICT_CARD_SUSPENDED
