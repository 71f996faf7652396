"""A real `pcscd` with vpcd's virtual readers, of our own: beside any other one, with its own socket and ports.

pcscd knows one place for its socket, /run/pcscd. So it runs in a mount namespace in which a temporary directory lies
there, and clients find it through the variable that libpcsclite reads, PCSCLITE_CSOCK_NAME. The machine's own pcscd and
its readers are not touched. Where namespaces may not be made (a container without the right to mount) the one place
is used under a lock, so that runs queue. libpcsclite reads the variable at its first call and keeps it: set
`environment` before that, and keep one service, started and stopped as often as wanted, in a process.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from simulators.virtual_card import VirtualCard

READER = "Toroku Virtual Reader 00 00"
SECOND_READER = "Toroku Virtual Reader 00 01"

_SOCKET = "PCSCLITE_CSOCK_NAME"
_SUDO = ("sudo", "-n")
_MACHINE_DIRECTORY = Path("/run/pcscd")
_LOCK = Path(tempfile.gettempdir()) / "toroku-smart-card-service.lock"
_TIMEOUT = 20.0
# pcscd tells of a card as soon as it has powered it.
_SOON = 3.0
_INSERTED, _REMOVED = "Card inserted into ", "Card Removed From "
# $0 is our directory, the rest the command. An empty /dev/bus/usb keeps the machine's own readers out of it.
_IN_NAMESPACE = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/pcscd
mount --bind "$0" /run/pcscd
if [ -d /dev/bus/usb ]; then mount -t tmpfs tmpfs /dev/bus/usb; fi
exec "$@"
"""


class SmartCardServiceFailed(Exception):
    """pcscd did not start; the text says why and what to do."""


class PortsTaken(SmartCardServiceFailed):
    """Another program listens where the readers should."""


@dataclass(slots=True)
class SmartCardService:
    """pcscd with two virtual readers: a card connects to `port` for the first one, to `port + 1` for the second."""

    directory: Path
    port: int
    isolated: bool
    log: list[str] = field(default_factory=list, repr=False)
    # The readers in which pcscd sees a card, by name, as its log tells.
    occupied: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment, before its first call."""
        return {_SOCKET: str(self.directory / "ipc" / "pcscd.comm")} if self.isolated else {}

    def start(self, *, readers: bool = True) -> None:
        """Returns when clients can connect and the readers are there. Raises SmartCardServiceFailed."""
        if self._process is not None:
            raise ValueError("it runs already")
        self._write_configuration(readers)
        command = [_pcscd(), "--foreground", "--info", "--config", str(self.directory / "configuration")]
        if "--disable-polkit" in _options():
            command.append("--disable-polkit")
        if self.isolated:
            command = [*_namespace(), "sh", "-c", _IN_NAMESPACE, str(self.directory / "ipc"), *command]
        if command[0] != _SUDO[0]:
            # It must not outlive a test that was killed.
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        self.log.clear()
        self.occupied.clear()
        self._process = process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read_log, args=(process,), name="pcscd log", daemon=True)
        self._reader.start()
        if not self._wait_for(lambda: self._logged("daemon ready") or process.poll() is not None) or process.poll():
            self.stop()
            raise SmartCardServiceFailed("pcscd did not start:\n" + "".join(self.log[-20:]))
        self._wait_until_it_listens()
        if self._logged("Could not initialize connection"):
            self.stop()
            raise PortsTaken(f"the ports {self.port} and {self.port + 1} are taken by another program")

    def stop(self) -> None:
        """Ends it, and nothing else; cards in its readers are lost."""
        process, self._process = self._process, None
        if process is None:
            return
        self._end(process, signal.SIGTERM)
        try:
            process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._end(process, signal.SIGKILL)
            process.wait()
        if self._reader is not None:
            self._reader.join()
        for name in ("pcscd.comm", "pcscd.pid"):
            (self.directory / "ipc" / name).unlink(missing_ok=True)

    def _end(self, process: subprocess.Popen[str], number: signal.Signals) -> None:
        if not self.isolated or _namespace()[0] != _SUDO[0]:
            process.send_signal(number)
        elif process.poll() is None:
            # It runs as root, so we may not signal it ourselves.
            pid = (self.directory / "ipc" / "pcscd.pid").read_text().strip("\0\n")
            subprocess.run([*_SUDO, "kill", f"-{number.value}", pid], check=False)

    def insert(self, card: VirtualCard) -> None:
        """Puts the card into its reader and returns when every client sees it there."""
        reader = self._reader_of(card)
        card.insert()
        if self._wait_for(lambda: reader in self.occupied, _SOON):
            return
        # A card that is in when pcscd looks into a reader for the first time is in without a word in the log. That it
        # goes is told, and that it comes again.
        gone = self._count(_REMOVED + reader)
        card.pull()
        self._wait_for(lambda: self._count(_REMOVED + reader) > gone)
        card.insert()
        if not self._wait_for(lambda: reader in self.occupied):
            raise SmartCardServiceFailed("pcscd did not see the card that was inserted")

    def pull(self, card: VirtualCard) -> None:
        """Pulls the card, if it is not out already, and returns when every client sees that.

        pcscd looks every 0.4 s; a card that is back before that would not have been missed.
        """
        card.pull()
        if not self._wait_for(lambda: self._reader_of(card) not in self.occupied):
            raise SmartCardServiceFailed("pcscd did not see that the card was pulled")

    def _wait_until_it_listens(self) -> None:
        # pcscd calls itself ready just before it opens its socket, and has no word for after that.
        directory = self.directory / "ipc" if self.isolated else _MACHINE_DIRECTORY
        deadline = time.monotonic() + _TIMEOUT
        while True:
            with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
                if probe.connect_ex(str(directory / "pcscd.comm")) == 0:
                    return
            if time.monotonic() > deadline:
                self.stop()
                raise SmartCardServiceFailed("pcscd does not listen:\n" + "".join(self.log[-20:]))
            time.sleep(0.002)

    def _reader_of(self, card: VirtualCard) -> str:
        return READER if card.port == self.port else SECOND_READER

    def _logged(self, words: str) -> bool:
        return self._count(words) > 0

    def _count(self, words: str) -> int:
        return sum(words in line for line in self.log)

    def _wait_for(self, condition: Callable[[], object], within: float = _TIMEOUT) -> bool:
        with self._changed:
            return bool(self._changed.wait_for(condition, within))

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                with self._changed:
                    self.log.append(line)
                    if _INSERTED in line:
                        self.occupied.add(line.partition(_INSERTED)[2].strip())
                    elif _REMOVED in line:
                        self.occupied.discard(line.partition(_REMOVED)[2].strip())
                    self._changed.notify_all()
        process.wait()
        with self._changed:
            self._changed.notify_all()

    def _write_configuration(self, readers: bool) -> None:
        entry = (
            f'FRIENDLYNAME "{READER.removesuffix(" 00 00")}"\nDEVICENAME /dev/null:{self.port:#06X}\n'
            f"LIBPATH {_driver()}\nCHANNELID {self.port:#06X}\n"
        ).replace("0X", "0x")
        (self.directory / "configuration" / "readers").write_text(entry if readers else "")


@contextlib.contextmanager
def smart_card_service() -> Iterator[SmartCardService]:
    """A service that runs, until the end of the block. Raises SmartCardServiceFailed where there is no way."""
    with contextlib.ExitStack() as stack:
        isolated = bool(_namespace())
        if not isolated:
            stack.enter_context(_machine_alone())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toroku-pcscd-")))
        # Clients may run as another user than we.
        directory.chmod(0o755)
        for name in ("ipc", "configuration"):
            (directory / name).mkdir()
        service = SmartCardService(directory, _two_free_ports(), isolated)
        stack.callback(service.stop)
        try:
            service.start()
        except PortsTaken:
            # Somebody else took them between the look and the use.
            service.port = _two_free_ports()
            service.start()
        yield service


@contextlib.contextmanager
def in_environment(service: SmartCardService) -> Iterator[None]:
    """Makes this process, and those that it starts, clients of the service."""
    before = {name: os.environ.get(name) for name in service.environment}
    os.environ.update(service.environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def _namespace() -> tuple[str, ...]:
    """How a mount namespace of its own is made here; empty where none may be made."""
    of_a_user = ("unshare", "--map-root-user", "--mount")
    # Ubuntu takes the rights out of namespaces that users make; there, as for the set-up itself, sudo has to help.
    candidates = [("unshare", "--mount")] if os.geteuid() == 0 else [of_a_user, (*_SUDO, "unshare", "--mount")]
    for candidate in candidates:
        probe = [*candidate, "mount", "-t", "tmpfs", "tmpfs", "/run"]
        with contextlib.suppress(FileNotFoundError):
            if subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0:
                return candidate
    return ()


@cache
def _options() -> str:
    return subprocess.run([_pcscd(), "--help"], capture_output=True, text=True, check=False).stdout


@cache
def _pcscd() -> str:
    # A user's PATH often lacks the folders of the system's own programs.
    found = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise SmartCardServiceFailed("pcscd is not installed: apt-get install pcscd vsmartcard-vpcd")
    return found


def _driver() -> Path:
    found = next(Path("/usr/lib").glob("**/pcsc/drivers/serial/libifdvpcd.so"), None)
    if found is None:
        raise SmartCardServiceFailed("the virtual reader is not installed: apt-get install vsmartcard-vpcd")
    return found


@contextlib.contextmanager
def _machine_alone() -> Iterator[None]:
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as probe:
            if probe.connect_ex(str(_MACHINE_DIRECTORY / "pcscd.comm")) == 0:
                raise SmartCardServiceFailed(
                    "Another pcscd runs on this machine, and a second one can't be kept apart from it here, because "
                    "mount namespaces are not allowed. Stop it first: systemctl stop pcscd.socket pcscd.service"
                )
        yield


def _two_free_ports() -> int:
    # Below the ports that Linux gives to outgoing connections, so that none of those comes in between.
    start = 20000 + os.getpid() * 2 % 10000
    for port in range(start, start + 1000, 2):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for number in (port, port + 1):
                probe = stack.enter_context(contextlib.closing(socket.socket()))
                probe.bind(("0.0.0.0", number))  # noqa: S104 - vpcd itself listens on all addresses.
            return port
    raise SmartCardServiceFailed("no two free ports for the virtual readers")
