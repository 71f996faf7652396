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
)
