"""業務区分: a category's search and contact fields, its comparison of names, and its displays."""

from enum import StrEnum

from instance_profile.base import Code, Part, Pattern, Text
from instance_profile.display import (
    CardDisplay,
    CompanyFieldRule,
    ContactSectionRule,
    FieldKind,
    GradeKind,
    Receipt,
    Reissue,
    Renewal,
)
from instance_profile.operation import OPERATIONS_CARRIED_OUT, Operation


class Proof(StrEnum):
    """How a bidder proves its identity in a category (ENT-02)."""

    CARD = "card"
    PASSWORD = "password"  # noqa: S105  # the name of a kind of proof


class SearchField(StrEnum):
    """The fields of the bidder search (QUA-02, 03, 04)."""

    NAME = "name"
    BIDDER_ID = "bidder_id"
    # ユーザID, where it differs from the bidder id (QUA-03, 04).
    USER_ID = "user_id"
    PASSWORD = "password"  # noqa: S105  # the name of a field


class SearchFieldRule(Part):
    """The label of one search field and the rules for its value.

    `pattern` has to match the whole input. A field that is not required here may still be required by an agency
    (`Agency.required_search_fields`).
    """

    field: SearchField
    """Which field this is: name, bidder_id, user_id (where that differs from the bidder id) or password."""
    label: Text
    """The name of the field on the form."""
    hint: Text
    """What to type, shown beside the field and with an error."""
    pattern: Pattern | None = None
    """Regular expression that the whole input has to match."""
    most_characters: int = 100
    """The most characters of an input."""
    full_width: bool = False
    """Whether a name has to be typed in full width throughout. All other fields are half width."""
    required: bool = True
    """Whether the field must be filled. An agency may require it all the same (the agency's required_search_fields)."""


class ContactField(StrEnum):
    """The fields of a contact."""

    DEPARTMENT = "department"
    POSTAL_CODE = "postal_code"
    ADDRESS = "address"
    PERSON_NAME = "person_name"
    TELEPHONE = "telephone"
    FAX = "fax"
    MAIL_ADDRESS = "mail_address"


class ContactFieldRule(Part):
    """The label of one field of a contact and the rules for its value (REG-02)."""

    field: ContactField
    """Which field this is, as in toroku.contact.v1.Contact."""
    label: Text
    """The name of the field on forms and receipts."""
    hint: Text
    """What to type, shown beside the field."""
    kind: FieldKind = "text"
    """The form of the value: text, postal_code (123-4567), telephone (03-0000-0000, also for a fax number) or
    mail_address."""
    most_characters: int
    """The most characters of an input."""
    required: bool = True
    """Whether the field must be filled."""


class RepresentativeContact(StrEnum):
    """When the form asks for 代表窓口情報 (REG-03)."""

    FIRST_REGISTRATION = "first_registration"
    SHOWN = "shown"
    ALWAYS = "always"


class NameStrictness(StrEnum):
    """How strictly a typed company name is compared with the roster's (QUA-05)."""

    # The legal form has to be spelled out: (株) does not match 株式会社.
    SPELLED_OUT = "spelled_out"
    # Abbreviated and spelled-out legal forms match.
    ABBREVIATIONS_ALLOWED = "abbreviations_allowed"


class Stages(StrEnum):
    """The stages until a registered card is good (REG-08, 11)."""

    ONE = "one"
    # 仮登録 → 本登録: the agency has to confirm it.
    PROVISIONAL_THEN_FULL = "provisional_then_full"
    # Confirmation by the orderer, registration, start notice (APP).
    CONFIRMED_THEN_STARTED = "confirmed_then_started"


class Category(Part):
    """業務区分, a kind of tenders such as works or goods, with its rules."""

    code: Code
    """The code of the category in messages, URLs and logs."""
    name: Text
    """The name of the category (業務区分), as contractors know it."""
    proof: Proof = Proof.CARD
    """How a bidder proves its identity: card, or password (ID and password without a card)."""
    operations: tuple[Operation, ...]
    """The operations that the category offers."""
    search_fields: tuple[SearchFieldRule, ...]
    """The fields of the bidder search, in the order of the form; the agency's own rule may require more of them."""
    search_title: Text | None = None
    """The title of the search, for example 競争入札参加資格審査情報検索. A category with a search needs it."""
    search_checks: tuple[Text, ...] = ()
    """What a person can check where the search found nothing, one check each (QUA-01)."""
    contact_fields: tuple[ContactFieldRule, ...]
    """The fields of a contact, in the order of the form."""
    representative_contact: RepresentativeContact
    """When the form asks for 代表窓口情報: at the first_registration of a bidder, always, or never (shown)."""
    mail_address_typed_twice: bool
    """Whether a mail address has to be typed twice."""
    name_strictness: NameStrictness
    """How a typed company name is compared: spelled_out ((株) does not match 株式会社) or abbreviations_allowed."""
    stages: Stages = Stages.ONE
    """The stages until a registered card is good: one, provisional_then_full (仮登録 → 本登録), or
    confirmed_then_started (the application desk)."""
    company_fields: tuple[CompanyFieldRule, ...] = ()
    """The fields of 企業情報 that are shown, in this order, with their labels."""
    grade_kinds: tuple[GradeKind, ...] = ()
    """Kinds of qualification that are always shown, even for a bidder without a grade in them."""
    contact_sections: tuple[ContactSectionRule, ...] = ()
    """The form's sections with contacts, in this order."""
    card_display: CardDisplay = CardDisplay()
    """How the screens show a certificate."""
    receipts: tuple[Receipt, ...] = ()
    """The operations that end with a receipt."""
    renewal: Renewal = Renewal()
    """The rules of ICカード更新."""
    reissue: Reissue | None = None
    """How a lost ID or password is reissued."""
    card_outlives_lapse: bool = True
    """Whether the holder's card may be bound to the successor after a lapse of the qualification (QUA-10)."""

    def list_usable_operations(self) -> tuple[Operation, ...]:
        """Returns the operations of the category that can be used: of those that it offers, what is carried out."""
        return tuple(operation for operation in self.operations if operation in OPERATIONS_CARRIED_OUT)
