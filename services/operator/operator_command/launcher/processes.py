"""Child processes: started, watched, stopped, and ended by the kernel when the launcher dies."""

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

from operator_command.launcher.unprivileged_user import make_parent_death_prefix
from refusals import Code, Refusal

READY_SECONDS = 120.0
# A service drains running calls for ten seconds before it exits.
STOP_SECONDS = 15.0
# Seconds between two looks at a process.
POLL_INTERVAL = 0.03

Ready = Callable[[], Awaitable[bool]]


class Process:
    """A program that runs until it is stopped. Its output goes to `log`, its settings are environment variables.

    It is not bound to an event loop, so that a fixture may start it in one loop and a test stop it in another.
    `start` must be called by a thread that lives as long as the program: the kernel kills it when that thread ends.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, ready: Ready
    ) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = dict(environment)
        self._ready = ready
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; after the end, that of the last run."""
        return self._require_started().pid

    @property
    def status(self) -> int | None:
        """None while it runs, then its exit status; minus the signal's number if a signal ended it."""
        return self._require_started().poll()

    def start(self) -> None:
        """Starts the program without waiting until it is ready."""
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                [*_kill_with_parent_prefix(), *self._command],
                env=build_environment(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in a terminal must reach the launcher only, which stops everything in order.
                start_new_session=True,
            )

    async def wait_until_ready(self, within: float = READY_SECONDS) -> None:
        """Waits until the program is ready; raises SERVICE_NOT_STARTED, with the end of its log, if it never is."""
        deadline = time.monotonic() + within
        while not await self._ready():
            status = self.status
            if status is not None or time.monotonic() > deadline:
                how = f"exit status {status}" if status is not None else f"no answer within {within:.0f} s"
                raise self._make_refusal("SERVICE_NOT_STARTED", how)
            await asyncio.sleep(POLL_INTERVAL)

    async def stop(self, within: float = STOP_SECONDS) -> int | None:
        """Sends SIGTERM, and SIGKILL after `within` seconds; returns the exit status, None if it was never started."""
        popen = self._popen
        if popen is None:
            return None
        if popen.poll() is None:
            popen.terminate()
            try:
                await asyncio.to_thread(popen.wait, within)
            except subprocess.TimeoutExpired:
                popen.kill()
                await asyncio.to_thread(popen.wait)
        return popen.returncode

    def kill(self) -> None:
        """Sends SIGKILL and waits for the end."""
        self._require_started().kill()
        self._require_started().wait()

    async def restart(self) -> None:
        """Stops the program if it runs, starts it, and waits until it is ready."""
        await self.stop()
        self.start()
        await self.wait_until_ready()

    def unexpected_end(self) -> Refusal:
        """Returns the refusal SERVICE_STOPPED, for a program that ended without being stopped."""
        return self._make_refusal("SERVICE_STOPPED", f"exit status {self.status}")

    def _require_started(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise RuntimeError(f"{self.name} has not been started")
        return self._popen

    def _make_refusal(self, reason: str, how: str) -> Refusal:
        metadata = {"service": self.name, "how": how, "log": str(self.log), "cause": read_last_lines(self.log)}
        return Refusal(reason, Code.UNAVAILABLE, metadata)


async def run_to_end(name: str, command: Sequence[str], *, settings: Mapping[str, str], log: Path) -> None:
    """Runs a command to its end; raises SERVICE_NOT_STARTED if it fails."""

    async def never() -> bool:
        return False

    process = Process(name, command, environment=settings, log=log, ready=never)
    process.start()
    try:
        # Polling, because a thread that waits could not be cancelled.
        while process.status is None:
            await asyncio.sleep(POLL_INTERVAL)
    finally:
        await process.stop()
    if process.status != 0:
        metadata = {
            "service": name,
            "how": f"exit status {process.status}",
            "log": str(log),
            "cause": read_last_lines(log),
        }
        raise Refusal("SERVICE_NOT_STARTED", Code.UNAVAILABLE, metadata)


def build_python_command(module: str, *arguments: str) -> list[str]:
    """Returns the command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def make_health_check(address: str) -> Ready:
    """Returns a check whether the plaintext health port at `address` reports SERVING."""

    async def is_serving() -> bool:
        if not _is_listening(address):
            return False
        # By default, channels to one address share their connection and its back-off after a failure.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(address, options=options) as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return is_serving


def make_port_check(address: str) -> Ready:
    """Returns a check whether a TCP server listens at `address`."""

    async def is_listening() -> bool:
        return _is_listening(address)

    return is_listening


def build_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Returns this process's environment with `settings` instead of the variables that services and libpq read."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TOROKU_", "PG", "OTEL_"))}
    return inherited | dict(settings)


def read_last_lines(log: Path, count: int = 8) -> str:
    """Returns the last lines of a log file."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def _kill_with_parent_prefix() -> tuple[str, ...]:
    prefix = make_parent_death_prefix(signal.SIGKILL.name.removeprefix("SIG"))
    return (*prefix, "--") if prefix else ()


def _is_listening(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5):
            return True
    except OSError:
        return False
