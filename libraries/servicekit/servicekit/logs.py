"""The log of a process on standard error, as text or as one JSON object per line, always with the trace id.

Logs contain no personal data. The services' own messages have none; messages of PostgreSQL, which quote values and
rows, are shortened (`servicekit.failures`).
"""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType

from typing_extensions import override

from servicekit.failures import write_for_log
from servicekit.telemetry import trace_id

SETTING = "TOROKU_LOG_FORMAT"
TEXT, JSON = "text", "json"

_TEXT = "%(asctime)s %(levelname)s %(trace_id)s %(name)s: %(message)s"
_NOISY_LOGGERS = ("procrastinate", "alembic", "opentelemetry")
# A pool that replaces a lost connection is no event; what a lost database means is said by who needs it.
_UNSPECIFIC_LOGGERS = ("psycopg.pool",)
# These try every second while a database is away, and say so each time.
_REPEATING_LOGGERS = ("servicekit.job_connector",)
# Seconds until the same message is written again.
_WRITE_AGAIN_AFTER = 30.0

_ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def set_up(service: str, form: str) -> None:
    """Configures logging to standard error in a format, TEXT or JSON. Raises ValueError for any other."""
    if form not in (TEXT, JSON):
        raise ValueError(f"{SETTING}: choose {TEXT} or {JSON}, or omit it for {TEXT}")
    handler = logging.StreamHandler()
    handler.addFilter(TraceIdFilter())
    handler.setFormatter(JsonFormatter(service) if form == JSON else TextFormatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _UNSPECIFIC_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    repetitions = RepetitionFilter()
    for name in _REPEATING_LOGGERS:
        logging.getLogger(name).addFilter(repetitions)


class TraceIdFilter(logging.Filter):
    """Adds the trace id of the running call or job to every record."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Returns True: no record is dropped."""
        record.trace_id = trace_id()
        return True


class RepetitionFilter(logging.Filter):
    """Drops a message that was written a moment ago."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, float] = {}

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether the message was not written within the last 30 seconds."""
        text, now = record.getMessage(), time.monotonic()
        self._written = {each: at for each, at in self._written.items() if now - at < _WRITE_AGAIN_AFTER}
        if text in self._written:
            return False
        self._written[text] = now
        return True


class TextFormatter(logging.Formatter):
    """Formats a record as a line, followed by its traceback if there is one."""

    @override
    def formatException(self, ei: _ExceptionInfo) -> str:  # the name of logging.Formatter
        """Returns the traceback, without the values that PostgreSQL quotes."""
        text = super().formatException(ei)
        for error in _causes(ei[1]):
            whole, shown = str(error), write_for_log(error)
            if whole and shown != whole:
                text = text.replace(whole, shown)
        return text


class JsonFormatter(TextFormatter):
    """Formats a record as one JSON object in ASCII, so that it is one line for every reader."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as an object; `exception` holds the whole traceback."""
        traced = getattr(record, "trace_id", "-")
        entry = {
            "time": _time(record.created),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            "trace_id": traced if traced != "-" else "",
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yields the exception and all others of its traceback."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__]
