"""利用申込: the profile's part of the help desk's workflow (APP, Niigata)."""

from enum import StrEnum

from instance_profile.base import Part, Text


class PaymentDue(StrEnum):
    """When an invoice has to be paid (APP-06)."""

    END_OF_MONTH_AFTER_ARRIVAL = "end_of_month_after_arrival"


class Payment(Part):
    """How the use of the system is paid for, and the consequence of an unpaid invoice."""

    # The agent that sends invoices by post and collects payments.
    collection_agent: str
    due: PaymentDue = PaymentDue.END_OF_MONTH_AFTER_ARRIVAL
    unpaid_suspends: bool = True


class DeskMail(Part):
    """The subject and body of a mail of the desk, with placeholders such as {works_name}."""

    subject: str
    body: str


class ApplicationDesk(Part):
    """The application desk's forms, roles and mails."""

    application_form_url: str
    terms_of_use_url: str
    # The user ID that the contractor wishes, the separator, and the operator's suffix (APP-02).
    wished_user_id_pattern: str = r"[0-9A-Za-z]{3,10}"
    user_id_separator: str = "."
    user_id_suffix_pattern: str = r"[0-9a-z]{3}"
    # Labels of the roles and of the case: 主任監督員 or 監督員, 現場代理人, 工事件名 (APP-09).
    orderer_roles: tuple[Text, ...]
    contractor_role: Text
    case_label: Text
    # To the orderer, before anything is registered (APP-03).
    confirmation_mail: DeskMail
    # ID and password, sent automatically to both sides (APP-04).
    credentials_mail: DeskMail
    # 「利用開始通知」, to all participants of the case.
    start_of_use_mail: DeskMail
    payment: Payment | None = None
