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
    label: Text
    # The operations at which the bidder may edit it; otherwise it is the roster's.
    editable_at: tuple[Operation, ...] = ()
    kind: FieldKind = "text"
    most_characters: int | None = None


class GradeKind(Part):
    """A kind of qualification that is always shown, and its possible grades (Aomori's goods)."""

    kind: str
    grades: tuple[str, ...]


class ContactSection(StrEnum):
    """The contacts that a form can contain (REG-02, CHG-04, REG-10)."""

    REPRESENTATIVE = "representative"
    CARD = "card"
    # ID登録依頼者連絡先情報 (Nagano's small-value goods)
    REQUESTER = "requester"


class ContactSectionRule(Part):
    """A section of the form: its heading, and a note on the use of its mail address."""

    section: ContactSection
    heading: Text
    note: Text


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
    serial_number: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL,)
    serial_number_in_renewal: tuple[SerialNumberForm, ...] = (SerialNumberForm.DECIMAL, SerialNumberForm.HEXADECIMAL)


class Receipt(Part):
    """An operation that ends with a receipt, and whether the user is asked to print it (REG-06)."""

    operation: Operation
    must_print: bool = False


class Reissue(Part):
    """How a lost ID or password is reissued on paper (QUA-14)."""

    # 「ユーザID・パスワード再交付申請書」
    document: Text
    # Required enclosures, such as 印鑑証明（原本）.
    enclosures: tuple[Text, ...] = ()
    receiver: Text


class RenewalPins(StrEnum):
    """The PINs that a renewal asks for (REN-01)."""

    BOTH = "both"
    ONE_WHERE_EQUAL = "one_where_equal"


class Renewal(Part):
    """The rules of ICカード更新 (REN-01, 02)."""

    pins: RenewalPins = RenewalPins.BOTH
    same_authority: bool = True


class CompanyId(Part):
    """企業ID: a number that the instance assigns to each company at its registration (QUA-17)."""

    label: Text
    digits: Annotated[int, Field(ge=4, le=20)]
