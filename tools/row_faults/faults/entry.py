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
)
