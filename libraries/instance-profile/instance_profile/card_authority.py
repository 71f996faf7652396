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


class HolderRule(StrEnum):
    """Whose name the certificate has to carry; where it can't be told, or is another, an officer decides (CRD-10)."""

    CONTRACT_PARTY = "contract_party"
    OR_REPRESENTATIVE = "or_representative"
    NOT_COMPARED = "not_compared"


class UnknownRevocation(StrEnum):
    """What happens to a card without a usable CRL."""

    REFUSE = "refuse"
    ACCEPT = "accept"


class RevocationRule(Part):
    """How revocation is checked for the cards of one CA."""

    access: bool = True
    """Whether the instance has access to the CA's CRLs. Of a CA that gives them to registered verifiers only, as the
    公的個人認証サービス does, every card is refused until the instance is one."""
    unknown: UnknownRevocation = UnknownRevocation.REFUSE
    """What happens to a card while there is no usable CRL: refuse or accept."""
    most_age_hours: Annotated[int, Field(gt=0)] | None = None
    """The most hours after its thisUpdate that a CRL is used, where that is sooner than its nextUpdate. Without it, a
    CRL is used until its nextUpdate."""
    grace_hours: Annotated[int, Field(ge=0)] = 72
    """The hours for which a registered card still logs in to e-bidding after its CRL ended. It can't act meanwhile."""
    refresh_minutes: int = 60
    """The minutes between two downloads of the CRLs."""
    crl_urls: tuple[str, ...] = ()
    """Addresses of CRLs (http or https), in addition to those that stand in the certificates."""


class CardAuthority(Part):
    """A CA whose cards are accepted, pinned by key (CRD-05), and where its certificates have each value.

    A locator is `san.directoryName.O`, `subject.CN`, `san.otherName.<OID>`, or `subject.ST+subject.L` for two joined
    values; the first locator that exists in the certificate counts.
    """

    id: Code
    """The code of the CA, by which history and messages name it. Two cards are of the same CA if this is the same."""
    name: Text
    """The CA's name, as contractors know it."""
    key_sha256: Annotated[tuple[KeyPin, ...], Field(min_length=1)]
    """SHA-256 of the SubjectPublicKeyInfo (DER) of each trusted key of the CA, in lower-case hexadecimal digits."""
    certificates: Annotated[tuple[str, ...], Field(min_length=1)]
    """The CA certificates in PEM: the pinned ones and those between them and the cards."""
    company_name: tuple[Locator, ...] = ("san.directoryName.O",)
    """Locators of the ICカード企業名称; the first one that exists in the certificate counts."""
    company_address: tuple[Locator, ...] = ("san.directoryName.L",)
    """Locators of the ICカード企業住所."""
    holder_name: tuple[Locator, ...] = ("san.directoryName.CN", "subject.CN")
    """Locators of the ICカード取得者氏名."""
    holder_address: tuple[Locator, ...] = ("subject.street", "subject.L")
    """Locators of the ICカード取得者住所."""
    revocation: RevocationRule = RevocationRule()
    """How revocation is checked for this CA's cards."""
    required_policies: tuple[str, ...] = ()
    """Certificate policies (OIDs) of which a card must have one; without any, no policy is required."""
    accepted_extended_key_usages: tuple[str, ...] = ()
    """Extended key usages (OIDs) of which a card that has any must have one; without any here, all are accepted."""
    pin_tries: Annotated[int, Field(gt=0, le=15)] | None = None
    """The wrong PINs in a row after which this CA's cards lock (CRD-03)."""
    unlocking: Text | None = None
    """How the CA unlocks a card, or what it does instead, for the message that a contractor gets then (CRD-03)."""
    renewal: Text | None = None
    """How a new card is got from this CA before the one in use expires, for the message about an expiry."""
    help: Text | None = None
    """Whom to ask at this CA: names, telephone numbers, hours."""
