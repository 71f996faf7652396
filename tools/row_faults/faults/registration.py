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
        row="REG-01",
        breaks="After the search comes the search again.",
        file="services/portal/portal/operations/registration.py",
        old="return replace(journey, part=part, typed=kept, step=Step.FORM)",
        new="return replace(journey, part=part, typed=kept, step=Step.SEARCH)",
        test="tests/contract/portal/test_journeys.py::test_card_is_registered",
    ),
    Fault(
        row="REG-02",
        breaks="The mail address is typed once where the instance wants it twice.",
        file="services/portal/portal/pages/parts.py",
        old="and category.mail_address_typed_twice:",
        new="and not category.mail_address_typed_twice:",
        test="tests/contract/portal/test_profiles.py::test_mail_address_is_typed_twice_where_the_instance_wants_that",
    ),
    Fault(
        row="REG-03",
        breaks="The representative contact is asked where it is only to be shown.",
        file="services/portal/portal/pages/registration_pages.py",
        old="    if found.representative_contact_wanted:",
        new="    if not found.representative_contact_wanted:",
        test="tests/contract/portal/test_profiles.py::test_representative_contact_is_asked_as_the_instance_says",
    ),
    Fault(
        row="REG-04",
        breaks="The check does not ask to compare the company names.",
        file="services/portal/portal/pages/registration_pages.py",
        old="lines=(words.CHECK_COMPANIES, words.IF_RIGHT_REGISTER),",
        new="lines=(words.IF_RIGHT_REGISTER,),",
        test="tests/acceptance/test_portal.py"
        "::test_card_is_registered_by_the_manuals_way_from_the_entry_to_the_receipt",
    ),
)
