"""担当者, who works on a registration: optional, checked like other typed text, kept for the receipt (REG-02)."""

import pytest

from refusals import Refusal
from tests.support.services.contact_messages import staging_request
from tests.support.services.contact_notification import RunningContactNotification


@pytest.mark.requirement("REG-02")
async def test_person_in_charge_is_returned_character_for_character(contacts: RunningContactNotification) -> None:
    # Marks that choose a form of a character are not counted.
    name = "葛\U000e0100" * 20
    request = staging_request(person_in_charge=name)
    await contacts.register(request)
    assert (await contacts.staged(request)).person_in_charge == name
    without = staging_request(2, representative=False)
    await contacts.stage(without)
    assert (await contacts.staged(without)).person_in_charge == ""


@pytest.mark.requirement("REG-02")
@pytest.mark.parametrize("validate_only", [False, True])
async def test_wrong_person_in_charge_is_refused_at_its_field(
    contacts: RunningContactNotification, validate_only: bool
) -> None:
    for name, reason in (("埼" * 21, "FIELD_TOO_LONG"), ("太郎\x00", "FIELD_HAS_CONTROL_CHARACTERS")):
        with pytest.raises(Refusal, match="FIELDS_INVALID") as caught:
            await contacts.stage(staging_request(person_in_charge=name, validate_only=validate_only))
        (violation,) = caught.value.violations
        assert (violation.field, violation.reason) == ("person_in_charge", reason)
    assert await contacts.rows("SELECT * FROM staged_registrations") == []
