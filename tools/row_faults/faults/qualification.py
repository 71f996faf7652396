"""Faults of the rows about finding the bidder (QUA)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="QUA-02",
        breaks="An abbreviated name is searched for, where the manual has 株式会社 spelled out.",
        file="libraries/instance-profile/instance_profile/field_rules.py",
        old="category.name_strictness is NameStrictness.SPELLED_OUT and abbreviates_legal_form(value):",
        new="not value:",
        test="tests/contract/qualification_registry/test_search.py::test_entry_is_checked_for_its_shape_only",
    ),
    Fault(
        row="QUA-05",
        breaks="An officer is not told that another bidder bears the name which a variant form makes the same.",
        file="libraries/instance-profile/instance_profile/name_comparison.py",
        old="if difference.rule in variants else difference",
        new="if difference.rule in () else difference",
        test="tests/contract/qualification_registry/test_names.py::test_officer_sees_how_a_name_compares_rule_by_rule",
    ),
    Fault(
        row="QUA-09",
        breaks="A password may be used on the day on which it was changed.",
        file="services/qualification-registry/qualification_registry/domain/passwords.py",
        old="find_japan_day(password.changed_at) == find_japan_day(now)",
        new="password.changed_at > now",
        test="tests/contract/qualification_registry/test_search.py::test_password_changed_today_is_refused_only_if_it_is_right",
    ),
    Fault(
        row="QUA-12",
        breaks="The file of every version is that of another one.",
        file="services/qualification-registry/qualification_registry/store/versions.py",
        old='roster_file_pieces.c.import_number == bindparam("number"), roster_file_pieces.c.position',
        new='roster_file_pieces.c.import_number != bindparam("number"), roster_file_pieces.c.position',
        test="tests/contract/qualification_registry/test_versions.py"
        "::test_each_version_says_what_it_changed_and_keeps_its_lines_and_its_file",
    ),
    Fault(
        row="QUA-08",
        breaks="A new card is good during a review also where the agency's own rule forbids it.",
        file="services/certificate-registry/certificate_registry/store/lookup.py",
        old="            THEN {Verdict.UNDER_REVIEW:d}\n",
        new="            THEN {Verdict.GOOD:d}\n",
        test="tests/contract/certificate_registry/test_bidder_terms.py"
        "::test_new_card_during_a_review_is_good_where_the_agencys_own_rule_says_so",
    ),
    Fault(
        row="QUA-01",
        breaks="Who was not found is not told what to check.",
        file="services/portal/portal/pages/explained.py",
        old='"\\n".join(f"・{check.ja}" for check in of_category.search_checks),',
        new='"",',
        test="tests/acceptance/test_portal_rows.py::test_who_is_not_on_the_roster_reads_what_to_check",
    ),
)
