"""What the agent refuses before it looks further, and the headers of every answer (docs/hand-off.md)."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from refusals import Code, Refusal

# Measured in Chromium and Firefox: with these a page can go on to the portal, and its own form posts name its origin.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
MOST_FORM_BYTES = 16 * 1024
_MOST_FIELDS = 8

Header = tuple[bytes, bytes]


def check_host(headers: list[Header], port: int) -> None:
    """Raises HOST_WRONG for a request to another name, to which a page of the net may have pointed 127.0.0.1."""
    if _find(headers, b"host") != f"127.0.0.1:{port}":
        raise Refusal("HOST_WRONG", Code.PERMISSION_DENIED)


def check_origin(headers: list[Header], origin: str) -> None:
    """Raises FORM_FROM_ELSEWHERE for a post that is not of the agent's own page."""
    if _find(headers, b"origin") != origin or _find(headers, b"sec-fetch-site") != "same-origin":
        raise Refusal("FORM_FROM_ELSEWHERE", Code.PERMISSION_DENIED)
    if _find(headers, b"content-type") != "application/x-www-form-urlencoded":
        raise Refusal("FORM_MALFORMED", Code.INVALID_ARGUMENT)


def read_fields(body: bytes) -> Mapping[str, str]:
    """Returns the fields of a form. Raises FORM_MALFORMED for more than a form of the agent's has."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        # Without the cause, whose text may have the PIN.
        raise Refusal("FORM_MALFORMED", Code.INVALID_ARGUMENT) from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal("FORM_MALFORMED", Code.INVALID_ARGUMENT)
    return fields


def _find(headers: list[Header], name: bytes) -> str | None:
    values = [value for key, value in headers if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None
