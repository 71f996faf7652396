"""What an answer of the mail server means for a mail: never, not now, or not from us.

Judged by the enhanced status code (RFC 3463; registered in RFC 5248) at the beginning of the answer's text, whether
the server announced ENHANCEDSTATUSCODES or not. The reply code alone (RFC 5321, 4.2) does not tell a recipient that
does not exist from a server that does not know us: Postfix says `554 5.7.1 Relay access denied` to each recipient of a
client that it does not relay for.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from typing_extensions import override

from contact_notification.domain.mail import FailedTry


class Stage(StrEnum):
    """How far the dialogue with the mail server had come."""

    # Greeting, EHLO, STARTTLS and log-in.
    CONNECTION = "connection"
    # MAIL: whether it takes mails that come from our address.
    SENDER = "sender"
    # RCPT
    RECIPIENT = "recipient"
    # DATA and the end of the data.
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class SmtpAnswer:
    """An answer without its text, which often repeats the address. `status` is class, subject and detail, if given."""

    code: int
    status: tuple[int, int, int] | None

    @override
    def __str__(self) -> str:
        """Returns the codes, as `550 5.1.1`."""
        return f"{self.code} {'.'.join(map(str, self.status))}" if self.status else str(self.code)


# The server closes the connection (RFC 5321, 3.8), which it may say at any stage.
_CLOSING = 421
# RFC 3463: what is wrong is the address (X.1), the mailbox (X.2) or the way to it (X.4). It is not the server's state
# (X.3), the dialogue (X.5), the content (X.6) or what the server allows us (X.7).
_FINAL_SUBJECTS = frozenset({1, 2, 4})
# Of these subjects, what concerns the sender's address, which is ours: 5.1.7 (bad syntax), 5.1.8 (bad domain). Postfix
# says them at RCPT too.
_OF_THE_SENDER = frozenset({(1, 7), (1, 8)})
# Answers without an enhanced code that mean this mailbox: it is unavailable, not local, or its name is not allowed.
_FINAL_WITHOUT_STATUS = frozenset({550, 551, 553})

# Some servers (Cisco's) put a number sign before it.
_STATUS = re.compile(r"#?([245])\.([0-9]{1,3})\.([0-9]{1,3})(?=\s|$)", re.ASCII)


def read_answer(code: int, text: str) -> SmtpAnswer:
    """Returns the codes of an answer; the enhanced one is the first word of its text."""
    match = _STATUS.match(text.lstrip())
    return SmtpAnswer(code, (int(match[1]), int(match[2]), int(match[3])) if match else None)


def judge_answer(stage: Stage, answer: SmtpAnswer) -> FailedTry:
    """Returns what an answer that refuses means for the mail; whatever is not known to be final is tried again."""
    if answer.code == _CLOSING or stage in (Stage.CONNECTION, Stage.SENDER):
        return FailedTry.SERVER_UNUSABLE
    return FailedTry.REFUSED if _is_final(answer) else FailedTry.PUT_OFF


def _is_final(answer: SmtpAnswer) -> bool:
    if answer.status is None:
        return answer.code in _FINAL_WITHOUT_STATUS
    kind, subject, detail = answer.status
    # Both have to say that it is permanent.
    return (
        500 <= answer.code <= 599
        and kind == 5
        and subject in _FINAL_SUBJECTS
        and (subject, detail) not in _OF_THE_SENDER
    )
