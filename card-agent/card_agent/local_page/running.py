"""One agent for each person: its port, which it keeps, and how a second start finds it."""

import contextlib
import http.client
import json
import random
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from card_agent.local_page.socket_owner import is_own_socket
from card_agent.local_page.start_page import AGAIN
from card_agent.private_files import write_private
from refusals import Code, Refusal

# RFC 6335, 6: the dynamic ports, of which no program has one of its own.
PORTS = range(49152, 65536)
_MOST_ATTEMPTS = 50
_FILE_NAME, _LOCK_NAME = "serve.json", "serve.lock"
_SECRET_BYTES = 32
# Seconds for which a second start waits for the first one.
_PATIENCE = 10.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """The agent that runs for this person. The secret is this run's alone."""

    port: int
    pid: int
    secret: str = field(repr=False)


def make_secret() -> str:
    """Returns a secret for one run."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def read_running(folder: Path) -> RunningAgent | None:
    """Returns what the last start of an agent wrote; None where there is nothing to be read."""
    try:
        values = json.loads((folder / _FILE_NAME).read_text("utf-8"))
        running = RunningAgent(int(values["port"]), int(values["pid"]), str(values["secret"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return running if running.port in PORTS else None


def save_running(folder: Path, running: RunningAgent) -> None:
    """Writes how this agent is found. Raises FILE_UNWRITABLE."""
    file = folder / _FILE_NAME
    try:
        write_private(file, json.dumps(asdict(running)))
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.UNAVAILABLE, {"file": str(file)}) from error


def open_listener(folder: Path) -> socket.socket:
    """Returns a socket that listens on the person's port: that of the last time if it is free, otherwise a new one.

    Raises PORT_UNAVAILABLE.
    """
    earlier = read_running(folder)
    choice = random.SystemRandom()
    ports = [earlier.port] if earlier is not None else []
    for port in [*ports, *(choice.choice(PORTS) for _ in range(_MOST_ATTEMPTS))]:
        # With the protocol named, asyncio sends each piece of an answer at once (TCP_NODELAY); else it waits 40 ms.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        # On Windows the option lets another program take the port while it is used.
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        listener.setsockopt(socket.SOL_SOCKET, exclusive or socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()
        except OSError:
            listener.close()
            continue
        return listener
    raise Refusal("PORT_UNAVAILABLE", Code.UNAVAILABLE)


@contextlib.contextmanager
def be_the_only_one(folder: Path) -> Iterator[bool]:
    """Yields whether no other agent of this person runs; until the end of the block none can start.

    Raises FILE_UNWRITABLE.
    """
    file = folder / _LOCK_NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = file.open("a+b")
    except OSError as error:
        raise Refusal("FILE_UNWRITABLE", Code.UNAVAILABLE, {"file": str(file)}) from error
    with stream:
        yield _lock(stream.fileno())


def tell_running(folder: Path, instance: str | None) -> None:
    """Has the agent that runs already open the portal, as a first start would. Raises AGENT_NOT_ANSWERING."""
    ends_at = time.monotonic() + _PATIENCE
    while time.monotonic() < ends_at:
        running = read_running(folder)
        # It may be starting just now.
        if running is not None and _tell(running, instance):
            return
        time.sleep(_PAUSE_SECONDS)
    raise Refusal("AGENT_NOT_ANSWERING", Code.UNAVAILABLE)


def _tell(running: RunningAgent, instance: str | None) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=_PATIENCE)
    try:
        connection.connect()
        # The port may be another user's by now, who must not get the secret.
        if not is_own_socket(connection.sock.getpeername(), connection.sock.getsockname()):
            return False
        connection.request("POST", AGAIN, instance or "", {"Authorization": f"Bearer {running.secret}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _lock(descriptor: int) -> bool:
    """Returns whether the file could be locked; the lock ends with the process at the latest."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
