"""The log of a process, on standard error: lines for people, or one JSON object a line; always with the trace id.

A log carries no personal data. What the services say themselves is written so; what PostgreSQL says is shortened here,
because its errors quote the values and rows that they are about.
"""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

import psycopg

from servicekit.telemetry import trace_id

SETTING = "TOROKU_LOG_FORMAT"
TEXT, JSON = "text", "json"

_TEXT = "%(asctime)s %(levelname)s %(trace_id)s %(name)s: %(message)s"
_TALKATIVE = ("procrastinate", "alembic", "opentelemetry")
# Errors about a value, by the class of their SQLSTATE; their one sentence quotes it.
_ABOUT_A_VALUE = "22"

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up(service: str, form: str) -> None:
    """Sends all that is logged to standard error in this form, TEXT or JSON. Raises ValueError for any other."""
    if form not in (TEXT, JSON):
        raise ValueError(f"{SETTING}: there are {TEXT} and {JSON}; take one of them, or leave it out for {TEXT}")
    handler = logging.StreamHandler()
    handler.addFilter(TraceIdFilter())
    handler.setFormatter(JsonFormatter(service) if form == JSON else TextFormatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


class TraceIdFilter(logging.Filter):
    """Gives every record the trace id of the call or job in which it was made."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets all through."""
        record.trace_id = trace_id()
        return True


class TextFormatter(logging.Formatter):
    """A line, and after it the traceback where there is one."""

    def formatException(self, ei: _ExceptionInfo) -> str:
        """The traceback, without the values that PostgreSQL quotes."""
        written = super().formatException(ei)
        for error in _causes(ei[1]):
            if isinstance(error, psycopg.Error) and error.sqlstate is not None:
                written = written.replace(str(error), _without_values(error))
        return written


class JsonFormatter(TextFormatter):
    """One JSON object in ASCII, so that it is one line for everybody."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as an object; `exception` holds the whole traceback."""
        traced = getattr(record, "trace_id", "-")
        written = {
            "time": _time(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            "trace_id": traced if traced != "-" else "",
        }
        if record.exc_info:
            written["exception"] = self.formatException(record.exc_info)
        return json.dumps(written)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The exception and all those that stand in its traceback."""
    waiting, seen = [error], set[int]()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        waiting += [found.__cause__, found.__context__]


def _without_values(error: psycopg.Error) -> str:
    """What PostgreSQL says without its DETAIL, CONTEXT and LINE, and without its sentence where that quotes a value."""
    state = error.sqlstate or ""
    sentence = "" if state.startswith(_ABOUT_A_VALUE) else (error.diag.message_primary or "")
    places = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    return " ".join(part for part in (sentence, f"[{state}]", *places) if part)
