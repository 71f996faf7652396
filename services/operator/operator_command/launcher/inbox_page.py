"""The page of the inbox: the mails newest first, and one of them. Japanese first, English beside.

What a mail holds is shown as text and never as a page: nothing of it is executed, fetched or followed.
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
from zoneinfo import ZoneInfo

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

ON_ONE_PAGE = 100
# A mail of more than this is shown up to here.
MOST_CHARACTERS = 200_000
LOOPBACK_NAMES = ("127.0.0.1", "localhost")
# The names that the inbox gives; nothing else in the folder is ever opened.
FILE_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})-\d{6,}\.eml")
SHOWN_HEADERS = ("From", "To", "Delivered-To", "Reply-To", "Date", "Message-ID")
JAPAN = ZoneInfo("Asia/Tokyo")
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
    """One mail in the list."""

    name: str
    came: datetime
    to: str
    subject: str


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail, all of it as text."""

    subject: str
    came: datetime
    headers: tuple[tuple[str, str], ...]
    # plain, html where there is no plain text, or none.
    kind: str
    text: str
    cut_off: bool
    attachments: tuple[str, ...]


def inbox_page(folder: Path, names: Sequence[str] = ()) -> Starlette:
    """The application that shows the mails in `folder`, asked for by a loopback address or one of `names`.

    A page of somebody else's must not reach it through a name that it points here; so other names are refused.
    """
    templates = Environment(
        loader=PackageLoader("operator_command.launcher"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def page(template: str, **values: object) -> Response:
        return HTMLResponse(templates.get_template(template).render(**values), headers=SAFE_HEADERS)

    def listed(request: Request) -> Response:
        before = request.query_params.get("before", "")
        kept = sorted((file.name for file in folder.glob("*.eml") if FILE_NAME.fullmatch(file.name)), reverse=True)
        older = [name for name in kept if not before or name < before]
        lines = [_line(folder / name) for name in older[:ON_ONE_PAGE]]
        last = older[ON_ONE_PAGE - 1] if len(older) > ON_ONE_PAGE else ""
        return page("inbox.html", lines=lines, count=len(kept), older=last, newest=not before)

    def one(request: Request) -> Response:
        name = request.path_params["name"]
        if not FILE_NAME.fullmatch(name) or not (folder / name).is_file():
            raise HTTPException(404)
        return page("mail.html", mail=_mail(folder / name))

    def style(request: Request) -> Response:
        source, _, _ = PackageLoader("operator_command.launcher").get_source(templates, "style.css")
        return Response(source, media_type="text/css", headers=SAFE_HEADERS)

    def missing(request: Request, error: Exception) -> Response:
        response = page("missing.html")
        response.status_code = 404
        return response

    return Starlette(
        routes=[Route("/", listed), Route("/mail/{name}", one), Route("/style.css", style)],
        exception_handlers={404: missing},
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=sorted({*LOOPBACK_NAMES, *names}))],
    )


@asynccontextmanager
async def serving_page(application: Starlette, listen: tuple[str, int]) -> AsyncIterator[int]:
    """Serves it on plain HTTP until the block ends; gives the port (a free one where 0 was asked)."""
    with socket.create_server(listen) as listening:
        configuration = uvicorn.Config(
            application,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        server = _Server(configuration)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the program that this is a part of."""
        yield


def _line(file: Path) -> Line:
    with file.open("rb") as stream:
        message = BytesHeaderParser(policy=SMTPUTF8).parse(stream)
    return Line(file.name, _came(file.name), _header(message, "To"), _header(message, "Subject"))


def _mail(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), policy=SMTPUTF8)
    kind, text = "none", ""
    for kind_of_text in ("plain", "html"):
        body = message.get_body((kind_of_text,))
        if isinstance(body, EmailMessage):
            kind, text = kind_of_text, _text(body)
            break
    return Mail(
        subject=_header(message, "Subject"),
        came=_came(file.name),
        headers=tuple((name, _header(message, name)) for name in SHOWN_HEADERS if name in message),
        kind=kind,
        text=text[:MOST_CHARACTERS],
        cut_off=len(text) > MOST_CHARACTERS,
        attachments=tuple(
            f"{part.get_filename() or '―'} ({part.get_content_type()})" for part in message.iter_attachments()
        ),
    )


def _came(name: str) -> datetime:
    found = FILE_NAME.fullmatch(name)
    assert found is not None  # noqa: S101 (only such names come here)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC).astimezone(JAPAN)


def _header(message: Message, name: str) -> str:
    """A header as text; what can't be read as one is shown as it came, since this page is there to look at mistakes."""
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
