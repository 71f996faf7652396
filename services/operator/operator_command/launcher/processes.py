"""Processes of one machine: started, watched, stopped, and never left behind."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from operator_command.launcher.unprivileged_user import dies_with_parent
from refusals import Code, Refusal

READY_SECONDS = 120.0
# A service lets running calls finish for ten seconds before it ends by itself.
STOP_SECONDS = 15.0
LOOK_INTERVAL = 0.03

Ready = Callable[[], Awaitable[bool]]


class Process:
    """A program that runs until it is told to stop. Its output goes to `log`, its settings come as environment.

    Nothing here belongs to an event loop, so that a fixture may start it in one loop and a test stop it in another.
    `start` has to be called by a thread that lives as long as the program: the kernel kills it when that thread ends.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, ready: Ready
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._ready = ready
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; of the last run where it has ended."""
        return self._started().pid

    @property
    def status(self) -> int | None:
        """None while it runs, else its exit status (minus the signal's number where one ended it)."""
        return self._started().poll()

    def start(self) -> None:
        """Starts it; `wait_until_ready` says when it serves."""
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [*_leash(), *self._command],
                env=environment(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal is for the launcher, which then stops everything in order.
                start_new_session=True,
            )

    async def wait_until_ready(self, within: float = READY_SECONDS) -> None:
        """Returns as soon as it serves. Raises SERVICE_NOT_STARTED, with its last words, where it never does."""
        deadline = time.monotonic() + within
        while not await self._ready():
            status = self.status
            if status is not None or time.monotonic() > deadline:
                how = f"exit status {status}" if status is not None else f"no answer within {within:.0f} s"
                raise self._failure("SERVICE_NOT_STARTED", how)
            await asyncio.sleep(LOOK_INTERVAL)

    async def stop(self, within: float = STOP_SECONDS) -> int | None:
        """Asks it to stop (SIGTERM) and waits; kills it after a bound. Gives its exit status, None if never started."""
        running = self._running
        if running is None:
            return None
        if running.poll() is None:
            running.terminate()
            try:
                await asyncio.to_thread(running.wait, within)
            except subprocess.TimeoutExpired:
                running.kill()
                await asyncio.to_thread(running.wait)
        return running.returncode

    def kill(self) -> None:
        """Kill -9; returns when it has ended."""
        self._started().kill()
        self._started().wait()

    async def restart(self) -> None:
        """Stops it where it runs, starts it, and waits until it serves."""
        await self.stop()
        self.start()
        await self.wait_until_ready()

    def died(self) -> Refusal:
        """What to say when it ended without being asked: SERVICE_STOPPED."""
        return self._failure("SERVICE_STOPPED", f"exit status {self.status}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._running is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._running

    def _failure(self, reason: str, how: str) -> Refusal:
        metadata = {"service": self.name, "how": how, "log": str(self.log), "cause": last_lines(self.log)}
        return Refusal(reason, Code.UNAVAILABLE, metadata)


async def run_to_end(name: str, command: Sequence[str], *, settings: Mapping[str, str], log: Path) -> None:
    """Runs a command that ends by itself; raises SERVICE_NOT_STARTED where it fails."""

    async def never() -> bool:
        return False

    process = Process(name, command, environment=settings, log=log, ready=never)
    process.start()
    try:
        # A thread that waits would not let itself be cancelled.
        while process.status is None:
            await asyncio.sleep(LOOK_INTERVAL)
    finally:
        await process.stop()
    if process.status != 0:
        metadata = {"service": name, "how": f"exit status {process.status}", "log": str(log), "cause": last_lines(log)}
        raise Refusal("SERVICE_NOT_STARTED", Code.UNAVAILABLE, metadata)


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with the interpreter that runs us."""
    return [sys.executable, "-m", module, *arguments]


def serving(address: str) -> Ready:
    """Whether the plain health port at `address` says SERVING."""

    async def asked() -> bool:
        if not _accepts(address):
            return False
        # Channels to one address share their connection and its pause after a failure, unless told not to.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return asked


def accepting(address: str) -> Ready:
    """Whether somebody listens at `address`."""

    async def asked() -> bool:
        return _accepts(address)

    return asked


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Our own environment without what would speak to a service or to PostgreSQL, and with `settings`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("TOROKU_", "PG", "OTEL_"))}
    return ours | dict(settings)


def last_lines(log: Path, count: int = 8) -> str:
    """The end of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _leash() -> tuple[str, ...]:
    words = dies_with_parent(signal.SIGKILL.name.removeprefix("SIG"))
    return (*words, "--") if words else ()


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5):
            return True
    except OSError:
        return False
