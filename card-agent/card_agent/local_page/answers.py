"""The answers that go back to the portal, in the fragment of the return address (docs/hand-off.md)."""

import base64
import json
from collections.abc import Mapping

from card_agent.local_page.hand_offs import HandOff
from card_agent.local_page.links import Link
from card_agent.media.token import TokenCertificate
from refusals import Code, Refusal
from signed_acts.purpose import SignedPurpose

MOST_ADDRESS_BYTES = 100_000
GIVEN_UP = "GIVEN_UP"

Answer = Mapping[str, str | list[str]]


def answer_card(certificate: TokenCertificate, successor_key: bytes | None) -> Answer:
    """Returns the answer to a choice of the card; `successor_key` for a renewal's old card."""
    answer: dict[str, str | list[str]] = {
        "certificate": _encode(certificate.der),
        "chain": [_encode(der) for der in certificate.chain_der],
    }
    if successor_key is not None:
        answer["successor_key"] = _encode(successor_key)
    return answer


def answer_signature(
    signed: SignedPurpose, successor_signature: bytes | None = None, person_in_charge: str = ""
) -> Answer:
    """Returns the answer to a purpose; `successor_signature` for the act of a renewal's new card."""
    answer: dict[str, str | list[str]] = {
        "purpose": _encode(signed.purpose),
        "algorithm": signed.algorithm.value,
        "signature": _encode(signed.signature),
    }
    if successor_signature is not None:
        answer["successor_signature"] = _encode(successor_signature)
    if person_in_charge:
        answer["person_in_charge"] = person_in_charge
    return answer


def answer_refusal(reason: str) -> Answer:
    """Returns the answer that nothing was signed, and why."""
    return {"refusal": reason}


def write_return_address(hand_off: HandOff, link: Link, answer: Answer) -> str:
    """Returns where the browser goes with the answer. Raises ANSWER_TOO_LARGE.

    The address is that of the trust file for the hand-off's instance.
    """
    encoded = base64.urlsafe_b64encode(json.dumps(answer, ensure_ascii=False).encode()).rstrip(b"=").decode()
    address = f"{hand_off.instance.return_address}#handoff={hand_off.id}&step={link.step}&answer={encoded}"
    if len(address) > MOST_ADDRESS_BYTES:
        raise Refusal("ANSWER_TOO_LARGE", Code.FAILED_PRECONDITION)
    return address


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
