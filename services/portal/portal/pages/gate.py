"""What the portal refuses before it looks further, the headers of every answer, and the cookies."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request

from refusals import Code, Refusal

COOKIE, LANGUAGE_COOKIE = "__Host-toroku", "__Host-language"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Strict-Transport-Security": "max-age=31536000",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "loopback-network=(), local-network=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
MOST_FORM_BYTES, MOST_ANSWER_BYTES = 64 * 1024, 160 * 1024
_MOST_FIELDS = 64
# More than any field of ours may have, so that a longer text is refused by the field's own rule first.
_MOST_CHARACTERS = 8_000
_MOST_DIGITS = 9


def check_origin(headers: Headers, origin: str) -> None:
    """Raises PORTAL_FORM_FROM_ELSEWHERE for a form that is not of the portal's own page.

    Every browser since 2023 says where a request comes from. With `no-referrer` a page's own post has the origin
    `null`, so the origin counts only where that is missing.
    """
    site = headers.get("sec-fetch-site")
    if site != "same-origin" and (site is not None or headers.get("origin") != origin):
        raise Refusal("PORTAL_FORM_FROM_ELSEWHERE", Code.PERMISSION_DENIED)
    if headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)


async def read_fields(request: Request, most_bytes: int = MOST_FORM_BYTES) -> Mapping[str, str]:
    """Returns the fields of a form. Raises PORTAL_FORM_MALFORMED for more than a form of the portal's has."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        # Without the cause, whose text may have a password.
        raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT) from None
    fields = dict(pairs)
    is_too_long = most_bytes == MOST_FORM_BYTES and any(len(value) > _MOST_CHARACTERS for value in fields.values())
    if len(fields) != len(pairs) or is_too_long:
        raise Refusal("PORTAL_FORM_MALFORMED", Code.INVALID_ARGUMENT)
    return fields


def read_number(text: str) -> int:
    """Returns a number of at most nine digits; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0
