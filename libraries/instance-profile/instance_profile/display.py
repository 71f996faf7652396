"""The appearance of a category's screens, receipts and papers, in which prefectures differ most."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from instance_profile.base import Part, Text
from instance_profile.operation import Operation

FieldKind = Annotated[str, StringConstraints(pattern=r"^(text|postal_code|telephone|mail_address)$")]


class CompanyField(StrEnum):
    """The fields of 企業情報 (QUA-07)."""

    NAME = "name"
    POSTAL_CODE = "postal_code"
    ADDRESS = "address"
    REPRESENTATIVE_NAME = "representative_name"
    # 契約者氏名
    CONTRACT_PARTY_NAME = "contract_party_name"
    REPRESENTATIVE_TITLE = "representative_title"
    TELEPHONE = "telephone"
    FAX = "fax"
    # 部署名
    DEPARTMENT = "department"
    # 支店名等
    BRANCH = "branch"
    # 地域区分
    REGION = "region"
    # 入札参加許可番号
    PERMIT_NUMBER = "permit_number"
    # 資格の種類: the kinds with their grades
    GRADES = "grades"
    # 資格審査情報 商号又は名称 (REG-12)
    QUALIFICATION_NAME = "qualification_name"


class CompanyFieldRule(Part):
    """The label of one field of 企業情報, and where a bidder may edit it (QUA-07, CHG-06)."""

    field: CompanyField
    """Which field of 企業情報 this is; contract_party_name is 契約者氏名, department 部署名, branch 支店名等,
    region 地域区分, permit_number 入札参加許可番号, grades the kinds of qualification with their grades,
    qualification_name 資格審査情報 商号又は名称."""
    label: Text
    """The name of the field on screens and receipts."""
    editable_at: tuple[Operation, ...] = ()
    """The operations at which the bidder may edit it; otherwise it is the roster's."""
    kind: FieldKind = "text"
    """The form of an edited value: text, postal_code, telephone or mail_address."""
    most_characters: int | None = None
    """The most characters of an edited value."""


class GradeKind(Part):
    """A kind of qualification that is always shown, and its possible grades (Aomori's goods)."""

    kind: str
    """The kind of qualification, for example 製造."""
    grades: tuple[str, ...]
    """The grades that it can have, for example A to D."""


class ContactSection(StrEnum):
    """The contacts that a form can contain (REG-02, CHG-04, REG-10)."""

    REPRESENTATIVE = "representative"
    CARD = "card"
    # ID登録依頼者連絡先情報 (Nagano's small-value goods)
    REQUESTER = "requester"


class ContactSectionRule(Part):
    """A section of the form: its heading, and a note on the use of its mail address."""

    section: ContactSection
    """Which contact this section asks for: representative (代表窓口情報), card (ICカード利用部署情報) or
    requester (ID登録依頼者連絡先情報)."""
    heading: Text
    """The heading of the section."""
    note: Text
    """What is said beside the section: what mails go to its address, and what to mind."""


class CardField(StrEnum):
    """The fields of a certificate that are shown beside serial number, issuer and expiry (CRD-04)."""

    COMPANY_NAME = "company_name"
    COMPANY_ADDRESS = "company_address"
    HOLDER_NAME = "holder_name"
    HOLDER_ADDRESS = "holder_address"


class SerialNumberForm(StrEnum):
    """How a certificate's serial number is written."""

    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"


class CardDisplay(Part):
    """How the screens show a certificate (CRD-04)."""

    fields: tuple[CardField, ...] = (CardField.COMPANY_NAME, CardField.HOLDER_NAME, CardField.HOLDER_ADDRESS)
    """What is shown of a certificate beside serial number, issuer and expiry, in this order."""
    serial_number: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL,)
    """How the serial number is written: decimal, hexadecimal, or both."""
    serial_number_in_renewal: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL, SerialNumberForm.HEXADECIMAL)
    """How the serial numbers are written where two cards are compared."""


class Receipt(Part):
    """An operation that ends with a receipt, and whether the user is asked to print it (REG-06)."""

    operation: Operation
    """The operation that ends with a receipt."""
    title: Text
    """The title on paper, for example 利用者情報."""
    must_print: bool = False
    """Whether the user is asked to print it (REG-06)."""


class ReissueForm(Part):
    """A form by which a lost ID or password is reissued (QUA-14)."""

    document: Text
    """The form to send in, for example 「ユーザID・パスワード再交付申請書」."""
    enclosures: tuple[Text, ...] = ()
    """What has to be enclosed, for example 印鑑証明（原本）."""
    receiver: Text
    """To whom the form is sent."""


class Reissue(Part):
    """How a lost ID or password is reissued (QUA-14)."""

    summary: Text
    """What to do, the first way first, in whole sentences that fit into a message."""
    forms: tuple[ReissueForm, ...] = ()
    """The forms to send in, where the first way fails."""


class RenewalPins(StrEnum):
    """The PINs that a renewal asks for (REN-01)."""

    BOTH = "both"
    ONE_WHERE_EQUAL = "one_where_equal"


class Renewal(Part):
    """The rules of ICカード更新 (REN-01, 02)."""

    pins: RenewalPins = RenewalPins.BOTH
    """The PINs that a renewal asks for: both, or one_where_equal where the user says that they are equal (REN-01)."""
    same_authority: bool = True
    """Whether the new card has to be of the same CA as the old one (REN-02)."""


class CompanyId(Part):
    """企業ID: a number that the instance assigns to each company at its registration (QUA-17)."""

    label: Text
    """The name of the 企業ID on screens and receipts."""
    digits: Annotated[int, Field(ge=4, le=20)]
    """The number of its digits."""


class PinPage(Part):
    """The words of the page on which the card agent asks for a PIN; without a word here the agent's own stands."""

    title: Text | None = None
    """The title of the page."""
    message: Text | None = None
    """What is to be done."""
    asks_person_in_charge: bool = False
    """Whether the page has the field 担当者, which nobody has to fill in (CRD-01)."""
    person_in_charge_note: Text | None = None
    """What is said beside that field."""
    help_title: Text | None = None
    """The title of the help beside the page."""
    help: Text | None = None
    """The help beside the page."""
