"""The command erase-bidder."""

from collections.abc import Sequence

from contact_notification.operations.erasure import Erasure
from contact_notification.settings import SERVICE, Settings
from history.bidder_erasure import describe_erasure
from history.entries import Chain
from history.erasure_order import read_erasure_order
from instance_profile.load import load_for_service
from servicekit.database import Database
from servicekit.database_clock import read_time


async def run(arguments: Sequence[str]) -> None:
    """Erases a bidder's persons, by an act in the history, and prints what was erased; asks nothing."""
    order = read_erasure_order(arguments, "--bidder", "the bidder's id")
    settings = Settings.read()
    chain = Chain(load_for_service(settings.profile, settings.profile_overlay).id, SERVICE)
    dsn = settings.direct_database("a command")
    async with Database.open(dsn, pool=1, password_file=settings.database_password_file) as database:
        erasure = await Erasure(database=database, clock=read_time, chain=chain).erase(order)
    print(describe_erasure(order, erasure))
