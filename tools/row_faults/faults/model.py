"""Faults of no row that the model-based test has to find within its budget: it holds what many rows say together."""

from tools.row_faults.fault import Fault

_TEST = "tests/acceptance/test_model.py::test_cards_and_contacts_are_what_the_acts_made_of_them"

FAULTS = (
    Fault(
        row="MODEL-LOCK",
        breaks="A renewal locks neither card, and judges what another one changes at that moment.",
        file="services/certificate-registry/certificate_registry/store/log_in.py",
        old="        ORDER BY session.certificate_sha256, session.token_sha256\n        FOR UPDATE\n",
        new="        ORDER BY session.certificate_sha256, session.token_sha256\n",
        test=_TEST,
    ),
    Fault(
        row="MODEL-ORDER",
        breaks="A state of a card that arrives late takes the place of a newer one.",
        file="services/contact-notification/contact_notification/store/card_states.py",
        old="            WHERE (kept.version_epoch, kept.version_number) < "
        "(excluded.version_epoch, excluded.version_number)\n",
        new="",
        test=_TEST,
    ),
    Fault(
        row="MODEL-VERSION",
        breaks="A change that was typed over an older version is written over a newer one.",
        file="services/contact-notification/contact_notification/domain/change.py",
        old="if newest is not None and typed.version != newest.version:",
        new="if newest is not None and typed.version > newest.version:",
        test=_TEST,
    ),
)
