"""The command line that every service has: serve, worker, migrate, migrate-after."""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping

import uvloop
from pydantic import ValidationError

from servicekit.failure import CommandFailed
from servicekit.telemetry import trace_id

Command = Callable[[], Awaitable[None] | None]


class _TraceIdFilter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.trace_id = trace_id()
        return True


def run(service: str, commands: Mapping[str, Command], *, mistakes: type[Exception]) -> None:
    """Runs the command that the command line names.

    Exits with 1 and a sentence where it names none, where a setting is wrong, where the command can't go on
    (CommandFailed), or where the service raises one of its operator's `mistakes` (a wrong profile); any other exception
    is a fault of ours and shows its traceback.
    """
    handler = logging.StreamHandler()
    handler.addFilter(_TraceIdFilter())
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(trace_id)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for talkative in ("procrastinate", "alembic", "opentelemetry"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in commands:
        sys.exit(f"usage: {service} {{{'|'.join(commands)}}}")
    try:
        outcome = commands[name]()
        if asyncio.iscoroutine(outcome):
            uvloop.run(outcome)
    except ValidationError as error:
        # Only names and reasons: a setting's value may be a secret.
        settings = "; ".join(
            f"TOROKU_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        sys.exit(f"{service}: a setting is wrong: {settings}")
    except (mistakes, CommandFailed) as mistake:
        sys.exit(f"{service}: {mistake}")
