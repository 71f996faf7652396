"""Purposes as a portal gets them from the front door, for any card."""

import secrets
from hashlib import sha256
from typing import Any
from uuid import uuid4

import rfc8785

from signed_acts.purpose import Act, Operation, Purpose, PurposeType, Role, encode
from simulators.certificate_authorities import IssuedCard

INSTANCE, AGENCY, CATEGORY, BIDDER = "saitama", "saitama-prefecture", "works", "1000000001"
LINES = ("埼玉県の工事に、業者番号1000000001で登録します。", "Registers at Saitama Prefecture, for works.")


def make_log_in(
    card: IssuedCard, operation: str = Operation.REGISTRATION, role: Role = Role.SOLE, **changes: Any
) -> bytes:
    """Returns the log-in of a card."""
    values: dict[str, Any] = {
        "instance": INSTANCE,
        "type": PurposeType.LOG_IN,
        "operation": operation,
        "role": role,
        "nonce": secrets.token_bytes(32),
        "certificate_sha256": card.sha256,
        "agency": AGENCY,
        "category": CATEGORY,
    }
    return encode(Purpose(**values | changes))


def make_act(
    card: IssuedCard,
    operation: str = Operation.REGISTRATION,
    role: Role = Role.SOLE,
    request_id: str = "",
    request: bytes = b"",
    **changes: Any,
) -> bytes:
    """Returns the act of a card, for a request in canonical form."""
    act = Act(request_id or str(uuid4()), sha256(request).digest(), LINES)
    return make_log_in(card, operation, role, type=PurposeType.ACT, bidder_id=BIDDER, act=act, **changes)


def write_request(**values: Any) -> bytes:
    """Returns the canonical form of a request with these values."""
    return rfc8785.dumps(values)
