"""What certificate-registry and its judgement processes tell each other: pickles, each behind its length.

The service's orders are trusted. A judgement comes from a process that read what a stranger sent; reading one makes
nothing but the types that are named here.
"""

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

from typing_extensions import override

from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.pki.card_authorities import CardAuthority
from certificate_registry.pki.path_validation import RevocationStatus
from refusals import Refusal

# The bytes of the length in front of a message.
LENGTH_BYTES = 4
# The largest judgement: a card's certificate and its chain, each of 16 KiB at most, with the values in them.
MOST_JUDGEMENT_BYTES = 512 * 1024

_JUDGEMENT_TYPES = frozenset(
    {
        *(("datetime", name) for name in ("datetime", "timezone", "timedelta")),
        ("certificate_registry.adapters.judgement_messages", "Judgement"),
        ("certificate_registry.adapters.judgement_messages", "Acknowledgement"),
        ("certificate_registry.domain.card", "Card"),
        ("certificate_registry.domain.trust", "TrustLimits"),
        ("certificate_registry.domain.trust", "TrustPath"),
        ("certificate_registry.domain.valid_card", "ValidCard"),
        ("certificate_registry.pki.certificate", "CardValues"),
        ("certificate_registry.pki.path_validation", "RevocationStatus"),
        ("certificate_registry.pki.standing", "Standing"),
        ("refusals.refusal", "Code"),
        ("refusals.refusal", "Refusal"),
    }
)


@dataclass(frozen=True, slots=True)
class Authorities:
    """The order to build the trust store from the CAs of the profile."""

    authorities: Sequence[CardAuthority] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedLists:
    """The order to take CRLs (DER) into the trust store, and to drop others (SHA-256)."""

    added: Sequence[bytes] = field(repr=False)
    dropped: Sequence[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PresentedCertificate:
    """The order to judge a certificate (DER) at `now`, with the others that came with it.

    The process ends itself after `seconds` of work on it, should nobody else do so.
    """

    certificate: bytes = field(repr=False)
    others: Sequence[bytes] = field(repr=False)
    now: datetime
    seconds: float


Order: TypeAlias = Authorities | ChangedLists | PresentedCertificate


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer to an order that changed the trust store."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The card of a valid certificate, or its refusal, or the traceback of a defect.

    `crl_urls` are the addresses in a certificate that a trusted CA signed and that no CRL covers.
    """

    valid: ValidCard | None = None
    refusal: Refusal | None = None
    crl_urls: tuple[str, ...] = ()
    defect: str = field(default="", repr=False)

    @property
    def is_status_unknown(self) -> bool:
        """Whether a trusted CA signed the certificate, and no CRL says whether it is revoked."""
        if self.valid is not None:
            return self.valid.card.revocation_status is RevocationStatus.UNKNOWN
        return self.refusal is not None and self.refusal.reason == "REVOCATION_STATUS_UNKNOWN"

    @property
    def authority(self) -> str | None:
        """The profile's id of the CA; None where no CA is known."""
        if self.valid is not None:
            return self.valid.card.authority
        return self.refusal.metadata.get("authority") if self.refusal is not None else None

    def require_valid(self) -> ValidCard:
        """Returns the card; raises the refusal."""
        if self.refusal is not None:
            raise self.refusal
        if self.valid is None:
            raise RuntimeError(f"a judgement process failed: {self.defect}")
        return self.valid


Answer: TypeAlias = Acknowledgement | Judgement


def write_message(message: Order | Answer) -> bytes:
    """Returns a message as it is sent."""
    content = io.BytesIO()
    _MessageWriter(content, pickle.HIGHEST_PROTOCOL).dump(message)
    return content.tell().to_bytes(LENGTH_BYTES, "big") + content.getvalue()


def read_order(content: bytes) -> Order:
    """Returns the service's order from its pickle, without its length."""
    order: Order = pickle.loads(content)  # noqa: S301 (the service is trusted)
    return order


def read_answer(content: bytes) -> Answer:
    """Returns a process's answer from its pickle, without its length; raises UnpicklingError for anything else."""
    answer = _AnswerReader(io.BytesIO(content)).load()
    if not isinstance(answer, Acknowledgement | Judgement):
        raise pickle.UnpicklingError("a judgement process answered with something else")
    return answer


class _MessageWriter(pickle.Pickler):
    @override
    def reducer_override(self, obj: Any, /) -> Any:
        # By its value in every version of Python; 3.11.2 would call getattr, which no answer may.
        return (type(obj), (obj.value,)) if isinstance(obj, Enum) else NotImplemented


class _AnswerReader(pickle.Unpickler):
    @override
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        if (module_name, global_name) not in _JUDGEMENT_TYPES:
            raise pickle.UnpicklingError(f"a judgement has no {module_name}.{global_name}")
        return super().find_class(module_name, global_name)
