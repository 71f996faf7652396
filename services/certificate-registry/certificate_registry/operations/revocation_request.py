"""Requests for CRLs, which a job fetches (`operations.revocation`): a server needs no HTTP client for them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from certificate_registry.store import revocation_lists
from servicekit import jobs
from servicekit.database_connection import Connection

FETCH_LISTS = "fetch_crls"
LISTS_QUEUE = "revocation_lists"
# A waiting card does not repeat a failed fetch within this time.
_PATIENCE = timedelta(minutes=1)


async def enqueue_fetch(connection: Connection) -> None:
    """Enqueues a job that fetches the CRLs that are due, without waiting for the next scheduled one."""
    await jobs.enqueue(connection, FETCH_LISTS, queue=LISTS_QUEUE, arguments={})


async def request_lists(connection: Connection, crl_urls: Sequence[str], authority: str | None, now: datetime) -> None:
    """Has the CRLs fetched that may cover a trusted CA's card of unknown revocation status, which names `crl_urls`.

    Adds addresses that only the card names, and makes those due whose last fetch failed.
    """
    addresses = [(url, authority) for url in crl_urls]
    new_urls = await revocation_lists.add_sources(connection, addresses, now)
    is_expedited = await revocation_lists.expedite(
        connection, authority=authority, urls=crl_urls, tried_before=now - _PATIENCE, now=now
    )
    if new_urls or is_expedited:
        await enqueue_fetch(connection)
