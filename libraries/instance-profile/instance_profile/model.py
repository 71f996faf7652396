"""The model of a profile: everything that differs between prefectures, and nothing else.

Its larger parts are in modules of this package; all names can be imported from here.
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
from instance_profile.display import CompanyId
from instance_profile.operation import Operation
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
    """The bidder id: its label and its pattern."""

    label: Text
    pattern: Pattern
    # Prefix and total length of the numbers that this instance assigns (QUA-12); length 0 where it assigns none.
    assigned_prefix: str = ""
    assigned_length: Annotated[int, Field(ge=0, le=40)] = 0

    @property
    def is_assigned(self) -> bool:
        """Returns whether this instance assigns bidder ids to rosters without any."""
        return self.assigned_length > 0

    @model_validator(mode="after")
    def check_assigned_numbers(self) -> Self:
        """Checks that assigned numbers match the pattern of bidder ids."""
        if not self.is_assigned and not self.assigned_prefix:
            return self
        example = self.assigned_prefix + "0" * (self.assigned_length - len(self.assigned_prefix))
        if len(self.assigned_prefix) >= self.assigned_length or not re.fullmatch(self.pattern, example):
            raise ValueError(f"assigned numbers such as {example} do not fit the pattern {self.pattern}")
        return self


class PasswordRule(Part):
    """The form of passwords, and the limits for guessing them (QUA-02, 06, 09)."""

    # The length of an issued password.
    length: int = 8
    pattern: Pattern = r"[0-9A-Za-z]{8}"
    no_registration_on_the_day_of_change: bool = True
    tries_per_card_and_id: int = 5
    tries_per_card: int = 20
    tries_per_bidder: int = 50
    window_minutes: int = 15


class Agency(Part):
    """調達機関, and the categories that it offers (ENT-03)."""

    code: Code
    name: Text
    categories: tuple[Code, ...]
    company_match: CompanyMatch
    # CRD-10: whose name the certificate may contain.
    holder_rule: Text
    # QUA-08: whether a new certificate is good while changed company data is under review.
    new_card_during_review: bool
    # The agency's text on the search screen, and the fields that it requires beyond the category's (QUA-03, 16).
    search_text: Text | None = None
    required_search_fields: tuple[SearchField, ...] = ()

    def list_required_search_fields(self, category: Category) -> frozenset[SearchField]:
        """Returns the fields of a category's search that this agency requires: the category's and its own (QUA-03)."""
        return frozenset(
            rule.field for rule in category.search_fields if rule.required or rule.field in self.required_search_fields
        )


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
    def check_order_of_hours(self) -> Self:
        """Checks the order; hours over midnight are written as 22:00 to 26:00, so that the day is unambiguous."""
        if self.closes <= self.opens:
            raise ValueError("closes has to come after opens; write 26:00 for two o'clock of the next day")
        return self


class NeighbouringSystem(Part):
    """A related system and its opening hours, for texts on screens only."""

    name: Text
    hours: Text


class Propagation(StrEnum):
    """When a registration reaches the other agencies (SYN-02)."""

    AT_ONCE = "at_once"
    NIGHT = "night"
    NONE = "none"


class MailTemplate(Part):
    """The subject and body of a mail, with placeholders such as {agency} and {company_name}."""

    subject: str
    body: str


class Mails(Part):
    """The mails that the instance sends, and their sender."""

    sender_name: str
    registration: MailTemplate
    # To the representative contact and to the contacts of the bidder's other cards (REG-07).
    registration_notice: MailTemplate
    change: MailTemplate | None = None
    renewal: MailTemplate | None = None


class HelpDesk(Part):
    """The help desk for contractors (ENT-08)."""

    name: Text
    telephone: str
    mail_address: str
    url: str
    hours: Text
    chat_url: str | None = None


class OperationGuide(Part):
    """The purpose of an operation, and when not to use it (ENT-06)."""

    operation: Operation
    name: Text
    what_for: Text
    not_for: Text | None = None


class Profile(Part):
    """The profile of one prefecture."""

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
    # Operations at which the user chooses whether other agencies follow (SYN-04); a registration always does.
    propagation_chosen_at: tuple[Operation, ...] = ()
    mails: Mails
    help_desk: HelpDesk
    operations: tuple[OperationGuide, ...]

    neighbouring_systems: tuple[NeighbouringSystem, ...] = ()
    company_id: CompanyId | None = None
    application_desk: ApplicationDesk | None = None

    @model_validator(mode="after")
    def check_consistency(self) -> Self:
        """Checks that references between parts exist and that codes are unique."""
        require_consistency(self)
        return self

    def category(self, code: str) -> Category:
        """Returns the category with this code; raises KeyError where there is none."""
        return {category.code: category for category in self.categories}[code]

    def agency(self, code: str) -> Agency:
        """Returns the agency with this code; raises KeyError where there is none."""
        return {agency.code: agency for agency in self.agencies}[code]

    def mapping(self, name: str) -> RosterMapping:
        """Returns the roster mapping with this name; raises KeyError where there is none."""
        return {mapping.name: mapping for mapping in self.roster_mappings}[name]
