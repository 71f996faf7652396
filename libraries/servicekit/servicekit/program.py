"""The command line of every service: serve, worker, migrate, migrate-after."""

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import uvloop
from pydantic import ValidationError

from servicekit import logs
from servicekit.exceptions import CommandFailed
from servicekit.processors import count_processors

log = logging.getLogger(__name__)

Command = Callable[[], Awaitable[None] | None]
# A command that gets the words after its name.
CommandWithArguments = Callable[[Sequence[str]], Awaitable[None]]
# Threads of `asyncio.to_thread` beside one for each processor: they wait for a file or a peer.
_WAITING_THREADS = 4
# The commands of `servicekit.migrations`, the same for every service with a database.
MIGRATIONS = ("migrate", "migrate-after")


def run(
    service: str,
    commands: Mapping[str, Command],
    *,
    mistakes: type[Exception],
    with_arguments: Mapping[str, CommandWithArguments] | None = None,
    names: Mapping[str, str] | None = None,
) -> None:
    """Runs the command named on the command line; `names` has the commands whose processes have another name.

    Exits with 1 and a sentence if it names no command, if a setting is wrong, if the command cannot go on
    (CommandFailed), or if the service raises one of the operator's `mistakes` (a wrong profile). Any other exception is
    a defect and shows its traceback. The log format is the only setting that is read here, because all other errors are
    reported in that format.
    """
    command, arguments = sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:]
    with_arguments = with_arguments or {}
    service = (names or {}).get(command, service)
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

    if command not in with_arguments and (command not in commands or arguments):
        end(f"usage: {service} {{{'|'.join([*commands, *with_arguments])}}}")
    try:
        outcome = with_arguments[command](arguments) if command in with_arguments else commands[command]()
        if asyncio.iscoroutine(outcome):
            uvloop.run(_run(outcome))
    except ValidationError as error:
        # Names and causes only: a setting's value may be a secret.
        settings = "; ".join(
            f"TOROKU_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        end(f"{service}: a setting is wrong: {settings}")
    except (mistakes, CommandFailed) as mistake:
        end(f"{service}: {mistake}")
    except Exception:
        log.critical("%s %s failed by an exception", service, command, exc_info=True)
        sys.exit(1)


async def _run(command: Awaitable[None]) -> None:
    """Runs a command with as many threads beside it as its quota is good for: asyncio counts the node's processors."""
    threads = ThreadPoolExecutor(count_processors() + _WAITING_THREADS, thread_name_prefix="asyncio")
    asyncio.get_running_loop().set_default_executor(threads)
    await command


def bind_commands(package: str, *names: str) -> Mapping[str, Callable[..., Any]]:
    """Returns the commands of a service by name: each one imports its module when it is called.

    That is the module of `<package>/commands` with the command's name, whose function is `run`; for MIGRATIONS it is
    `servicekit.migrations`. So a process imports what its own command needs (docs/adr/0025).
    """
    return {name: partial(_run_command, package, name) for name in names}


def _run_command(package: str, name: str, *arguments: Sequence[str]) -> Awaitable[None] | None:
    if name in MIGRATIONS:
        function = importlib.import_module("servicekit.migrations").commands(package)[name]
    else:
        function = importlib.import_module(f"{package}.commands.{name.replace('-', '_')}").run
    outcome: Awaitable[None] | None = function(*arguments)
    return outcome
