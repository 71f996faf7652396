"""The command send-failed-mails."""

from collections.abc import Sequence

from contact_notification.domain.failed_mails import read_since
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.settings import Settings
from servicekit.database import Database


async def run(arguments: Sequence[str]) -> None:
    """Has the mails sent again that failed, since the beginning or a given time, and prints how many."""
    since = read_since(arguments)
    settings = Settings.read()
    dsn = settings.direct_database("a command")
    async with Database.open(dsn, pool=1, password_file=settings.database_password_file) as database:
        print(f"{await FailedMails(database=database).send_again(since)} mails are sent again")
