"""業務区分: what a category asks, how it compares, and what it shows."""

from enum import StrEnum

from instance_profile.base import Code, Part, Pattern, Text
from instance_profile.display import (
    CardDisplay,
    CompanyFieldRule,
    ContactSectionRule,
    FieldKind,
    GradeKind,
    Operation,
    Receipt,
    Reissue,
    Renewal,
)


class Proof(StrEnum):
    """What a category is used with (ENT-02)."""

    CARD = "card"
    PASSWORD = "password"  # noqa: S105 (the name of a kind of proof)


class SearchField(StrEnum):
    """What a contractor searches its bidder with (QUA-02, 03, 04)."""

    NAME = "name"
    BIDDER_ID = "bidder_id"
    # ユーザID, where it is another thing than the bidder id (QUA-03, 04).
    USER_ID = "user_id"
    PASSWORD = "password"  # noqa: S105 (the name of a field)


class SearchFieldRule(Part):
    """How one field of the search looks and what it may hold.

    `pattern` has to match the whole of what was typed. A field that is not required here may still be required by an
    agency (`Agency.required_search_fields`).
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
    """How one field of a contact looks and what it may hold (REG-02)."""

    # As in toroku.contact.v1.Contact.
    field: ContactField
    label: Text
    hint: Text
    kind: FieldKind = "text"
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


class Stages(StrEnum):
    """What it takes until a registered card is good (REG-08, 11)."""

    ONE = "one"
    # 仮登録 → 本登録: the agency has to make it good.
    PROVISIONAL_THEN_FULL = "provisional_then_full"
    # Confirmation by the orderer, registration, start notice (APP).
    CONFIRMED_THEN_STARTED = "confirmed_then_started"


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
    stages: Stages = Stages.ONE
    # 企業情報 as it is called and shown; empty stands for the roster's fields under their own names.
    company_fields: tuple[CompanyFieldRule, ...] = ()
    grade_kinds: tuple[GradeKind, ...] = ()
    contact_sections: tuple[ContactSectionRule, ...] = ()
    card_display: CardDisplay = CardDisplay()
    receipts: tuple[Receipt, ...] = ()
    renewal: Renewal = Renewal()
    reissue: tuple[Reissue, ...] = ()
    # QUA-10: whether the holder's card may be bound to the successor after a lapse.
    card_outlives_lapse: bool = True
