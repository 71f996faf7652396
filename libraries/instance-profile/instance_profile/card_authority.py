"""The CAs whose cards are accepted, and where their certificates have each value (CRD-05)."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from instance_profile.base import Code, Part, Text
from instance_profile.locators import parse_locator

_LOCATOR = r"(subject|san\.directoryName|san\.otherName)\.[0-9A-Za-z.]+"


def _check_locator(text: str) -> str:
    parse_locator(text)
    return text


Locator = Annotated[str, StringConstraints(pattern=rf"^{_LOCATOR}(\+{_LOCATOR})*$"), AfterValidator(_check_locator)]
KeyPin = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class CompanyMatch(StrEnum):
    """Whether the certificate's company must be the roster's: always, by an officer's decision, or not."""

    REQUIRED = "required"
    OFFICER = "officer"
    OFF = "off"


class UnknownRevocation(StrEnum):
    """What happens to a card without a usable CRL."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class RevocationRule(Part):
    """How revocation is checked for the cards of one CA."""

    unknown: UnknownRevocation = UnknownRevocation.REFUSE
    # A CRL is used until its nextUpdate; with this, at most so long after its thisUpdate, where that is sooner.
    most_age_hours: Annotated[int, Field(gt=0)] | None = None
    # How long a registered card still logs in to e-bidding after its CRL ended; it can't act meanwhile.
    grace_hours: Annotated[int, Field(ge=0)] = 72
    refresh_minutes: int = 60
    crl_urls: tuple[str, ...] = ()


class CardAuthority(Part):
    """A CA whose cards are accepted, pinned by key (CRD-05), and where its certificates have each value.

    A locator is `san.directoryName.O`, `subject.CN`, `san.otherName.<OID>`, or `subject.ST+subject.L` for two joined
    values; the first locator that exists in the certificate counts.
    """

    id: Code
    name: Text
    # SHA-256 of the SubjectPublicKeyInfo (DER) of the trusted CA keys, in hexadecimal.
    key_sha256: Annotated[tuple[KeyPin, ...], Field(min_length=1)]
    # The CA certificates in PEM: the pinned ones and those between them and the cards.
    certificates: Annotated[tuple[str, ...], Field(min_length=1)]
    company_name: tuple[Locator, ...] = ("san.directoryName.O",)
    company_address: tuple[Locator, ...] = ("san.directoryName.L",)
    holder_name: tuple[Locator, ...] = ("san.directoryName.CN", "subject.CN")
    holder_address: tuple[Locator, ...] = ("subject.street", "subject.L")
    revocation: RevocationRule = RevocationRule()
    required_policies: tuple[str, ...] = ()
    accepted_extended_key_usages: tuple[str, ...] = ()
    # The CA's procedure for a blocked card, for the words of CRD-03.
    blocked_card_note: Text | None = None
