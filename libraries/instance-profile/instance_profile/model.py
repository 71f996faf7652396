"""The model of a profile: everything that differs between prefectures, and nothing else.

Its larger parts are in modules of this package; all names can be imported from here.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from instance_profile.agency import Agency, AgencyRules, RulesInCategory
from instance_profile.application_desk import ApplicationDesk
from instance_profile.base import Code, MonthAndDay, Part, Pattern, Text, TimeOfDay
from instance_profile.card_authority import CardAuthority, CompanyMatch, HolderRule, RevocationRule, UnknownRevocation
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
from instance_profile.display import CompanyId, PinPage
from instance_profile.operation import Operation
from instance_profile.roster_mapping import Encoding, RosterGrades, RosterMapping
from instance_profile.screens import Screens

__all__ = [
    "Agency",
    "AgencyRules",
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
    "HolderRule",
    "MailTemplate",
    "Mails",
    "NameStrictness",
    "NeighbouringSystem",
    "OpeningHours",
    "Operation",
    "OperationGuide",
    "Part",
    "PasswordRule",
    "PinPage",
    "Profile",
    "Proof",
    "Propagation",
    "RenewalDifference",
    "RepresentativeContact",
    "RevocationRule",
    "RosterGrades",
    "RosterMapping",
    "RulesInCategory",
    "SearchField",
    "SearchFieldRule",
    "Stages",
    "Text",
    "UnknownRevocation",
]


class BidderId(Part):
    """The bidder id: its label and its pattern."""

    label: Text
    """What the bidder id is called here: ユーザID, 業者番号 or 登録番号."""
    pattern: Pattern
    """Regular expression that every bidder id matches as a whole."""
    assigned_prefix: str = ""
    """The first characters of the bidder ids that this instance assigns (QUA-12)."""
    assigned_length: Annotated[int, Field(ge=0, le=40)] = 0
    """The length of the bidder ids that this instance assigns, with the prefix; 0 where it assigns none."""

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

    length: int = 8
    """The length of an issued password."""
    pattern: Pattern = r"[0-9A-Za-z]{8}"
    """Regular expression that a typed password matches as a whole."""
    no_registration_on_the_day_of_change: bool = True
    """Whether nobody can register on the day on which the password was changed (QUA-09)."""
    tries_per_card_and_id: int = 5
    """The wrong searches that one card has with one bidder id, within the window (QUA-06)."""
    tries_per_card: int = 20
    """The wrong searches that one card has with all bidder ids together, within the window."""
    tries_per_bidder: int = 50
    """The wrong searches for one bidder id by all cards together, within the window."""
    window_minutes: int = 15
    """The minutes for which a wrong search counts."""


class OpeningHours(Part):
    """When operations may begin (ENT-05), Japan's time.

    `closes` is 24:00 for the end of the day, and 26:00 for two o'clock of the next; the hours belong to the day on
    which they begin.
    """

    opens: TimeOfDay
    """When operations may begin, for example 8:30."""
    closes: TimeOfDay
    """Until when operations may begin: 20:00, 24:00 for the end of the day, 26:00 for two o'clock of the next."""
    weekdays: tuple[Annotated[int, Field(ge=0, le=6)], ...]
    """The open days of the week; 0 is Monday."""
    closed_on_public_holidays: bool
    """Whether it is closed on the public holidays of Japan."""
    year_end: tuple[MonthAndDay, MonthAndDay] | None
    """The first and the last closed day at the turn of the year, as MM-DD; null if there are none."""
    closed_days: tuple[date, ...] = ()
    """Further closed days, as YYYY-MM-DD."""
    grace_minutes: Annotated[int, Field(ge=0, le=60)] = 10
    """The minutes after closing in which an operation that began in time can be finished."""

    @model_validator(mode="after")
    def check_order_of_hours(self) -> Self:
        """Checks the order; hours over midnight are written as 22:00 to 26:00, so that the day is unambiguous."""
        if self.closes <= self.opens:
            raise ValueError("closes has to come after opens; write 26:00 for two o'clock of the next day")
        return self


class NeighbouringSystem(Part):
    """A related system and its opening hours, for texts on screens only."""

    name: Text
    """The name of the system."""
    hours: Text
    """Its opening hours, in words."""
    purposes: tuple[Text, ...] = ()
    """What it is for, one line each."""
    url: str | None = None
    """The address of its page."""


class Propagation(StrEnum):
    """When a registration reaches the other agencies (SYN-02)."""

    AT_ONCE = "at_once"
    NIGHT = "night"
    NONE = "none"


class MailTemplate(Part):
    """The subject and body of a mail, with placeholders such as {agency} and {company_name}."""

    subject: str
    """The subject of the mail; may have placeholders."""
    body: str
    """The body of the mail; may have placeholders."""


class Mails(Part):
    """The mails that the instance sends, and their sender."""

    sender_name: str
    """The name beside the address of the sender."""
    registration: MailTemplate
    """The mail 「利用者登録のお知らせ」 to the contact of the registered card."""
    registration_notice: MailTemplate
    """The mail to the representative contact and to the contacts of the bidder's other cards (REG-07)."""
    change: MailTemplate | None = None
    """The mail after a change (CHG-01). Here and below: without one, neutral words."""
    renewal: MailTemplate | None = None
    """The mail after a renewal, to the contact of the new card."""
    renewal_notice: MailTemplate | None = None
    """The mail after a renewal, to the representative contact and to the contacts of the bidder's other cards."""
    registration_reopened: MailTemplate | None = None
    """The mail to all contacts of a bidder when a renewal was taken back."""
    predecessor_linked: MailTemplate | None = None
    """The mail to all contacts of a bidder when a card was linked to the expired one that it comes after."""
    officer_invitation: MailTemplate | None = None
    """The mail to a person who is invited as an officer, with the code."""
    officer_certificate_expiring: MailTemplate | None = None
    """The mail to an officer whose certificate expires soon."""
    card_suspended: MailTemplate | None = None
    """The mail to all contacts of a bidder when one of its cards was suspended."""
    card_resumed: MailTemplate | None = None
    """The mail to all contacts of a bidder when the suspension of one of its cards ended."""
    bidder_suspended: MailTemplate | None = None
    """The mail to all contacts of a bidder when it was suspended."""
    bidder_resumed: MailTemplate | None = None
    """The mail to all contacts of a bidder when its suspension ended."""
    binding_undone: MailTemplate | None = None
    """The mail to all contacts of a bidder when the registration of one of its cards was undone (CRD-06)."""
    card_approved: MailTemplate | None = None
    """The mail to who asked for the approval of a card: it can be registered now."""
    card_refused: MailTemplate | None = None
    """The mail to who asked for the approval of a card: it can't be registered."""


class HelpDesk(Part):
    """The help desk for contractors (ENT-08)."""

    name: Text
    """The name of the help desk."""
    telephone: str
    """Its telephone number."""
    mail_address: str
    """Its mail address."""
    url: str
    """The address of its web page."""
    hours: Text
    """When it can be reached, in words."""
    chat_url: str | None = None
    """The address of its chat, where it has one."""


class OperationGuide(Part):
    """The purpose of an operation, and when not to use it (ENT-06)."""

    operation: Operation
    """The operation."""
    name: Text
    """The name of the operation on screens."""
    what_for: Text
    """When a contractor uses it."""
    not_for: Text | None = None
    """When not to use it, and what to use then."""
    menu: tuple[Text, ...] = ()
    """What the portal's menu prints below its button, one line each; without it what_for and not_for."""


class RenewalDifference(Part):
    """One thing in which 登録 and ICカード更新 differ, where both give a new card (ENT-06)."""

    aspect: Text
    """What is compared, for example 用途 or 条件（制限事項）."""
    registration: Text
    """How it is at 登録 (registration)."""
    renewal: Text
    """How it is at ICカード更新 (renewal)."""


class Profile(Part):
    """The profile of one prefecture."""

    id: Code
    """The id of the instance. It stands in every certificate and in all that a card signs, so it never changes."""
    name: Text
    """The name of the prefecture."""
    bidder_id: BidderId
    """The number of a bidder: what it is called, and its form."""
    categories: Annotated[tuple[Category, ...], Field(min_length=1)]
    """The kinds of procurement (業務区分), with their rules."""
    agencies: Annotated[tuple[Agency, ...], Field(min_length=1)]
    """The agencies, in the order of the list from which contractors choose."""
    opening_hours: OpeningHours
    """When operations may begin."""
    password: PasswordRule
    """The form of passwords, and the limits for guessing them."""
    card_authorities: tuple[CardAuthority, ...] = ()
    """The CAs whose cards are accepted. They belong into a deployment's overlay."""
    roster_mappings: tuple[RosterMapping, ...]
    """How the CSV files of agencies are read; docs/howto/map-a-roster.md."""
    propagation: Propagation
    """When registrations, renewals and changes reach the other agencies: at_once, night or none."""
    propagation_at: TimeOfDay | None = None
    """When the night batch begins, in Japan, before 24:00; required with night, and only there."""
    propagation_chosen_at: tuple[Operation, ...] = ()
    """The operations at which the user chooses whether the other agencies follow (SYN-04); after a registration they
    always do."""
    mails: Mails
    """The mails that the instance sends."""
    help_desk: HelpDesk
    """The help desk for contractors."""
    operations: tuple[OperationGuide, ...]
    """What the operations are for, as the menu explains them."""
    renewal_differences: tuple[RenewalDifference, ...] = ()
    """How 登録 and ICカード更新 differ, in the order of the table, as help for choosing one of them."""
    screens: Screens = Screens()
    """The words of the portal's screens that are this prefecture's own."""
    bidding_url: str | None = None
    """The address of the e-bidding system, to which the portal leads for 電子入札 (ENT-10)."""
    pin_page: PinPage = PinPage()
    """The words of the page on which the card agent asks for a PIN."""

    neighbouring_systems: tuple[NeighbouringSystem, ...] = ()
    """Related systems with their opening hours, for texts on screens only."""
    company_id: CompanyId | None = None
    """The 企業ID, where the instance has one."""
    application_desk: ApplicationDesk | None = None
    """The application desk (利用申込), where the instance has one."""

    @model_validator(mode="after")
    def check_consistency(self) -> Self:
        """Checks that references between parts exist and that codes are unique."""
        require_consistency(self)
        return self

    def list_propagation_choices(self) -> tuple[Operation, ...]:
        """Returns the operations at which the user chooses: none where nothing propagates."""
        if self.propagation is Propagation.NONE:
            return ()
        usable = {operation for category in self.categories for operation in category.list_usable_operations()}
        return tuple(operation for operation in self.propagation_chosen_at if operation in usable)

    def category(self, code: str) -> Category:
        """Returns the category with this code; raises KeyError where there is none."""
        return {category.code: category for category in self.categories}[code]

    def agency(self, code: str) -> Agency:
        """Returns the agency with this code; raises KeyError where there is none."""
        return {agency.code: agency for agency in self.agencies}[code]

    def mapping(self, name: str) -> RosterMapping:
        """Returns the roster mapping with this name; raises KeyError where there is none."""
        return {mapping.name: mapping for mapping in self.roster_mappings}[name]
