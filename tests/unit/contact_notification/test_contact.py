"""The rules of contacts: when the representative contact is asked, and when it is reserved."""

import pytest

from contact_notification.domain.contact import check_representative_contact, reserves_representative_contact
from instance_profile.model import RepresentativeContact
from refusals import Refusal

FIRST, SHOWN, ALWAYS = (
    RepresentativeContact.FIRST_REGISTRATION,
    RepresentativeContact.SHOWN,
    RepresentativeContact.ALWAYS,
)
REQUIRED = "REPRESENTATIVE_CONTACT_REQUIRED"


@pytest.mark.parametrize(
    ("rule", "given", "is_active", "reasons"),
    [
        (FIRST, True, False, []),
        (FIRST, False, False, [REQUIRED]),
        (FIRST, False, True, []),
        (SHOWN, False, False, []),
        (SHOWN, False, True, []),
        (SHOWN, True, False, ["REPRESENTATIVE_CONTACT_NOT_ASKED"]),
        (ALWAYS, True, False, []),
        (ALWAYS, True, True, []),
        (ALWAYS, False, True, [REQUIRED]),
        (ALWAYS, False, False, [REQUIRED]),
    ],
)
def test_profile_decides_when_the_representative_contact_is_asked(
    rule: RepresentativeContact, given: bool, is_active: bool, reasons: list[str]
) -> None:
    violations = check_representative_contact(rule, given=given, is_active=is_active)
    assert [violation.reason for violation in violations] == reasons
    assert {violation.field for violation in violations} <= {"representative_contact"}


@pytest.mark.parametrize("rule", [FIRST, SHOWN])
def test_active_representative_contact_can_not_be_given_again(rule: RepresentativeContact) -> None:
    with pytest.raises(Refusal, match="REPRESENTATIVE_CONTACT_GIVEN_ALREADY"):
        check_representative_contact(rule, given=True, is_active=True)


@pytest.mark.parametrize(
    ("rule", "given", "reserves"),
    [(FIRST, True, True), (FIRST, False, False), (SHOWN, True, False), (ALWAYS, True, False)],
)
def test_only_a_first_representative_contact_is_reserved(
    rule: RepresentativeContact, given: bool, reserves: bool
) -> None:
    assert reserves_representative_contact(rule, given=given) is reserves
