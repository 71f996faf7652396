"""What only one operation's journey has: what the front door answered, and what was sent to it."""

from dataclasses import dataclass, field

from toroku.act.v1.signed_purpose_pb2 import SignedPurpose
from toroku.frontdoor.v1.advice_pb2 import GetAdviceResponse
from toroku.frontdoor.v1.change_pb2 import ChangeReceipt, GetRegisteredResponse, PrepareChangeResponse
from toroku.frontdoor.v1.front_door_pb2 import Receipt
from toroku.frontdoor.v1.registration_pb2 import FindBidderResponse, PrepareRegistrationResponse
from toroku.frontdoor.v1.renewal_pb2 import PrepareRenewalResponse, PrepareSuccessionResponse, RenewalResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationPart:
    """What a registration has found, checked and sent."""

    # CardStanding
    standing: int = 0
    found: FindBidderResponse | None = None
    # The form as it was checked, and the act as it is to be signed.
    checked: PrepareRegistrationResponse | None = None
    prepared: PrepareRegistrationResponse | None = None
    # The signed act that was sent and whose outcome is not known.
    act: SignedPurpose | None = None
    receipt: Receipt | None = None
    # The number of the question to an officer.
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePart:
    """What a change has read, checked and sent."""

    registered: GetRegisteredResponse | None = None
    checked: PrepareChangeResponse | None = None
    prepared: PrepareChangeResponse | None = None
    act: SignedPurpose | None = None
    receipt: ChangeReceipt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPart:
    """What a renewal has agreed to, checked and sent."""

    successor_key: bytes = b""
    succession: PrepareSuccessionResponse | None = None
    old_act: SignedPurpose | None = None
    checked: PrepareRenewalResponse | None = None
    prepared: PrepareRenewalResponse | None = None
    act: SignedPurpose | None = None
    successor_signature: bytes = field(default=b"", repr=False)
    result: RenewalResult | None = None
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvicePart:
    """What was advised."""

    advice: GetAdviceResponse | None = None
