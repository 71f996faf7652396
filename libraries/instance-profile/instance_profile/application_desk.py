"""利用申込: the profile's part of the help desk's workflow (APP, Niigata)."""

from enum import StrEnum

from instance_profile.base import Part, Text


class PaymentDue(StrEnum):
    """When an invoice has to be paid (APP-06)."""

    END_OF_MONTH_AFTER_ARRIVAL = "end_of_month_after_arrival"


class Payment(Part):
    """How the use of the system is paid for, and the consequence of an unpaid invoice."""

    collection_agent: str
    """The agent that sends invoices by post and collects payments."""
    due: PaymentDue = PaymentDue.END_OF_MONTH_AFTER_ARRIVAL
    """When an invoice has to be paid: end_of_month_after_arrival, the last day of the month after the one in which it
    arrived."""
    unpaid_suspends: bool = True
    """Whether the use of the system is suspended while an invoice is unpaid."""


class DeskMail(Part):
    """The subject and body of a mail of the desk, with placeholders such as {works_name}."""

    subject: str
    """The subject of the mail; may have placeholders."""
    body: str
    """The body of the mail; may have placeholders."""


class ApplicationDesk(Part):
    """The application desk's forms, roles and mails."""

    application_form_url: str
    """Where contractors download the application form."""
    terms_of_use_url: str
    """Where contractors read the terms of use."""
    wished_user_id_pattern: str = r"[0-9A-Za-z]{3,10}"
    """Regular expression for the part of the user ID that the contractor wishes (APP-02)."""
    user_id_separator: str = "."
    """The character between that part and the suffix."""
    user_id_suffix_pattern: str = r"[0-9a-z]{3}"
    """Regular expression for the suffix that the operator adds, which makes the user ID unique."""
    orderer_roles: tuple[Text, ...]
    """Names of the roles on the side of the orderer, for example 主任監督員 and 監督員 (APP-09)."""
    contractor_role: Text
    """Name of the role on the contractor's side, for example 現場代理人."""
    case_label: Text
    """What a case is called, for example 工事件名."""
    confirmation_mail: DeskMail
    """The mail to the orderer, before anything is registered (APP-03)."""
    credentials_mail: DeskMail
    """The mail with ID and password, sent automatically to both sides (APP-04)."""
    start_of_use_mail: DeskMail
    """The mail 「利用開始通知」 to all participants of the case."""
    payment: Payment | None = None
    """How the use of the system is paid for; without it, it costs nothing."""
