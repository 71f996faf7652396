"""The command list-failed-mails."""

from collections.abc import Sequence

from contact_notification.domain.failed_mails import describe_failed_mails, read_since
from contact_notification.operations.failed_mails import FailedMails
from contact_notification.settings import Settings
from servicekit.database import Database


async def run(arguments: Sequence[str]) -> None:
    """Prints the mails that failed, since the beginning or a given time."""
    since = read_since(arguments)
    settings = Settings.read()
    dsn = settings.direct_database("a command")
    async with Database.open(dsn, pool=1, password_file=settings.database_password_file) as database:
        print(describe_failed_mails(await FailedMails(database=database).list_mails(since)))
