"""Faults of the rows about instance, agency and category (ENT)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="ENT-03",
        breaks="A category may be chosen at an agency that does not offer it.",
        file="libraries/instance-profile/instance_profile/offers.py",
        old="if category.code not in agency.categories:",
        new="if not agency.categories:",
        test="tests/contract/front_door/test_registration.py::test_wrong_agency_or_category_is_refused_before_any_peer_is_called",
    ),
    Fault(
        row="ENT-04",
        breaks="A card that is bound in one category can be registered in no other.",
        file="services/certificate-registry/certificate_registry/store/circumstances.py",
        old="WHERE binding.certificate_sha256 = key.certificate_sha256 AND binding.category = key.category\n",
        new="WHERE binding.certificate_sha256 = key.certificate_sha256\n",
        test="tests/contract/certificate_registry/test_registration.py::test_card_can_have_a_bidder_per_category",
    ),
    Fault(
        row="ENT-01",
        breaks="Where there is one agency, the person chooses it all the same.",
        file="services/portal/portal/pages/entry_pages.py",
        old="if len(self.profile.agencies) == 1 and",
        new="if len(self.profile.agencies) == 0 and",
        test="tests/contract/portal/test_profiles.py"
        "::test_choice_is_skipped_where_there_is_one_agency_with_one_category",
    ),
    Fault(
        row="ENT-05",
        breaks="The menu lets a person begin outside the hours.",
        file="services/portal/portal/pages/entry_pages.py",
        old='closed: Sayable = "" if opening.open else',
        new='closed: Sayable = "" if opening else',
        test="tests/contract/portal/test_profiles.py"
        "::test_menu_outside_the_hours_says_when_it_opens_and_begins_nothing",
    ),
    Fault(
        row="ENT-06",
        breaks="The menu does not say when not to use an operation.",
        file="services/portal/portal/pages/entry_pages.py",
        old="explanation=further if guide.menu else (),",
        new="explanation=(),",
        test="tests/acceptance/test_portal_entry.py::test_menu_says_what_each_operation_is_for_and_when_not_to_use_it",
    ),
    Fault(
        row="ENT-07",
        breaks="After a log-out the card's session goes on.",
        file="services/portal/portal/pages/journey_routes.py",
        old="await asyncio.gather(*map(self.card_sessions.end, tokens))",
        new="tokens.clear()",
        test="tests/contract/portal/test_profiles.py::test_log_out_asks_ends_the_cards_session_and_leaves_nothing",
    ),
    Fault(
        row="ENT-08",
        breaks="The chat of an instance is on no screen.",
        file="services/portal/portal/pages/templates/frame.html",
        old="{% if help_desk.chat_url %}",
        new="{% if false %}",
        test="tests/contract/portal/test_profiles.py::test_chat_of_the_instance_stands_on_every_screen",
    ),
    Fault(
        row="ENT-09",
        breaks="A form counts although its page is not the newest.",
        file="services/portal/portal/operations/journeys.py",
        old="        if draft is None or draft.version != version or draft.is_busy:\n"
        "            return draft\n        return",
        new="        if draft is None or draft.is_busy:\n            return draft\n        return",
        test="tests/contract/portal/test_profiles.py::test_form_of_a_page_that_is_not_the_newest_does_nothing",
    ),
    Fault(
        row="ENT-10",
        breaks="The end leads nowhere, so that e-bidding is not entered anew.",
        file="services/portal/portal/pages/entry_pages.py",
        old='        links = [Link(label=words.TO_START, address="/")]\n        if self.profile.bidding_url:',
        new='        links = [Link(label=words.TO_START, address="/")]\n        if not self.profile.bidding_url:',
        test="tests/contract/portal/test_profiles.py::test_after_an_operation_e_bidding_is_entered_anew_from_the_end",
    ),
    Fault(
        row="ENT-12",
        breaks="The choice leads to the menu, past the top screen.",
        file="services/portal/portal/pages/entry_pages.py",
        old='address=f"{base}/top")]',
        new='address=f"{base}/menu")]',
        test="tests/acceptance/test_portal_entry.py"
        "::test_person_goes_from_the_doors_to_the_menu_by_agency_category_and_top_screen",
    ),
)
