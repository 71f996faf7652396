"""An officer's signed act, as it came with a request: whose it is, what it is for, and that its key signed it."""

from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

from history.entries import SignedAct
from refusals import Code, Refusal
from servicekit.access import refuse_caller
from servicekit.identity import Caller
from signed_acts.purpose import Purpose, SignedPurpose
from signed_acts.signature import parse_signature_algorithm
from toroku.act.v1 import signed_purpose_pb2

MOST_REASON_CHARACTERS = 400
_ALGORITHM_PREFIX = "SIGNATURE_ALGORITHM_"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerAct:
    """An act whose purpose and signature are right; whether it still counts, `acts.take_act` says.

    `method` is the full name without the leading slash. `officer` is the caller, `request_sha256` is over the canonical
    form of the request without the act. One of the `roles` is needed; there are none where everybody may.
    """

    officer: Caller
    method: str
    roles: frozenset[str]
    request_id: UUID
    request_sha256: bytes
    purpose: Purpose
    signed: SignedPurpose = field(repr=False)

    @property
    def who(self) -> str:
        """Who did it, as the history names an officer."""
        return f"officer {self.officer.name}"

    @property
    def certificate_sha256(self) -> bytes:
        """The certificate whose key signed."""
        return self.purpose.certificate_sha256

    @property
    def signed_act(self) -> SignedAct:
        """What the history keeps of it."""
        return SignedAct(
            self.signed.purpose, self.signed.algorithm.value, self.signed.signature, self.officer.certificate
        )


def read_signed_purpose(message: signed_purpose_pb2.SignedPurpose) -> SignedPurpose:
    """Returns a signed purpose; raises SIGNATURE_ALGORITHM_NOT_ACCEPTED."""
    value = signed_purpose_pb2.SignatureAlgorithm.DESCRIPTOR.values_by_number.get(message.algorithm)
    name = value.name.removeprefix(_ALGORITHM_PREFIX) if value is not None else str(message.algorithm)
    return SignedPurpose(message.purpose, parse_signature_algorithm(name), message.signature)


def write_signed_purpose(signed: SignedPurpose) -> signed_purpose_pb2.SignedPurpose:
    """Returns a signed purpose as a message."""
    return signed_purpose_pb2.SignedPurpose(
        purpose=signed.purpose,
        algorithm=signed_purpose_pb2.SignatureAlgorithm.Value(_ALGORITHM_PREFIX + signed.algorithm.value),
        signature=signed.signature,
    )


def check_reason(reason: str) -> str:
    """Returns an officer's reason; raises OFFICER_REASON_INVALID unless it has 1 to 400 characters that are no spaces
    alone.
    """
    if not 0 < len(reason) <= MOST_REASON_CHARACTERS or not reason.strip():
        raise Refusal("OFFICER_REASON_INVALID", Code.INVALID_ARGUMENT, {"most": str(MOST_REASON_CHARACTERS)})
    return reason


def hash_certificate(caller: Caller) -> bytes:
    """Returns the SHA-256 of a person's certificate; raises CALLER_NOT_ALLOWED for a caller that has none."""
    if not caller.certificate:
        raise refuse_caller(caller, "")
    return sha256(caller.certificate).digest()
