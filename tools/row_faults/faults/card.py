"""Faults of the rows about the card (CRD)."""

from tools.row_faults.fault import Fault

FAULTS = (
    Fault(
        row="CRD-01",
        breaks="The agent sees no card in any reader.",
        file="card-agent/card_agent/media/pcsc.py",
        old="Reader(name, bool(state & scard.SCARD_STATE_PRESENT), bool(state & in_use))",
        new="Reader(name, False, bool(state & in_use))",
        test="tests/integration/test_card_reader_trouble.py::test_card_is_found_and_read_and_signs",
    ),
    Fault(
        row="CRD-02",
        breaks="What is typed while the card is busy answers the next question.",
        file="card-agent/card_agent/commands/surroundings.py",
        old="keyboard=open_keyboard(sys.stdin.fileno()) if is_interactive else None,",
        new="keyboard=None,",
        test="tests/integration/test_terminal_dialogue.py::test_nothing_typed_ahead_answers_a_question_or_agrees",
    ),
    Fault(
        row="CRD-03",
        breaks="A blocked card does not say what its CA does about it.",
        file="card-agent/card_agent/console/place.py",
        old='"unlocking": to_words(authority.unlocking),',
        new='"unlocking": to_words(authority.name),',
        test="tests/contract/card_agent/test_words_of_the_instance.py"
        "::test_blocked_card_names_its_ca_and_what_that_ca_does_about_it",
    ),
    Fault(
        row="CRD-05",
        breaks="A certificate that is not valid yet is refused for another reason.",
        file="services/certificate-registry/certificate_registry/pki/path_validation.py",
        old='_outside_validity("CERTIFICATE_NOT_YET_VALID", error, error.valid_from)',
        new='_outside_validity("CERTIFICATE_EXPIRED", error, error.valid_from)',
        test="tests/contract/certificate_registry/test_card_session.py::test_invalid_card_gets_no_challenge",
    ),
    Fault(
        row="CRD-06",
        breaks="A card whose binding was undone can't register anew.",
        file="services/certificate-registry/certificate_registry/store/suspensions.py",
        old="ended_as = '{BindingState.RELEASED.value}'",
        new="ended_as = '{BindingState.CLOSED.value}'",
        test="tests/contract/certificate_registry/test_binding_undo.py"
        "::test_card_whose_binding_was_undone_registers_for_another_bidder",
    ),
    Fault(
        row="CRD-07",
        breaks="Of several cards of a bidder only one is good.",
        file="services/certificate-registry/certificate_registry/store/lookup.py",
        old="            AND registration.agency = key.agency\n",
        new=(
            "            AND registration.agency = key.agency\n"
            "            AND registration_id::text = (SELECT max(other.registration_id::text)\n"
            "                FROM registration AS other WHERE other.bidder_id = registration.bidder_id)\n"
        ),
        test="tests/contract/certificate_registry/test_registration.py::test_bidder_can_have_several_cards",
    ),
    Fault(
        row="CRD-08",
        breaks="One module that crashes hides the cards of all others.",
        file="card-agent/card_agent/media/pkcs11.py",
        old="            return (FoundMedium(str(self.path), TokenInModule(self), refusal=refusal),)\n",
        new="            raise refusal\n",
        test="tests/integration/test_pkcs11_modules.py"
        "::test_modules_of_several_vendors_are_listed_together_whatever_one_of_them_does",
    ),
    Fault(
        row="CRD-09",
        breaks="A card that was pulled out is reported as a card that can't be read.",
        file="card-agent/card_agent/media/pcsc.py",
        old='if is_present else Refusal("CARD_REMOVED", Code.ABORTED)',
        new='if is_present else Refusal("CARD_UNREADABLE", Code.ABORTED)',
        test="tests/integration/test_card_reader_trouble.py::test_card_removed_at_any_command_is_refused",
    ),
    Fault(
        row="CRD-10",
        breaks="A representative's card passes where the contract party's alone is taken.",
        file="services/qualification-registry/qualification_registry/domain/card_approval.py",
        old="    HolderRule.CONTRACT_PARTY: {HolderComparison.CONTRACT_PARTY},\n",
        new="    HolderRule.CONTRACT_PARTY: {HolderComparison.CONTRACT_PARTY, HolderComparison.REPRESENTATIVE},\n",
        test="tests/contract/qualification_registry/test_card_approvals.py::test_holder_passes_or_is_for_an_officer_by_the_rule_of_the_agency",
    ),
    Fault(
        row="CRD-04",
        breaks="What a certificate lacks is shown as null.",
        file="services/portal/portal/pages/parts.py",
        old="or words.NOT_IN_CERTIFICATE)",
        new='or "null")',
        test="tests/contract/portal/test_profiles.py::test_of_a_card_is_shown_what_the_instance_shows_and_never_null",
    ),
)
