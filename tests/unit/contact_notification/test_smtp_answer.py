"""Which answers of a mail server are final for a mail: those that mean its recipient, and no others."""

import pytest

from contact_notification.domain.mail import FailedTry
from contact_notification.domain.smtp_answer import SmtpAnswer, Stage, judge_answer, read_answer

REFUSED, PUT_OFF, UNUSABLE = FailedTry.REFUSED, FailedTry.PUT_OFF, FailedTry.SERVER_UNUSABLE


@pytest.mark.parametrize("stage", [Stage.RECIPIENT, Stage.MESSAGE])
@pytest.mark.parametrize(
    ("code", "text", "judgement"),
    [
        # Address, mailbox and way (RFC 3463: X.1, X.2, X.4).
        (550, "5.1.1 <koji@contractor.example>: Recipient address rejected: User unknown", REFUSED),
        (556, "5.1.10 Recipient address has null MX", REFUSED),
        (553, "5.1.3 Bad recipient address syntax", REFUSED),
        (554, "5.2.1 Mailbox disabled", REFUSED),
        (552, "5.2.2 Mailbox full", REFUSED),
        (554, "5.4.4 Unable to route", REFUSED),
        (550, "5.4.1\nThe second line", REFUSED),
        (550, "#5.1.0 Address rejected.", REFUSED),
        # Without an enhanced code.
        (550, "No such user here", REFUSED),
        (551, "User not local", REFUSED),
        (553, "Mailbox name not allowed", REFUSED),
        (550, "", REFUSED),
        (552, "Exceeded storage allocation", PUT_OFF),
        (554, "Transaction failed", PUT_OFF),
        (554, "", PUT_OFF),
        (501, "Syntax error", PUT_OFF),
        (503, "Bad sequence of commands", PUT_OFF),
        # The server refuses us, or is not well.
        (554, "5.7.1 <koji@contractor.example>: Relay access denied", PUT_OFF),
        (550, "5.7.1 Unable to relay", PUT_OFF),
        (550, "#5.7.1 Your access to submit messages is denied", PUT_OFF),
        (550, "5.7.26 Unauthenticated mail is not accepted", PUT_OFF),
        (530, "5.7.0 Must issue a STARTTLS command first", PUT_OFF),
        (554, "5.3.4 Message too big", PUT_OFF),
        (554, "5.3.5 System incorrectly configured", PUT_OFF),
        (550, "5.5.1 Protocol error", PUT_OFF),
        (554, "5.6.0 Bad content", PUT_OFF),
        (550, "5.0.0 Command rejected", PUT_OFF),
        # Our own address.
        (550, "5.1.8 <no-reply@toroku.example>: Sender address rejected: Domain not found", PUT_OFF),
        (553, "5.1.7 Bad sender address syntax", PUT_OFF),
        # For now, also where only one of both codes says so.
        (450, "4.2.1 Mailbox busy", PUT_OFF),
        (450, "4.1.1 User unknown in the table that can't be read now", PUT_OFF),
        (451, "Local error in processing", PUT_OFF),
        (450, "5.1.1 soft bounce", PUT_OFF),
        (550, "4.1.1 User unknown", PUT_OFF),
        (252, "2.1.5 Cannot verify", PUT_OFF),
        # The codes have to come first.
        (554, "user 5.1.1 unknown", PUT_OFF),
        (554, "5.1.1x", PUT_OFF),
        (554, "5.1.1234 unknown", PUT_OFF),
        # It is about to close.
        (421, "4.3.2 Service shutting down", UNUSABLE),
        (421, "Too many connections", UNUSABLE),
    ],
)
def test_answer_is_final_where_it_means_the_recipient_only(
    stage: Stage, code: int, text: str, judgement: FailedTry
) -> None:
    assert judge_answer(stage, read_answer(code, text)) is judgement


@pytest.mark.parametrize("stage", [Stage.CONNECTION, Stage.SENDER])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (554, "5.7.1 No SMTP service here for you"),
        (550, "5.1.1 User unknown"),
        (550, "No such user here"),
        (535, "5.7.8 Authentication credentials invalid"),
        (454, "4.7.0 Temporary authentication failure"),
        (452, "4.3.1 Insufficient system storage"),
        (421, "4.7.0 Try again later"),
    ],
)
def test_before_a_recipient_is_named_an_answer_means_us(stage: Stage, code: int, text: str) -> None:
    assert judge_answer(stage, read_answer(code, text)) is UNUSABLE


@pytest.mark.parametrize(
    ("text", "answer", "written"),
    [
        ("5.1.1 <koji@contractor.example> unknown", SmtpAnswer(550, (5, 1, 1)), "550 5.1.1"),
        (" 5.7.509 no", SmtpAnswer(550, (5, 7, 509)), "550 5.7.509"),
        ("koji@contractor.example unknown", SmtpAnswer(550, None), "550"),
        ("３.1.1 other digits", SmtpAnswer(550, None), "550"),
        ("2.1", SmtpAnswer(550, None), "550"),
    ],
)
def test_only_the_codes_of_an_answer_are_kept(text: str, answer: SmtpAnswer, written: str) -> None:
    assert read_answer(550, text) == answer
    assert str(read_answer(550, text)) == written
