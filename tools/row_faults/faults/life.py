"""Faults of the rows about the life of a card (LIF)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="LIF-01",
        breaks="An expired certificate goes on working for a month.",
        file="services/certificate-registry/certificate_registry/store/lookup.py",
        old="WHEN card.not_after < now() THEN",
        new="WHEN card.not_after < now() - interval '1 month' THEN",
        test="tests/contract/certificate_registry/test_resolve_user.py::test_verdict_names_why_a_card_is_no_longer_valid",
    ),
    Fault(
        row="LIF-04",
        breaks="A suspended bidder registers as before.",
        file="services/qualification-registry/qualification_registry/domain/search.py",
        old="    if status is BidderStatus.SUSPENDED:",
        new="    if status is None:",
        test="tests/contract/qualification_registry/test_bidder_suspension.py"
        "::test_officer_suspends_a_bidder_at_its_agency_and_two_officers_resume_it",
    ),
    Fault(
        row="LIF-05",
        breaks="Details that were taken away without an act of erasure are not missed.",
        file="libraries/history/history/verification.py",
        old="        elif entry.erased_by is None:",
        new="        elif entry.erased_by == 0:",
        test="tests/contract/history/test_verify_command.py::test_forged_entry_is_named_with_what_to_do",
    ),
    Fault(
        row="LIF-08",
        breaks="An invitation is accepted with any code.",
        file="services/certificate-registry/certificate_registry/operations/officer_enrolment.py",
        old="        if newest is None or not is_right:",
        new="        if newest is None:",
        test="tests/contract/certificate_registry/test_officer_enrolment.py"
        "::test_nobody_learns_without_its_code_whether_there_is_an_invitation",
    ),
    Fault(
        row="LIF-06",
        breaks="The consequences of little validity are not shown.",
        file="services/portal/portal/pages/advice_pages.py",
        old="            (words.CONSEQUENCES, advice.consequences),\n",
        new="",
        test="tests/contract/portal/test_journeys.py"
        "::test_with_little_validity_left_the_person_is_told_to_ask_about_paper",
    ),
)
