"""The model of a profile: everything that differs between prefectures, and nothing else (design section 5)."""

import re
from datetime import date, time
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")]
KeyPin = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Part(BaseModel):
    """A part of a profile: frozen, and a key that the model does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Part):
    """A text for people, Japanese first."""

    ja: str
    en: str


class Operation(StrEnum):
    """利用者登録's operations (ENT-06)."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"


class Proof(StrEnum):
    """What a category is used with (ENT-02)."""

    CARD = "card"
    PASSWORD = "password"  # noqa: S105 (the name of a kind of proof)


class SearchField(StrEnum):
    """What a contractor searches its bidder with (QUA-02, 03, 04)."""

    NAME = "name"
    BIDDER_ID = "bidder_id"
    PASSWORD = "password"  # noqa: S105 (the name of a field)


class SearchFieldRule(Part):
    """How one field of the search looks and what it may hold."""

    field: SearchField
    label: Text
    hint: Text
    pattern: str | None = None
    most_characters: int = 100
    full_width: bool = False


class ContactFieldRule(Part):
    """How one field of a contact looks and what it may hold (REG-02)."""

    field: str
    label: Text
    hint: Text
    kind: Annotated[str, StringConstraints(pattern=r"^(text|postal_code|telephone|mail_address)$")] = "text"
    most_characters: int
    required: bool = True


class RepresentativeContact(StrEnum):
    """When 代表窓口情報 is asked (REG-03)."""

    FIRST_REGISTRATION = "first_registration"
    SHOWN = "shown"
    ALWAYS = "always"


class NameStrictness(StrEnum):
    """How strictly a typed company name is compared with the roster's (QUA-05)."""

    # The legal form has to be spelled out as on the roster's key; 株式会社 is not the same as (株).
    SPELLED_OUT = "spelled_out"
    # Abbreviated and spelled-out legal forms are the same.
    ABBREVIATIONS_ALLOWED = "abbreviations_allowed"


class CompanyMatch(StrEnum):
    """Whether the certificate's company must be the roster's (design section 4)."""

    REQUIRED = "required"
    OFFICER = "officer"
    OFF = "off"


class BidderId(Part):
    """The bidder id: what it is called and what it looks like."""

    label: Text
    pattern: str
    # What numbers that we assign begin with (QUA-12), and their whole length.
    assigned_prefix: str
    assigned_length: int

    @model_validator(mode="after")
    def assigned_numbers_fit_the_pattern(self) -> Self:
        """An assigned number has to be a bidder id like any other."""
        example = self.assigned_prefix + "0" * (self.assigned_length - len(self.assigned_prefix))
        if len(self.assigned_prefix) >= self.assigned_length or not re.fullmatch(self.pattern, example):
            raise ValueError(f"assigned numbers such as {example} do not fit the pattern {self.pattern}")
        return self


class PasswordRule(Part):
    """What passwords look like, and how guessing is slowed (QUA-02, 06, 09)."""

    length: int = 8
    pattern: str = r"[0-9A-Za-z]{8}"
    no_registration_on_the_day_of_change: bool = True
    tries_per_card_and_id: int = 5
    tries_per_card: int = 20
    tries_per_bidder: int = 50
    window_minutes: int = 15


class Category(Part):
    """業務区分"""

    code: Code
    name: Text
    proof: Proof = Proof.CARD
    operations: tuple[Operation, ...]
    search_fields: tuple[SearchFieldRule, ...]
    contact_fields: tuple[ContactFieldRule, ...]
    representative_contact: RepresentativeContact
    mail_address_typed_twice: bool
    name_strictness: NameStrictness


class Agency(Part):
    """調達機関, and what it offers (ENT-03)."""

    code: Code
    name: Text
    categories: tuple[Code, ...]
    company_match: CompanyMatch
    # CRD-10: whose name may stand in the certificate.
    holder_rule: Text
    # QUA-08: whether a new certificate is good while changed company data is under review.
    new_card_during_review: bool


class OpeningHours(Part):
    """When operations may begin (ENT-05), Japan's time."""

    opens: time
    closes: time
    # 0 is Monday.
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...]
    closed_on_public_holidays: bool
    # First and last day, as MM-DD; may span the new year.
    year_end: tuple[str, str] | None
    closed_days: tuple[date, ...] = ()
    grace_minutes: int = 10


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

    A place is written as `san.directoryName.O`, `subject.CN` and so on; the first that is there counts.
    """

    id: Code
    name: Text
    # SHA-256 of the SubjectPublicKeyInfo (DER) of the trusted CA keys, in hexadecimal.
    key_sha256: Annotated[tuple[KeyPin, ...], Field(min_length=1)]
    # The CA certificates themselves, PEM: the pinned ones and those between them and the cards.
    certificates: Annotated[tuple[str, ...], Field(min_length=1)]
    company_name: tuple[str, ...] = ("san.directoryName.O",)
    company_address: tuple[str, ...] = ("san.directoryName.L",)
    holder_name: tuple[str, ...] = ("san.directoryName.CN", "subject.CN")
    holder_address: tuple[str, ...] = ("subject.street", "subject.L")
    revocation: RevocationRule = RevocationRule()
    required_policies: tuple[str, ...] = ()
    accepted_extended_key_usages: tuple[str, ...] = ()
    # What the CA does about a blocked card, for the words of CRD-03.
    blocked_card_note: Text | None = None


class Encoding(StrEnum):
    """How a roster file is encoded."""

    UTF_8 = "utf-8"
    CP932 = "cp932"


class RosterGrades(Part):
    """The columns that hold grades: which kind, and the column that has its grade."""

    kind: str
    column: str


class RosterMapping(Part):
    """How one agency's CSV file becomes a roster (QUA-12).

    Columns are named as in the file's header. A mapping without `bidder_id` has its bidder ids assigned, kept stable
    by `corporate_number`.
    """

    name: Code
    title: Text
    category: Code
    # "utf-8" is read with and without a byte order mark.
    encoding: Encoding
    bidder_id: str | None = None
    company_name: str
    corporate_number: str | None = None
    postal_code: str | None = None
    address: str | None = None
    representative_name: str | None = None
    representative_title: str | None = None
    telephone: str | None = None
    fax: str | None = None
    department: str | None = None
    grades: tuple[RosterGrades, ...] = ()
    # The column with the codes or Japanese names of the agencies, parted by `agencies_separator` …
    agencies_column: str | None = None
    agencies_separator: str = "、"
    # … or the agencies that the whole roster stands for.
    agencies: tuple[Code, ...] = ()
    # Columns with the first and last day of the qualification (YYYY-MM-DD or YYYY/MM/DD or YYYYMMDD).
    valid_from: str | None = None
    valid_until: str | None = None
    most_bytes: int = 64 * 1024 * 1024

    @model_validator(mode="after")
    def agencies_are_known_in_one_way(self) -> Self:
        """A roster names its agencies either row by row or as a whole."""
        if bool(self.agencies_column) == bool(self.agencies):
            raise ValueError("give either agencies_column or agencies")
        return self


class Propagation(StrEnum):
    """When a registration reaches the other agencies (SYN-02)."""

    AT_ONCE = "at_once"
    NIGHT = "night"
    NONE = "none"


class MailTemplate(Part):
    """One mail: subject and body, with places such as {agency} and {company_name}."""

    subject: str
    body: str


class Mails(Part):
    """The mails that the instance sends, and from whom."""

    sender_name: str
    registration: MailTemplate
    # To the representative contact and to the contacts of the bidder's other cards (REG-07).
    registration_notice: MailTemplate


class HelpDesk(Part):
    """Whom a contractor asks (ENT-08)."""

    name: Text
    telephone: str
    mail_address: str
    url: str
    hours: Text


class OperationGuide(Part):
    """What an operation is for, and when not to use it (ENT-06)."""

    operation: Operation
    name: Text
    what_for: Text
    not_for: Text | None = None


class Profile(Part):
    """One prefecture."""

    id: Code
    name: Text
    bidder_id: BidderId
    categories: Annotated[tuple[Category, ...], Field(min_length=1)]
    agencies: Annotated[tuple[Agency, ...], Field(min_length=1)]
    opening_hours: OpeningHours
    password: PasswordRule
    card_authorities: tuple[CardAuthority, ...] = ()
    roster_mappings: tuple[RosterMapping, ...]
    propagation: Propagation
    mails: Mails
    help_desk: HelpDesk
    operations: tuple[OperationGuide, ...]

    @model_validator(mode="after")
    def parts_name_each_other(self) -> Self:
        """What a part names has to be there, and no code stands for two things."""
        categories = {category.code for category in self.categories}
        agencies = {agency.code for agency in self.agencies}
        _refuse_twins("categories", [category.code for category in self.categories])
        _refuse_twins("agencies", [agency.code for agency in self.agencies])
        _refuse_twins("roster_mappings", [mapping.name for mapping in self.roster_mappings])
        _refuse_twins("card_authorities", [authority.id for authority in self.card_authorities])
        for agency in self.agencies:
            if unknown := set(agency.categories) - categories:
                raise ValueError(f"agency {agency.code} offers unknown categories {sorted(unknown)}")
            for code in agency.categories:
                asks_password = any(rule.field is SearchField.PASSWORD for rule in self.category(code).search_fields)
                if agency.company_match is CompanyMatch.OFF and not asks_password:
                    raise ValueError(
                        f"agency {agency.code}: company_match off needs a search with a password in {code}, "
                        "because bidder numbers and names are public"
                    )
        for mapping in self.roster_mappings:
            if mapping.category not in categories:
                raise ValueError(f"roster mapping {mapping.name} has the unknown category {mapping.category}")
            if unknown := set(mapping.agencies) - agencies:
                raise ValueError(f"roster mapping {mapping.name} has unknown agencies {sorted(unknown)}")
        return self

    def category(self, code: str) -> Category:
        """The category with this code; KeyError where there is none."""
        return {category.code: category for category in self.categories}[code]

    def agency(self, code: str) -> Agency:
        """The agency with this code; KeyError where there is none."""
        return {agency.code: agency for agency in self.agencies}[code]

    def mapping(self, name: str) -> RosterMapping:
        """The roster mapping with this name; KeyError where there is none."""
        return {mapping.name: mapping for mapping in self.roster_mappings}[name]


def _refuse_twins(key: str, codes: list[str]) -> None:
    if twins := {code for code in codes if codes.count(code) > 1}:
        raise ValueError(f"{key}: {sorted(twins)} stand there twice")
