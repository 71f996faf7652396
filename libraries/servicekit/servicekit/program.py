"""The command line that every service has: serve, worker, migrate, migrate-after."""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

import uvloop
from pydantic import ValidationError

from servicekit import logs
from servicekit.exceptions import CommandFailed

log = logging.getLogger(__name__)

Command = Callable[[], Awaitable[None] | None]


def run(service: str, commands: Mapping[str, Command], *, mistakes: type[Exception]) -> None:
    """Runs the command that the command line names.

    Exits with 1 and a sentence where it names none, where a setting is wrong, where the command can't go on
    (CommandFailed), or where the service raises one of its operator's `mistakes` (a wrong profile); any other exception
    is a fault of ours and shows its traceback. The form of the log is the one setting that is read here: whatever else
    is wrong is said in that form.
    """
    form = os.environ.get(logs.SETTING) or logs.TEXT
    try:
        logs.set_up(service, form)
    except ValueError as error:
        sys.exit(f"{service}: a setting is wrong: {error}")

    def end(sentence: str) -> NoReturn:
        if form == logs.TEXT:
            sys.exit(sentence)
        log.critical(sentence)
        sys.exit(1)

    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name not in commands:
        end(f"usage: {service} {{{'|'.join(commands)}}}")
    try:
        outcome = commands[name]()
        if asyncio.iscoroutine(outcome):
            uvloop.run(outcome)
    except ValidationError as error:
        # Only names and reasons: a setting's value may be a secret.
        settings = "; ".join(
            f"TOROKU_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        end(f"{service}: a setting is wrong: {settings}")
    except (mistakes, CommandFailed) as mistake:
        end(f"{service}: {mistake}")
    except Exception:
        log.critical("%s %s ended by an exception", service, name, exc_info=True)
        sys.exit(1)
