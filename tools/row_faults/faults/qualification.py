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
        row="QUA-09",
        breaks="A password may be used on the day on which it was changed.",
        file="services/qualification-registry/qualification_registry/domain/passwords.py",
        old="find_japan_day(password.changed_at) == find_japan_day(now)",
        new="password.changed_at > now",
        test="tests/contract/qualification_registry/test_search.py::test_password_changed_today_is_refused_only_if_it_is_right",
    ),
)
