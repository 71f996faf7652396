"""The command erase-card."""

from collections.abc import Sequence

from certificate_registry.operations.erasure import CardErasure
from certificate_registry.settings import SERVICE, Settings
from history.entries import Chain
from history.erasure_order import read_erasure_order, refuse_arguments
from instance_profile.load import load_for_service
from servicekit.database import Database
from servicekit.database_clock import read_time
from servicekit.messages import SHA256_BYTES

_OPTION, _VALUE = "--certificate-sha256", "64 hexadecimal digits"


async def run(arguments: Sequence[str]) -> None:
    """Erases the details of a card's history, by an act in the history, and prints how many; asks nothing."""
    certificate_sha256, reason = read_card_order(arguments)
    settings = Settings.read()
    chain = Chain(load_for_service(settings.profile, settings.profile_overlay).id, SERVICE)
    dsn = settings.direct_database("a command")
    async with Database.open(dsn, pool=1, password_file=settings.database_password_file) as database:
        erasure = CardErasure(database=database, chain=chain, clock=read_time)
        count, act = await erasure.erase(certificate_sha256, reason)
    if act is None:
        print("nothing is left to erase of this card")
    else:
        print(f"erased the details of {count} entries of the history, by its entry {act.number}")


def read_card_order(arguments: Sequence[str]) -> tuple[bytes, str]:
    """Returns the card (SHA-256) that is to be erased, and why; raises CommandFailed."""
    order = read_erasure_order(arguments, _OPTION, _VALUE)
    try:
        certificate_sha256 = bytes.fromhex(order.subject)
    except ValueError:
        raise refuse_arguments(_OPTION, _VALUE) from None
    if len(certificate_sha256) != SHA256_BYTES:
        raise refuse_arguments(_OPTION, _VALUE)
    return certificate_sha256, order.reason
