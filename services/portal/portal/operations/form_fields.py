"""The fields that forms of journeys have: a draft keeps no others."""

from portal.operations.contact_forms import AGAIN, CARD, FIELDS, REPRESENTATIVE

FIELD_NAMES = frozenset(
    {
        "name",
        "bidder_id",
        "password",
        *(f"{section}.{field}" for section in (CARD, REPRESENTATIVE) for field in (*FIELDS, AGAIN)),
        "predecessor_serial",
        "propagate",
        # Where an officer's answer is sent.
        "mail_address",
    }
)
