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
        breaks="A person chooses the only agency that there is.",
        file="services/portal/portal/pages/templates/choice.html",
        old="{% if view.agencies | length == 1 %}",
        new="{% if not view.agencies %}",
        test="tests/acceptance/test_portal_entry.py::test_where_there_is_one_agency_nobody_chooses_it",
    ),
    Fault(
        row="ENT-06",
        breaks="The menu does not say when the renewal is not to be used.",
        file="services/portal/portal/pages/entry_pages.py",
        old="explanation=further if guide.menu else (),",
        new="explanation=(guide.what_for,),",
        test="tests/acceptance/test_portal_entry.py::test_menu_and_guide_say_what_each_operation_is_for_and_when_not_to_renew",
    ),
    Fault(
        row="ENT-07",
        breaks="A session goes on for twenty minutes without activity.",
        file="services/certificate-registry/certificate_registry/domain/card_session.py",
        old="IDLE = timedelta(minutes=10)",
        new="IDLE = timedelta(minutes=20)",
        test="tests/contract/certificate_registry/test_card_session.py::test_session_expires_after_ten_idle_minutes",
    ),
    Fault(
        row="ENT-10",
        breaks="Something of what was done here goes along to the e-bidding system.",
        file="services/portal/portal/pages/entry_pages.py",
        old="address=self.profile.bidding_url, note=words.BIDDING_NOTE",
        new='address=f"{self.profile.bidding_url}?agency={agency}", note=words.BIDDING_NOTE',
        test="tests/acceptance/test_portal_entry.py::test_bidding_leads_to_the_agencys_system_as_a_fresh_entry",
    ),
    Fault(
        row="ENT-12",
        breaks="The choice leads to the menu, past the top screen.",
        file="services/portal/portal/pages/entry_pages.py",
        old='address=f"{base}/top"',
        new='address=f"{base}/menu"',
        test="tests/acceptance/test_portal_entry.py::test_way_leads_from_the_entry_by_choice_and_top_screen_to_the_menu",
    ),
)
