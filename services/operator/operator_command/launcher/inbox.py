"""A mail server that keeps what it gets: every message one .eml file in a folder, shown on a page (`inbox_page`).

For one machine, for trials in containers, and for tests.
"""

import asyncio
import itertools
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from operator_command.launcher.inbox_page import inbox_page, serving_page
from operator_command.topology import HOST, host_and_port

# How often a waiting reader looks into the folder, in seconds.
LOOK_INTERVAL = 0.02


class _Keep:
    """Stores messages byte for byte, after the two header lines that a delivering mail server puts on top."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = itertools.count(1)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.original_content or b""
        recipients = ", ".join(envelope.rcpt_tos)
        top = f"Return-Path: <{envelope.mail_from or ''}>\r\nDelivered-To: {recipients}\r\n"
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{next(self._count):06}.eml"
        # A reader must never see half a message: the file gets its name when it is whole.
        fresh = self._folder / f".{name}"
        fresh.write_bytes(top.encode("utf-8") + content)
        fresh.replace(self._folder / name)
        return "250 kept"


@asynccontextmanager
async def inbox(folder: Path, port: int = 0, host: str = HOST) -> AsyncIterator[int]:
    """Takes mail until the end, on the loopback address unless told; gives the port (a free one where 0 was asked)."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _Keep(folder)

    def session() -> SMTP:
        return SMTP(handler, enable_SMTPUTF8=True, hostname="localhost", ident="Toroku inbox")

    server = await asyncio.get_running_loop().create_server(session, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def keep_inbox(
    folder: Path, listen: tuple[str, int], page: tuple[str, int], page_names: Sequence[str] = ()
) -> None:
    """Takes mail, and shows it on the page, until SIGTERM or SIGINT. `page_names`: how else browsers may name it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = listen
    async with inbox(folder, port, host), serving_page(inbox_page(folder, (page[0], *page_names)), page):
        await stop.wait()


def messages(folder: Path) -> list[EmailMessage]:
    """Every message in the folder, in the order in which they came; none where the folder is not there yet."""
    return [_read(file) for file in sorted(folder.glob("[!.]*.eml"))]


async def wait_for_message(folder: Path, wanted: Callable[[EmailMessage], Any], *, within: float = 10) -> EmailMessage:
    """The first message that `wanted` accepts, waited for at most `within` seconds; raises TimeoutError."""
    seen: set[Path] = set()
    async with asyncio.timeout(within):
        while True:
            for file in sorted(set(folder.glob("[!.]*.eml")) - seen):
                seen.add(file)
                message = _read(file)
                if wanted(message):
                    return message
            await asyncio.sleep(LOOK_INTERVAL)


def _read(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=SMTPUTF8)


if __name__ == "__main__":
    asyncio.run(keep_inbox(Path(sys.argv[1]), host_and_port(sys.argv[2]), host_and_port(sys.argv[3])))
