"""What a link wants to have signed, and whether a card of its hand-off may sign it."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from card_agent.local_page.hand_offs import ChosenCard, HandOff, RenewalState
from card_agent.local_page.links import SignLink
from card_agent.local_page.request_rows import read_request
from card_agent.signing.purpose import ShownPurpose, read_purpose
from refusals import Code, Refusal
from signed_acts.purpose import Operation, Purpose, Role

# What no screen shows, or shows in another place.
_INVISIBLE = frozenset({"Cf", "Co", "Cn"})


@dataclass(frozen=True, slots=True)
class SignRequest:
    """A purpose, the card that it is for, and the values of its request; None where the link has none.

    `renewal` is that of the hand-off, which may begin another one while the card is at work.
    """

    link: SignLink
    purpose: ShownPurpose
    card: ChosenCard
    values: Mapping[str, object] | None
    renewal: RenewalState | None

    @property
    def role(self) -> Role:
        """The card's role."""
        return self.purpose.content.role

    @property
    def is_act(self) -> bool:
        """Whether something is agreed to; otherwise it is a log-in."""
        return self.purpose.content.act is not None


def read_sign_request(link: SignLink, hand_off: HandOff) -> SignRequest:
    """Returns what the link wants to have signed.

    Raises the refusals of `read_purpose`, CARD_NOT_CHOSEN, PURPOSE_FOR_ANOTHER_INSTANCE, …_OPERATION, …_CARD, …_REQUEST
    and REQUEST_MALFORMED.
    """
    purpose = read_purpose(link.purpose)
    content = purpose.content
    if any(unicodedata.category(each) in _INVISIBLE for line in purpose.lines for each in line):
        raise Refusal("PURPOSE_MALFORMED", Code.INVALID_ARGUMENT, {"part": "lines"})
    if content.instance != hand_off.instance.id:
        raise _refuse_other("INSTANCE", content.instance, hand_off.instance.id)
    card = hand_off.cards.get(content.role)
    if card is None or hand_off.operation is None:
        raise Refusal("CARD_NOT_CHOSEN", Code.FAILED_PRECONDITION)
    if content.operation != hand_off.operation:
        raise _refuse_other("OPERATION", content.operation, hand_off.operation)
    if content.certificate_sha256 != card.certificate.sha256:
        raise _refuse_other("CARD", content.certificate_sha256.hex(), card.certificate.sha256.hex())
    if link.request is not None and content.act is None:
        raise Refusal("LINK_MALFORMED", Code.INVALID_ARGUMENT, {"part": "request"})
    if content.operation == Operation.RENEWAL and content.act is not None:
        _check_renewal(content, hand_off)
    values = read_request(link.request, content) if link.request is not None else None
    return SignRequest(link, purpose, card, values, hand_off.renewal)


def _check_renewal(content: Purpose, hand_off: HandOff) -> None:
    """Checks that an act of a renewal names this hand-off's successor key, and the new card's the old card too."""
    renewal = hand_off.renewal
    if renewal is None:
        raise Refusal("CARD_NOT_CHOSEN", Code.FAILED_PRECONDITION)
    if content.successor_key_sha256 != renewal.successor.public_sha256:
        found = (content.successor_key_sha256 or b"").hex()
        raise _refuse_other("REQUEST", found, renewal.successor.public_sha256.hex())
    if content.role is not Role.NEW:
        return
    old = hand_off.cards.get(Role.OLD)
    if old is None or content.other_certificate_sha256 != old.certificate.sha256:
        expected = old.certificate.sha256.hex() if old is not None else ""
        raise _refuse_other("REQUEST", (content.other_certificate_sha256 or b"").hex(), expected)
    request_id = content.act.request_id if content.act is not None else ""
    # The successor key vouches in the renewal only to which the old card agreed.
    if request_id != renewal.request_id:
        raise _refuse_other("REQUEST", request_id, renewal.request_id or "")


def _refuse_other(what: str, found: str, expected: str) -> Refusal:
    metadata = {"found": found, "expected": expected}
    return Refusal(f"PURPOSE_FOR_ANOTHER_{what}", Code.FAILED_PRECONDITION, metadata)
