"""What the commands about failed mails read and print."""

from collections.abc import Sequence
from datetime import UTC, datetime

from contact_notification.domain.mail import FailedMail
from instance_profile.japan_time import JAPAN
from servicekit.exceptions import CommandFailed

SINCE = "--since"
_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER_OFFERED = "not offered"
_NONE = "-"


def read_since(arguments: Sequence[str]) -> datetime:
    """Returns from when on mails are meant: `--since` with a day or an instant, in Japan unless it has a zone.

    Without arguments, from the beginning. Raises CommandFailed.
    """
    if not arguments:
        return _EVER
    if len(arguments) == 2 and arguments[0] == SINCE:
        try:
            since = datetime.fromisoformat(arguments[1])
        except ValueError:
            pass
        else:
            return since if since.tzinfo else since.replace(tzinfo=JAPAN)
    raise CommandFailed(
        f"the arguments are wrong: give none, or {SINCE} with a day or an instant in Japan, as {SINCE} 2026-11-27 or "
        f"{SINCE} 2026-11-27T09:30"
    )


def describe_failed_mails(failed: Sequence[FailedMail]) -> str:
    """Returns one line for each mail, its parts separated by tabs, between a line of headings and the number of mails.

    There are no personal data in it: the registration leads to the contractor, where the mail is about one.
    """
    lines = [
        "\t".join(
            (
                mail.failed_at.astimezone(JAPAN).isoformat(timespec="seconds"),
                mail.result,
                mail.answer or _NEVER_OFFERED,
                mail.agency,
                mail.category or _NONE,
                str(mail.registration_id or _NONE),
                str(mail.mail_id),
                mail.kind,
                "can be sent again" if mail.has_address else "its address was forgotten",
            )
        )
        for mail in failed
    ]
    headings = "failed at\tresult\tanswer\tagency\tcategory\tregistration\tmail\tnotice\tnext"
    return "\n".join([headings, *lines, f"{len(failed)} failed mails"])
