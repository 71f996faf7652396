"""Faults of the rows about the renewal of a card (REN)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="REN-01",
        breaks="Nobody is asked to check the company of the new card.",
        file="card-agent/card_agent/renewal/comparison.py",
        old="        renewal_words.CHECK_COMPANIES,\n",
        new="",
        test="tests/contract/card_agent/test_renewal.py::test_both_cards_are_shown_side_by_side_before_the_new_one_signs",
    ),
    Fault(
        row="REN-02",
        breaks="A card of the company's old address is renewed by one of its new address.",
        file="services/certificate-registry/certificate_registry/domain/renewal.py",
        old="if old_address and new_address and _make_address_key(old_address) != _make_address_key(new_address):",
        new="if False:",
        test="tests/contract/certificate_registry/test_renewal_refusals.py"
        "::test_card_of_another_company_or_address_is_refused",
    ),
    Fault(
        row="REN-03",
        breaks="A card that was replaced is let in as before.",
        file="services/certificate-registry/certificate_registry/store/lookup.py",
        old="WHEN registration.state = 'replaced' THEN {Verdict.CARD_REPLACED:d}",
        new="WHEN registration.state = 'replaced' THEN {Verdict.GOOD:d}",
        test="tests/contract/certificate_registry/test_renewal.py::test_new_card_takes_the_old_ones_place_at_once",
    ),
    Fault(
        row="REN-04",
        breaks="A renewal reaches the other agencies, whatever the user chose.",
        file="services/certificate-registry/certificate_registry/operations/renewal_commit.py",
        old="stays_here=not request.propagate",
        new="stays_here=False",
        test="tests/contract/certificate_registry/test_renewal_propagation.py"
        "::test_renewal_that_stays_here_is_not_propagated",
    ),
    Fault(
        row="REN-05",
        breaks="The wizard looks at the card and names no operation.",
        file="services/portal/portal/pages/advice_pages.py",
        old="names[operation] if operation is not None else words.NONE_IS_RIGHT",
        new="words.NONE_IS_RIGHT",
        test="tests/contract/portal/test_journeys.py::test_advice_names_the_operation_that_is_right_for_the_card",
    ),
)
