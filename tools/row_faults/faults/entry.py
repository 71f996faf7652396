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
)
