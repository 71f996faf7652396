"""The CAs whose cards are accepted, and where their certificates keep each value (CRD-05)."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from instance_profile.base import Code, Part, Text

_LOCATOR = r"(subject|san\.directoryName|san\.otherName)\.[0-9A-Za-z.]+"
Locator = Annotated[str, StringConstraints(pattern=rf"^{_LOCATOR}(\+{_LOCATOR})*$")]
KeyPin = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CompanyMatch(StrEnum):
    """Whether the certificate's company must be the roster's (design section 4)."""

    REQUIRED = "required"
    OFFICER = "officer"
    OFF = "off"


class UnknownRevocation(StrEnum):
    """What happens where no usable CRL is held."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class RevocationRule(Part):
    """How revocation is looked up for the cards of one CA."""

    unknown: UnknownRevocation = UnknownRevocation.REFUSE
    most_age_hours: int = 48
    refresh_minutes: int = 60
    crl_urls: tuple[str, ...] = ()


class CardAuthority(Part):
    """A CA whose cards are accepted, pinned by key (CRD-05), and where its certificates keep each value.

    A place is written as `san.directoryName.O`, `subject.CN`, `san.otherName.<OID>`, or `subject.ST+subject.L` for two
    that are joined; the first that is there counts.
    """

    id: Code
    name: Text
    # SHA-256 of the SubjectPublicKeyInfo (DER) of the trusted CA keys, in hexadecimal.
    key_sha256: Annotated[tuple[KeyPin, ...], Field(min_length=1)]
    # The CA certificates themselves, PEM: the pinned ones and those between them and the cards.
    certificates: Annotated[tuple[str, ...], Field(min_length=1)]
    company_name: tuple[Locator, ...] = ("san.directoryName.O",)
    company_address: tuple[Locator, ...] = ("san.directoryName.L",)
    holder_name: tuple[Locator, ...] = ("san.directoryName.CN", "subject.CN")
    holder_address: tuple[Locator, ...] = ("subject.street", "subject.L")
    revocation: RevocationRule = RevocationRule()
    required_policies: tuple[str, ...] = ()
    accepted_extended_key_usages: tuple[str, ...] = ()
    # What the CA does about a blocked card, for the words of CRD-03.
    blocked_card_note: Text | None = None
