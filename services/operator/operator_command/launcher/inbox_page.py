"""The web pages of the inbox: a list of the mails, newest first, and a page for each. Japanese first, then English.

A mail's content is shown as text only: nothing in it is executed, fetched or followed.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import SMTPUTF8
from pathlib import Path

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from typing_extensions import override

from instance_profile.japan_time import JAPAN

MAILS_PER_PAGE = 100
# Longer texts are cut off here.
MOST_CHARACTERS = 200_000
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
# The file names of the inbox; no other file in the folder is ever opened.
FILE_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})-\d{6,}\.eml")
SHOWN_HEADERS = ("From", "To", "Delivered-To", "Reply-To", "Date", "Message-ID")
SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A mail in the list; `received_at` is in Japan's time."""

    name: str
    received_at: datetime
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail on its page, as text; `received_at` is in Japan's time."""

    subject: str
    received_at: datetime
    headers: tuple[tuple[str, str], ...]
    # plain, html if there is no plain text, or none.
    kind: str
    text: str
    cut_off: bool
    attachments: tuple[str, ...]


def inbox_page(folder: Path, host_names: Sequence[str] = ()) -> Starlette:
    """Makes the application that shows the mails in `folder`, at the loopback addresses and under `host_names`.

    Other host names are refused: a foreign web page must not read the mails through a name of its own that it resolves
    to this address (DNS rebinding).
    """
    templates = Environment(
        loader=PackageLoader("operator_command.launcher"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def render(template: str, **values: object) -> Response:
        return HTMLResponse(templates.get_template(template).render(**values), headers=SAFE_HEADERS)

    def show_list(request: Request) -> Response:
        before = request.query_params.get("before", "")
        names = sorted((file.name for file in folder.glob("*.eml") if FILE_NAME.fullmatch(file.name)), reverse=True)
        older = [name for name in names if not before or name < before]
        lines = [_line(folder / name) for name in older[:MAILS_PER_PAGE]]
        last = older[MAILS_PER_PAGE - 1] if len(older) > MAILS_PER_PAGE else ""
        return render("inbox.html", lines=lines, count=len(names), older=last, newest=not before)

    def show_mail(request: Request) -> Response:
        name = request.path_params["name"]
        if not FILE_NAME.fullmatch(name) or not (folder / name).is_file():
            raise HTTPException(404)
        return render("mail.html", mail=_mail(folder / name))

    def show_style(_request: Request) -> Response:
        source, _, _ = PackageLoader("operator_command.launcher").get_source(templates, "style.css")
        return Response(source, media_type="text/css", headers=SAFE_HEADERS)

    def show_missing(_request: Request, _error: Exception) -> Response:
        response = render("missing.html")
        response.status_code = 404
        return response

    return Starlette(
        routes=[Route("/", show_list), Route("/mail/{name}", show_mail), Route("/style.css", show_style)],
        exception_handlers={404: show_missing},
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=sorted({*LOOPBACK_NAMES, *host_names}))],
    )


@asynccontextmanager
async def running_page(application: Starlette, listen: tuple[str, int]) -> AsyncIterator[int]:
    """Serves the page over plain HTTP until the block ends, and yields the port; port 0 means any free one."""
    with socket.create_server(listen) as listener:
        configuration = uvicorn.Config(
            application,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            # The server would look at the clock for it.
            date_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(configuration)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.ending.set()
            await task


class _Server(uvicorn.Server):
    def __init__(self, configuration: uvicorn.Config) -> None:
        super().__init__(configuration)
        self.ending = asyncio.Event()

    @override
    async def main_loop(self) -> None:
        """Waits for the end, where uvicorn's own loop would look for it ten times a second."""
        await self.on_tick(0)
        await self.ending.wait()

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to the surrounding program."""
        yield


def _line(file: Path) -> Line:
    with file.open("rb") as stream:
        message = BytesHeaderParser(policy=SMTPUTF8).parse(stream)
    return Line(file.name, _received_at(file.name), _header(message, "To"), _header(message, "Subject"))


def _mail(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), policy=SMTPUTF8)
    kind, text = "none", ""
    for subtype in ("plain", "html"):
        body = message.get_body((subtype,))
        if isinstance(body, EmailMessage):
            kind, text = subtype, _text(body)
            break
    return Mail(
        subject=_header(message, "Subject"),
        received_at=_received_at(file.name),
        headers=tuple((name, _header(message, name)) for name in SHOWN_HEADERS if name in message),
        kind=kind,
        text=text[:MOST_CHARACTERS],
        cut_off=len(text) > MOST_CHARACTERS,
        attachments=tuple(
            f"{part.get_filename() or '―'} ({part.get_content_type()})" for part in message.iter_attachments()
        ),
    )


def _received_at(name: str) -> datetime:
    match = FILE_NAME.fullmatch(name)
    assert match is not None  # noqa: S101 (callers pass only such names)
    return datetime.strptime(match[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).astimezone(JAPAN)


def _header(message: Message, name: str) -> str:
    """Returns a header as text; an unreadable one is returned raw, because this page is for finding mistakes."""
    try:
        return str(message.get(name, ""))
    except (ValueError, IndexError, AttributeError, LookupError):
        raw = [value for key, value in message.raw_items() if key.lower() == name.lower()]
        return str(raw[0])


def _text(part: EmailMessage) -> str:
    try:
        return str(part.get_content())
    except (LookupError, ValueError):
        content = part.get_payload(decode=True)
        return content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
