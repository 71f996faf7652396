"""What a category's screens, receipts and papers look like: the parts in which the four systems differ most."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from instance_profile.base import Part, Text

FieldKind = Annotated[str, StringConstraints(pattern=r"^(text|postal_code|telephone|mail_address)$")]


class Operation(StrEnum):
    """利用者登録's operations (ENT-06)."""

    REGISTRATION = "registration"
    CHANGE = "change"
    RENEWAL = "renewal"


class CompanyField(StrEnum):
    """The fields of 企業情報 (QUA-07)."""

    NAME = "name"
    POSTAL_CODE = "postal_code"
    ADDRESS = "address"
    REPRESENTATIVE_NAME = "representative_name"
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
    """How one field of 企業情報 is called, and where a bidder may edit it (QUA-07, CHG-06)."""

    field: CompanyField
    label: Text
    # At which operations the bidder may write it; everywhere else it is the roster's.
    editable_at: tuple[Operation, ...] = ()
    kind: FieldKind = "text"
    most_characters: int | None = None


class GradeKind(Part):
    """One kind of qualification that is always shown, and the grades that it can have (Aomori's goods)."""

    kind: str
    grades: tuple[str, ...]


class ContactSection(StrEnum):
    """The contacts that a form can ask (REG-02, CHG-04, REG-10)."""

    REPRESENTATIVE = "representative"
    CARD = "card"
    # ID登録依頼者連絡先情報 (Nagano's small-value goods)
    REQUESTER = "requester"


class ContactSectionRule(Part):
    """One section of contacts: its heading, and what its mail address is used for."""

    section: ContactSection
    heading: Text
    note: Text


class CardField(StrEnum):
    """What is shown of a certificate beside serial number, issuer and expiry (CRD-04)."""

    COMPANY_NAME = "company_name"
    COMPANY_ADDRESS = "company_address"
    HOLDER_NAME = "holder_name"
    HOLDER_ADDRESS = "holder_address"


class SerialNumberForm(StrEnum):
    """How a certificate's serial number is written."""

    DECIMAL = "decimal"
    HEXADECIMAL = "hexadecimal"


class CardDisplay(Part):
    """What the screens show of a certificate (CRD-04)."""

    fields: tuple[CardField, ...] = (CardField.COMPANY_NAME, CardField.HOLDER_NAME, CardField.HOLDER_ADDRESS)
    serial_number: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL,)
    serial_number_in_renewal: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL, SerialNumberForm.HEXADECIMAL)


class Receipt(Part):
    """After which operation there is a receipt, and whether the user is asked to print it (REG-06)."""

    operation: Operation
    must_print: bool = False


class Reissue(Part):
    """How a lost ID or password comes back by documents (QUA-14)."""

    # 「ユーザID・パスワード再交付申請書」
    document: Text
    # What has to come with it, such as 印鑑証明（原本）.
    enclosures: tuple[Text, ...] = ()
    receiver: Text


class RenewalPins(StrEnum):
    """Which PINs a renewal asks (REN-01)."""

    BOTH = "both"
    ONE_WHERE_EQUAL = "one_where_equal"


class Renewal(Part):
    """How ICカード更新 works here (REN-01, 02)."""

    pins: RenewalPins = RenewalPins.BOTH
    same_authority: bool = True


class CompanyId(Part):
    """企業ID: a number that the instance gives each company at its registration (QUA-17)."""

    label: Text
    digits: Annotated[int, Field(ge=4, le=20)]
