"""The model of a profile: everything that differs between prefectures, and nothing else (design section 5).

Its larger parts stand in files of their own; all names can be imported from here.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from instance_profile.application_desk import ApplicationDesk
from instance_profile.base import Code, MonthAndDay, Part, Pattern, Text, TimeOfDay
from instance_profile.card_authority import CardAuthority, CompanyMatch, RevocationRule, UnknownRevocation
from instance_profile.category import (
    Category,
    ContactField,
    ContactFieldRule,
    NameStrictness,
    Proof,
    RepresentativeContact,
    SearchField,
    SearchFieldRule,
    Stages,
)
from instance_profile.consistency import require_consistency
from instance_profile.display import CompanyId, Operation
from instance_profile.roster_mapping import Encoding, RosterGrades, RosterMapping

__all__ = [
    "Agency",
    "ApplicationDesk",
    "BidderId",
    "CardAuthority",
    "Category",
    "Code",
    "CompanyMatch",
    "ContactField",
    "ContactFieldRule",
    "Encoding",
    "HelpDesk",
    "MailTemplate",
    "Mails",
    "NameStrictness",
    "NeighbouringSystem",
    "OpeningHours",
    "Operation",
    "OperationGuide",
    "Part",
    "PasswordRule",
    "Profile",
    "Proof",
    "Propagation",
    "RepresentativeContact",
    "RevocationRule",
    "RosterGrades",
    "RosterMapping",
    "SearchField",
    "SearchFieldRule",
    "Stages",
    "Text",
    "UnknownRevocation",
]


class BidderId(Part):
    """The bidder id: what it is called and what it looks like."""

    label: Text
    pattern: Pattern
    # What numbers that we assign begin with (QUA-12), and their whole length; length 0 where none are assigned.
    assigned_prefix: str = ""
    assigned_length: Annotated[int, Field(ge=0, le=40)] = 0

    @property
    def is_assigned(self) -> bool:
        """Whether this instance assigns bidder ids to rosters that have none."""
        return self.assigned_length > 0

    @model_validator(mode="after")
    def assigned_numbers_fit_the_pattern(self) -> Self:
        """An assigned number has to be a bidder id like any other."""
        if not self.is_assigned and not self.assigned_prefix:
            return self
        example = self.assigned_prefix + "0" * (self.assigned_length - len(self.assigned_prefix))
        if len(self.assigned_prefix) >= self.assigned_length or not re.fullmatch(self.pattern, example):
            raise ValueError(f"assigned numbers such as {example} do not fit the pattern {self.pattern}")
        return self


class PasswordRule(Part):
    """What passwords look like, and how guessing is slowed (QUA-02, 06, 09)."""

    # How long an issued password is.
    length: int = 8
    pattern: Pattern = r"[0-9A-Za-z]{8}"
    no_registration_on_the_day_of_change: bool = True
    tries_per_card_and_id: int = 5
    tries_per_card: int = 20
    tries_per_bidder: int = 50
    window_minutes: int = 15


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
    # The agency's own text on the search screen, and what it asks there beyond the category (QUA-03, 16).
    search_text: Text | None = None
    required_search_fields: tuple[SearchField, ...] = ()


class OpeningHours(Part):
    """When operations may begin (ENT-05), Japan's time.

    `closes` is 24:00 for the end of the day, and 26:00 for two o'clock of the next; the hours belong to the day on
    which they begin.
    """

    opens: TimeOfDay
    closes: TimeOfDay
    # 0 is Monday.
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...]
    closed_on_public_holidays: bool
    # First and last day, as MM-DD; may span the new year.
    year_end: tuple[MonthAndDay, MonthAndDay] | None
    closed_days: tuple[date, ...] = ()
    grace_minutes: Annotated[int, Field(ge=0, le=60)] = 10

    @model_validator(mode="after")
    def closes_after_it_opens(self) -> Self:
        """Hours over midnight are written as 22:00 to 26:00, so that nobody has to guess which day is meant."""
        if self.closes <= self.opens:
            raise ValueError("closes has to come after opens; write 26:00 for two o'clock of the next day")
        return self


class NeighbouringSystem(Part):
    """A system beside this one and when it is open, for the words of screens; nothing enforces it here."""

    name: Text
    hours: Text


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
    change: MailTemplate | None = None
    renewal: MailTemplate | None = None


class HelpDesk(Part):
    """Whom a contractor asks (ENT-08)."""

    name: Text
    telephone: str
    mail_address: str
    url: str
    hours: Text
    chat_url: str | None = None


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
    # Where the user chooses whether the others follow (SYN-04); a registration always reaches them.
    propagation_chosen_at: tuple[Operation, ...] = ()
    mails: Mails
    help_desk: HelpDesk
    operations: tuple[OperationGuide, ...]

    neighbouring_systems: tuple[NeighbouringSystem, ...] = ()
    company_id: CompanyId | None = None
    application_desk: ApplicationDesk | None = None

    @model_validator(mode="after")
    def parts_name_each_other(self) -> Self:
        """What a part names has to be there, and no code stands for two things."""
        require_consistency(self)
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
