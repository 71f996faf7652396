"""A mail server that stores every message as an .eml file in a folder, shown on a web page (`inbox_page`).

For instances on one machine, for trials in containers, and for tests.
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

from operator_command.launcher.inbox_page import inbox_page, running_page
from operator_command.topology import HOST, split_address

# Seconds between two looks into the folder while waiting for a message.
POLL_INTERVAL = 0.02


class _FolderHandler:
    """Stores messages byte for byte, after the two header lines that a delivering mail server prepends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = itertools.count(1)

    async def handle_DATA(  # noqa: N802 # the name by which aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        recipients = ", ".join(envelope.rcpt_tos)
        trace_headers = f"Return-Path: <{envelope.mail_from or ''}>\r\nDelivered-To: {recipients}\r\n"
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{next(self._count):06}.eml"
        # A reader must never see a partial message: the file gets its name when it is complete.
        new_file = self._folder / f".{name}"
        new_file.write_bytes(trace_headers.encode("utf-8") + content)
        new_file.replace(self._folder / name)
        return "250 stored"


@asynccontextmanager
async def running_inbox(folder: Path, port: int = 0, host: str = HOST) -> AsyncIterator[int]:
    """Receives mail until the block ends, and yields the port; port 0 means any free one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _FolderHandler(folder)

    def make_protocol() -> SMTP:
        return SMTP(handler, enable_SMTPUTF8=True, hostname="localhost", ident="Toroku inbox")

    server = await asyncio.get_running_loop().create_server(make_protocol, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def run_inbox(
    folder: Path, listen: tuple[str, int], page: tuple[str, int], page_names: Sequence[str] = ()
) -> None:
    """Receives mail and shows it on the page until SIGTERM or SIGINT. `page_names` are further host names of it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    host, port = listen
    async with running_inbox(folder, port, host), running_page(inbox_page(folder, (page[0], *page_names)), page):
        await stop.wait()


def read_messages(folder: Path) -> list[EmailMessage]:
    """Returns the messages in the folder in order of arrival; none if the folder does not exist yet."""
    return [_read(file) for file in sorted(folder.glob("[!.]*.eml"))]


async def wait_for_message(folder: Path, accept: Callable[[EmailMessage], Any], *, within: float = 10) -> EmailMessage:
    """Waits for a message that `accept` returns true for; raises TimeoutError after `within` seconds."""
    seen: set[Path] = set()
    async with asyncio.timeout(within):
        while True:
            for file in sorted(set(folder.glob("[!.]*.eml")) - seen):
                seen.add(file)
                message = _read(file)
                if accept(message):
                    return message
            await asyncio.sleep(POLL_INTERVAL)


def _read(file: Path) -> EmailMessage:
    return message_from_bytes(file.read_bytes(), policy=SMTPUTF8)


if __name__ == "__main__":
    asyncio.run(run_inbox(Path(sys.argv[1]), split_address(sys.argv[2]), split_address(sys.argv[3])))
