"""Faults of the rows about a change (CHG)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="CHG-02",
        breaks="A change reaches all other agencies, whatever the user chose.",
        file="services/contact-notification/contact_notification/domain/pins.py",
        old="    if not propagate:",
        new="    if propagate is None:",
        test="tests/contract/contact_notification/test_contact_versions.py"
        "::test_other_agencies_keep_the_version_before_until_a_propagated_change",
    ),
    Fault(
        row="CHG-03",
        breaks="Whoever asks for the contact of a tender's moment gets the newest one.",
        file="services/contact-notification/contact_notification/store/contacts.py",
        old='        "as_of": query.as_of,',
        new='        "as_of": None,',
        test="tests/contract/contact_notification/test_contact_versions.py::test_agency_gets_the_contact_of_an_instant",
    ),
    Fault(
        row="CHG-05",
        breaks="The form of a change is empty.",
        file="services/portal/portal/pages/parts.py",
        old='value = journey.typed.get(name, "")\n        current',
        new='value = ""\n        current',
        test="tests/acceptance/test_portal_rows.py::test_change_shows_what_is_registered_and_changes_nothing_by_being_looked_at",
    ),
)
