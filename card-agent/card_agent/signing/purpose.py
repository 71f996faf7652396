"""The purpose, which is all that a card signs: read strictly, shown completely, and only if the agent knows how to.

The agent never signs a hash or other bytes. It signs the bytes of a purpose that `signed_acts` accepts, for an
operation that it has words for, for this certificate and this instance.
"""

from dataclasses import dataclass

from card_agent.console import words
from refusals import Code, Refusal
from signed_acts.purpose import Operation, Purpose, PurposeType, Role, decode, expect, expect_act
from signed_acts.signature import prefix_purpose


@dataclass(frozen=True, slots=True)
class ShownPurpose:
    """A purpose that the agent can show, with its bytes as they came."""

    encoded: bytes
    content: Purpose

    @property
    def to_be_signed(self) -> bytes:
        """The bytes that the card signs."""
        return prefix_purpose(self.encoded)

    @property
    def lines(self) -> tuple[str, ...]:
        """What an act does, in words for people; none for a log-in."""
        return self.content.act.lines if self.content.act is not None else ()


@dataclass(frozen=True, slots=True)
class ExpectedRequest:
    """The bidder and the request that an act must be for; every SHA-256 has 32 bytes.

    The last two are those of a renewal: the key that vouches for the new card, and for the new card the old one.
    """

    bidder_id: str
    request_id: str
    request_sha256: bytes
    successor_key_sha256: bytes | None = None
    other_certificate_sha256: bytes | None = None


@dataclass(frozen=True, slots=True)
class ExpectedPurpose:
    """The purpose that fits the person's current operation: an act if it has a request, otherwise a log-in."""

    instance: str
    agency: str
    category: str
    certificate_sha256: bytes
    request: ExpectedRequest | None = None
    operation: Operation = Operation.REGISTRATION
    role: Role = Role.SOLE


def read_purpose(encoded: bytes) -> ShownPurpose:
    """Returns the purpose with this encoding.

    Raises PURPOSE_MALFORMED with `part`, and PURPOSE_OPERATION_UNKNOWN for an operation that the agent can't show.
    """
    purpose = decode(encoded)
    if purpose.operation not in words.OPERATION_NAMES:
        raise Refusal("PURPOSE_OPERATION_UNKNOWN", Code.INVALID_ARGUMENT, {"operation": str(purpose.operation)})
    return ShownPurpose(encoded, purpose)


def check_purpose(purpose: ShownPurpose, expected: ExpectedPurpose) -> None:
    """Checks that the purpose is exactly the expected one; raises as `signed_acts.purpose.expect` and `expect_act`."""
    expect(
        purpose.content,
        instance=expected.instance,
        type=PurposeType.LOG_IN if expected.request is None else PurposeType.ACT,
        operation=expected.operation,
        agency=expected.agency,
        category=expected.category,
        certificate_sha256=expected.certificate_sha256,
        role=expected.role,
    )
    if expected.request is not None:
        expect_act(
            purpose.content,
            bidder_id=expected.request.bidder_id,
            request_id=expected.request.request_id,
            request_sha256=expected.request.request_sha256,
            successor_key_sha256=expected.request.successor_key_sha256,
            other_certificate_sha256=expected.request.other_certificate_sha256,
        )
