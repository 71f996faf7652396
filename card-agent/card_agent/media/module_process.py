"""The agent's side of a module's child process: starts it, asks it with a limit of time, and ends it.

Each use of a card has a process of its own: what a module breaks is mended by the next try, and no card is held in
between. A PIN goes through the pipe only, where no other user and no log sees it.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from card_agent.media.module_file import check_module, refuse_library
from refusals import Code, Refusal

# The argument with which a program of the agent serves a module.
HOST_COMMAND = "host-module"
# Names the program of another machine, for example of 32 bits, that serves the modules built for that one.
HOST_VARIABLE = "TOROKU_MODULE_HOST"

_MOST_ANSWER_BYTES = 8 * 1024 * 1024
# Seconds that a process without anything to do may take until it is gone.
_END_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds after which a module counts as hanging. A card with a long RSA key takes several for a signature."""

    start: float = 30.0
    read: float = 30.0
    log_in: float = 30.0
    sign: float = 60.0
    end: float = 3.0


class ModuleError(Exception):
    """The module returned an error. `code` is its name in python-pkcs11, or its number in hexadecimal."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class ModuleProcess:
    """A running module."""

    module: Path
    limits: TimeLimits
    _process: subprocess.Popen[bytes] = field(repr=False)

    def call(self, name: str, seconds: float, **arguments: Any) -> Mapping[str, Any]:
        """Returns the answer of the child.

        Raises ModuleError for an error of the module; MODULE_NOT_ANSWERING and MODULE_CRASHED end the process.
        """
        line = json.dumps({"call": name, "arguments": arguments}).encode() + b"\n"
        answers: list[bytes] = []
        # In a thread, because a pipe can be neither read nor written with a limit of time on every system.
        thread = threading.Thread(
            target=_exchange, args=(self._process, line, answers), name="waiting for a module", daemon=True
        )
        thread.start()
        thread.join(seconds)
        if thread.is_alive():
            self._kill()
            thread.join(_END_SECONDS)
            metadata = {"module": str(self.module), "seconds": f"{seconds:g}"}
            raise Refusal("MODULE_NOT_ANSWERING", Code.UNAVAILABLE, metadata)
        try:
            answer = dict(json.loads(answers[0]))
        except (IndexError, TypeError, ValueError) as error:
            self._kill()
            raise Refusal("MODULE_CRASHED", Code.UNAVAILABLE, {"module": str(self.module)}) from error
        if "error" in answer:
            raise ModuleError(str(answer["error"]))
        return answer

    def end(self) -> None:
        """Has the module log out and release its cards, and ends the process. Never fails."""
        if self._process.poll() is None:
            with contextlib.suppress(Refusal, ModuleError):
                self.call("end", self.limits.end)
        for pipe in (self._process.stdin, self._process.stdout):
            # What could not be written any more is written at the end.
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        self._kill()
        atexit.unregister(self._process.kill)

    def _kill(self) -> None:
        # The smart card service resets the cards that a killed program had.
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def run_module(module: Path, limits: TimeLimits) -> Iterator[ModuleProcess]:
    """Yields the module, initialized, in a process of its own.

    Raises MODULE_NOT_FOUND, MODULE_NOT_LIBRARY, MODULE_OTHER_MACHINE, MODULE_HOST_UNUSABLE, MODULE_FAILED,
    MODULE_CRASHED, MODULE_NOT_ANSWERING.
    """
    process = _start(module, _choose_host(module), limits)
    try:
        _initialize(process)
        yield process
    finally:
        process.end()


def _initialize(process: ModuleProcess) -> None:
    try:
        process.call("start", process.limits.start, path=str(process.module.absolute()))
    except ModuleError as error:
        if error.code == "NotALibrary":
            raise refuse_library(process.module) from error
        metadata = {"module": str(process.module), "code": error.code}
        raise Refusal("MODULE_FAILED", Code.UNAVAILABLE, metadata) from error


def _choose_host(module: Path) -> Path | None:
    """Returns the other program where the module was built for that one; None for this program itself."""
    other = os.environ.get(HOST_VARIABLE)
    try:
        check_module(module, Path(sys.executable).resolve())
    except Refusal as refusal:
        if refusal.reason != "MODULE_OTHER_MACHINE" or not other:
            raise
        check_module(module, Path(other))
        return Path(other)
    return None


def _start(module: Path, host: Path | None, limits: TimeLimits) -> ModuleProcess:
    try:
        process = subprocess.Popen(
            _build_command(host),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # A module may write there what nobody should see.
            stderr=subprocess.DEVNULL,
            env=_build_environment(module),
            creationflags=_choose_flags(),
        )
    except OSError as error:
        raise Refusal("MODULE_HOST_UNUSABLE", Code.INVALID_ARGUMENT, {"host": str(host or sys.executable)}) from error
    # A hanging module does not notice that the agent has ended.
    atexit.register(process.kill)
    return ModuleProcess(module, limits, process)


def _build_command(host: Path | None) -> list[str]:
    if host is not None:
        return [str(host), HOST_COMMAND]
    if getattr(sys, "frozen", False):
        return [sys.executable, HOST_COMMAND]
    # Isolated, so that no file of the folder where the person is takes the place of ours.
    return [sys.executable, "-I", "-m", "card_agent.media.module_child"]


def _build_environment(module: Path) -> dict[str, str]:
    environment = dict(os.environ)
    if sys.platform == "win32":
        # Windows looks there for the libraries that the module itself needs.
        environment["PATH"] = os.pathsep.join((str(module.absolute().parent), environment.get("PATH", "")))
    return environment


def _choose_flags() -> int:
    if sys.platform == "win32":
        # A program of the console would open one for a moment.
        return subprocess.CREATE_NO_WINDOW
    else:  # noqa: RET505  # what follows the branch of a system is no code on that system
        return 0


def _exchange(process: subprocess.Popen[bytes], line: bytes, answers: list[bytes]) -> None:
    # A process that has died or was killed ends the exchange with an error or without a line.
    with contextlib.suppress(OSError, ValueError):
        if process.stdin is not None and process.stdout is not None:
            process.stdin.write(line)
            process.stdin.flush()
            answers.append(process.stdout.readline(_MOST_ANSWER_BYTES))
