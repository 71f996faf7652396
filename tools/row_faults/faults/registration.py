"""Faults of the rows about a registration (REG)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="REG-05",
        breaks="What a repeated request has registered before is not found.",
        file="services/certificate-registry/certificate_registry/domain/outcome.py",
        old="    return outcome.registration_id\n",
        new="    return None\n",
        test="tests/contract/certificate_registry/test_registration.py::test_repeated_request_gets_the_same_registration",
    ),
    Fault(
        row="REG-09",
        breaks="The card signs other words than those that the user sees.",
        file="services/certificate-registry/certificate_registry/operations/registration.py",
        old="act=Act(str(request.request_id), request.request_sha256, request.lines)",
        new='act=Act(str(request.request_id), request.request_sha256, ("登録します。",))',
        test="tests/contract/certificate_registry/test_registration.py::test_act_contains_the_registration",
    ),
    Fault(
        row="REG-10",
        breaks="An e-bidding system gets the representative contact, whatever purpose it names.",
        file="services/contact-notification/contact_notification/store/contacts.py",
        old="if query.certificate_sha256 is None:",
        new="if query.bidder_id:",
        test="tests/contract/contact_notification/test_registrations.py::test_agency_gets_contacts_by_purpose",
    ),
    Fault(
        row="REG-04",
        breaks="Nobody is asked to check the names of the company.",
        file="services/portal/portal/pages/registration_pages.py",
        old="lines=(words.CHECK_COMPANIES, words.IF_RIGHT_REGISTER),",
        new="lines=(words.IF_RIGHT_REGISTER,),",
        test="tests/acceptance/test_portal_rows.py::test_check_shows_all_values_and_the_card_and_back_keeps_what_was_typed",
    ),
)
