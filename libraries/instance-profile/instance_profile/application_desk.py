"""利用申込: the help desk's workflow (APP, Niigata), as far as a profile says it."""

from enum import StrEnum

from instance_profile.base import Part, Text


class PaymentDue(StrEnum):
    """Until when an invoice has to be paid (APP-06)."""

    END_OF_MONTH_AFTER_ARRIVAL = "end_of_month_after_arrival"


class Payment(Part):
    """How use is paid for, and what happens where it is not."""

    # Who sends the invoices by post and takes the money.
    collection_agent: str
    due: PaymentDue = PaymentDue.END_OF_MONTH_AFTER_ARRIVAL
    unpaid_suspends: bool = True


class DeskMail(Part):
    """One mail of the desk: subject and body, with places such as {works_name}."""

    subject: str
    body: str


class ApplicationDesk(Part):
    """What the application desk asks, whom it confirms with, and what it sends."""

    application_form_url: str
    terms_of_use_url: str
    # The user ID as the contractor wishes it, what stands before the operator's suffix, and the suffix (APP-02).
    wished_user_id_pattern: str = r"[0-9A-Za-z]{3,10}"
    user_id_separator: str = "."
    user_id_suffix_pattern: str = r"[0-9a-z]{3}"
    # 主任監督員 or 監督員, 現場代理人, 工事件名: what the roles and the case are called (APP-09).
    orderer_roles: tuple[Text, ...]
    contractor_role: Text
    case_label: Text
    # To the orderer, before anything is registered (APP-03).
    confirmation_mail: DeskMail
    # ID and password, to both sides, by the system itself (APP-04).
    credentials_mail: DeskMail
    # 「利用開始通知」, to everybody of the case.
    start_of_use_mail: DeskMail
    payment: Payment | None = None
