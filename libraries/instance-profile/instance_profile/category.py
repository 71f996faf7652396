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
from instance_profile.operation import Operation


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
    label: Text
    hint: Text
    pattern: Pattern | None = None
    most_characters: int = 100
    full_width: bool = False
    required: bool = True


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

    # As in toroku.contact.v1.Contact.
    field: ContactField
    label: Text
    hint: Text
    kind: FieldKind = "text"
    most_characters: int
    required: bool = True


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
    name: Text
    proof: Proof = Proof.CARD
    operations: tuple[Operation, ...]
    search_fields: tuple[SearchFieldRule, ...]
    contact_fields: tuple[ContactFieldRule, ...]
    representative_contact: RepresentativeContact
    mail_address_typed_twice: bool
    name_strictness: NameStrictness
    stages: Stages = Stages.ONE
    # Labels of 企業情報; if empty, all of the roster's fields are shown under their usual names.
    company_fields: tuple[CompanyFieldRule, ...] = ()
    grade_kinds: tuple[GradeKind, ...] = ()
    contact_sections: tuple[ContactSectionRule, ...] = ()
    card_display: CardDisplay = CardDisplay()
    receipts: tuple[Receipt, ...] = ()
    renewal: Renewal = Renewal()
    reissue: tuple[Reissue, ...] = ()
    # QUA-10: whether the holder's card may be bound to the successor after a lapse.
    card_outlives_lapse: bool = True
