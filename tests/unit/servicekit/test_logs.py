"""The formats of the log: text, or one JSON object per line, both with the trace id."""

import contextvars
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider

from servicekit import logs
from servicekit.telemetry import Telemetry

TRACE = "1" * 32
PROGRAM = """
import logging, sys, warnings
from servicekit import program

class Mistake(Exception):
    pass

async def serve():
    logging.getLogger("front_door.servicer").info("serving\\nat %s", "川口市")
    warnings.warn("old")

def worker():
    raise Mistake("the profile is wrong")

def migrate():
    raise LookupError("nothing\\nthere")

sys.argv[0] = "front-door"
program.run("front-door", {"serve": serve, "worker": worker, "migrate": migrate}, mistakes=Mistake)
"""


def ran(command: str, form: str | None, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a service's program with one command, as it is deployed."""
    environment = {"PYTHONPATH": ":".join(sys.path), **settings}
    if form is not None:
        environment[logs.SETTING] = form
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def objects(written: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.splitlines()]


@pytest.fixture
def log() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger that writes as a service's does, into a text."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(logs.TraceIdFilter())
    handler.setFormatter(logs.JsonFormatter("front-door"))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    logger.propagate = False
    yield logger, written
    logger.removeHandler(handler)
    logger.propagate = True


def test_record_is_one_object_with_the_trace_id_of_the_running_call(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log

    def call() -> None:
        with Telemetry(TracerProvider(), 0).server_span("call", f"00-{TRACE}-{'2' * 16}-00"):
            logger.warning("%s waits\u2028for %s", "川口市", 'a "word"')

    before = datetime.now(UTC)
    contextvars.copy_context().run(call)
    (line,) = written.getvalue().splitlines()
    assert line.isascii()
    record = json.loads(line)
    at = datetime.fromisoformat(record.pop("time"))
    assert at.utcoffset() == UTC.utcoffset(None)
    assert abs((at - before).total_seconds()) < 60
    assert record == {
        "level": "WARNING",
        "service": "front-door",
        "logger": "tests.logs",
        "message": '川口市 waits\u2028for a "word"',
        "trace_id": TRACE,
    }


def test_traceback_is_part_of_its_object(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, written = log
    try:
        try:
            raise LookupError("inner\nline")
        except LookupError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError:
        logger.exception("it failed")
    (record,) = objects(written.getvalue())
    assert record["message"] == "it failed"
    assert record["trace_id"] == ""
    assert record["exception"].startswith("Traceback (most recent call last):\n")
    assert "LookupError: inner\nline\n" in record["exception"]
    assert record["exception"].endswith("RuntimeError: outer")


def test_all_output_of_a_process_is_json() -> None:
    done = ran("serve", "json")
    assert (done.returncode, done.stdout) == (0, "")
    said, warned = objects(done.stderr)
    assert (said["message"], said["logger"], said["level"]) == ("serving\nat 川口市", "front_door.servicer", "INFO")
    assert (warned["logger"], warned["level"]) == ("py.warnings", "WARNING")


@pytest.mark.parametrize("form", [None, "", "text"])
def test_log_is_text_by_default(form: str | None) -> None:
    done = ran("serve", form)
    assert done.returncode == 0
    assert " INFO - front_door.servicer: serving\nat 川口市\n" in done.stderr


@pytest.mark.parametrize("form", ["JSON", "yaml"])
def test_unknown_log_format_is_refused_with_a_sentence(form: str) -> None:
    done = ran("serve", form)
    assert done.returncode == 1
    assert done.stderr == (
        "front-door: a setting is wrong: TOROKU_LOG_FORMAT: choose text or json, or omit it for text\n"
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [("worker", "front-door: the profile is wrong"), ("dance", "usage: front-door {serve|worker|migrate}")],
)
def test_operator_error_is_reported_in_the_log_format(command: str, said: str) -> None:
    in_json, in_text = ran(command, "json"), ran(command, "text")
    assert (in_json.returncode, in_text.returncode) == (1, 1)
    assert in_text.stderr == f"{said}\n"
    (record,) = objects(in_json.stderr)
    assert (record["level"], record["message"]) == ("CRITICAL", said)


def test_defect_shows_its_traceback_in_the_log_format() -> None:
    in_json, in_text = ran("migrate", "json"), ran("migrate", "text")
    assert (in_json.returncode, in_text.returncode) == (1, 1)
    (record,) = objects(in_json.stderr)
    assert record["message"] == "front-door migrate failed by an exception"
    for written in (record["exception"], in_text.stderr.rstrip()):
        assert "Traceback (most recent call last):\n" in written
        assert written.endswith("LookupError: nothing\nthere")


def test_repeated_message_is_written_once_in_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool that can't connect says so every second, for as long as its database is away."""

    def is_written(text: str) -> bool:
        return repetitions.filter(logging.LogRecord("psycopg.pool", logging.WARNING, "", 0, text, None, None))

    repetitions = logs.RepetitionFilter()
    assert [is_written(text) for text in ("refused", "refused", "no password", "refused")] == [True, False, True, False]
    monkeypatch.setattr("servicekit.logs._WRITE_AGAIN_AFTER", 0)
    assert is_written("refused")
