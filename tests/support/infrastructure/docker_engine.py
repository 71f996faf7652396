"""A Docker engine for tests: one that is running already, or one started in a temporary folder."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operator_command.launcher.unprivileged_user import make_parent_death_prefix
from tools.build_images import BuildError, find_docker_client

START_SECONDS = 60.0
STOP_SECONDS = 60.0


class NoEngine(Exception):
    """There is no engine, and none can be started; the text gives the cause."""


@contextmanager
def docker_engine() -> Iterator[str]:
    """Yields the address of an engine (as DOCKER_HOST). An engine started here is stopped and its data deleted."""
    try:
        client = find_docker_client()
    except BuildError as failure:
        raise NoEngine(str(failure)) from None
    answering = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if _answers(client, answering):
        yield answering
        return
    server = shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if server is None:
        raise NoEngine(f"no Docker engine answers at {answering}, and there is no dockerd to start one")
    if os.geteuid() != 0:
        raise NoEngine(f"no Docker engine answers at {answering}, and only root can start one")
    # A socket's path must be short, so this is not pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="toroku-docker-"))
    host = f"unix://{folder}/docker.sock"
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [
                *_ends_with_us(),
                *(server, "--host", host, "--pidfile", str(folder / "pid")),
                *("--data-root", str(folder / "data"), "--exec-root", str(folder / "exec")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(client, host, running, folder / "log")
        yield host
    finally:
        running.terminate()
        try:
            running.wait(STOP_SECONDS)
        finally:
            running.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _ends_with_us() -> tuple[str, ...]:
    words = make_parent_death_prefix("TERM")
    return (*words, "--") if words else ()


def _wait(client: str, host: str, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(client, host):
        if running.poll() is not None or time.monotonic() > deadline:
            end_of_log = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
            raise NoEngine(f"the Docker engine did not start:\n{end_of_log}")
        time.sleep(0.1)


def _answers(client: str, host: str) -> bool:
    command = [client, "--host", host, "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
