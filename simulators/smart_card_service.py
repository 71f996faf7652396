"""A private, real `pcscd` with vpcd's virtual readers, isolated from the machine's by its socket and ports.

pcscd's socket is always in /run/pcscd. Therefore it runs in a mount namespace in which that is a temporary directory,
and clients find it by the variable that libpcsclite reads, PCSCLITE_CSOCK_NAME. The machine's own pcscd and its readers
are not touched. Where no namespace can be created (a container that may not mount), /run/pcscd itself is used under a
lock, so that concurrent runs queue. libpcsclite reads the variable at its first call and keeps the value: set
`environment` before that, and use one service per process, which can be stopped and started again.
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
# pcscd logs a card as soon as it has powered it.
_SOON = 3.0
_INSERTED, _REMOVED = "Card inserted into ", "Card Removed From "
# $0 is our directory, the rest the command. An empty /dev/bus/usb hides the machine's own readers.
_IN_NAMESPACE = """
set -e
mount -t tmpfs tmpfs /run
mkdir /run/pcscd
mount --bind "$0" /run/pcscd
if [ -d /dev/bus/usb ]; then mount -t tmpfs tmpfs /dev/bus/usb; fi
exec "$@"
"""


class SmartCardServiceFailed(Exception):
    """pcscd did not start; the text gives the cause and the remedy."""


class PortsTaken(SmartCardServiceFailed):
    """Another program uses the readers' ports."""


@dataclass(slots=True)
class SmartCardService:
    """pcscd with two virtual readers: a card connects to `port` for the first, to `port + 1` for the second."""

    directory: Path
    port: int
    isolated: bool
    log: list[str] = field(default_factory=list, repr=False)
    # The names of the readers in which pcscd sees a card, from its log.
    occupied: set[str] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _reader: threading.Thread | None = field(default=None, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Returns the variables that a client needs before its first call."""
        return {_SOCKET: str(self.directory / "ipc" / "pcscd.comm")} if self.isolated else {}

    def start(self, *, readers: bool = True) -> None:
        """Starts pcscd; returns when clients can connect and see the readers. Raises SmartCardServiceFailed."""
        if self._process is not None:
            raise ValueError("the service is already running")
        self._write_configuration(readers)
        command = [_pcscd(), "--foreground", "--info", "--config", str(self.directory / "configuration")]
        if "--disable-polkit" in _options():
            command.append("--disable-polkit")
        if self.isolated:
            command = [*_namespace(), "sh", "-c", _IN_NAMESPACE, str(self.directory / "ipc"), *command]
        if command[0] != _SUDO[0]:
            # It must not outlive a killed test.
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
        """Stops this pcscd and no other; cards in its readers lose their connection."""
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
            # It runs as root, so this process may not signal it.
            pid = (self.directory / "ipc" / "pcscd.pid").read_text().strip("\0\n")
            subprocess.run([*_SUDO, "kill", f"-{number.value}", pid], check=False)

    def insert(self, card: VirtualCard) -> None:
        """Inserts the card into its reader; returns when every client sees it there."""
        reader = self._reader_of(card)
        card.insert()
        if self._wait_for(lambda: reader in self.occupied, _SOON):
            return
        # pcscd does not log a card that is in the reader at its first look. It does log the removal and the next
        # insertion.
        removals = self._count(_REMOVED + reader)
        card.pull()
        self._wait_for(lambda: self._count(_REMOVED + reader) > removals)
        card.insert()
        if not self._wait_for(lambda: reader in self.occupied):
            raise SmartCardServiceFailed("pcscd did not see the card that was inserted")

    def pull(self, card: VirtualCard) -> None:
        """Pulls the card, unless it is out already; returns when every client sees that.

        pcscd polls every 0.4 s; it would not notice a card that is inserted again before that.
        """
        card.pull()
        if not self._wait_for(lambda: self._reader_of(card) not in self.occupied):
            raise SmartCardServiceFailed("pcscd did not see that the card was pulled")

    def _wait_until_it_listens(self) -> None:
        # pcscd logs that it is ready just before it opens its socket, and nothing after that.
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

    def _logged(self, text: str) -> bool:
        return self._count(text) > 0

    def _count(self, text: str) -> int:
        return sum(text in line for line in self.log)

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
    """Runs the service until the block ends. Raises SmartCardServiceFailed where it cannot run."""
    with contextlib.ExitStack() as stack:
        isolated = bool(_namespace())
        if not isolated:
            stack.enter_context(_exclusive_use_of_machine())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toroku-pcscd-")))
        # Clients may run as another user.
        directory.chmod(0o755)
        for name in ("ipc", "configuration"):
            (directory / name).mkdir()
        service = SmartCardService(directory, _two_free_ports(), isolated)
        stack.callback(service.stop)
        try:
            service.start()
        except PortsTaken:
            # Another program took them after they were found free.
            service.port = _two_free_ports()
            service.start()
        yield service


@contextlib.contextmanager
def in_environment(service: SmartCardService) -> Iterator[None]:
    """Makes this process and its children clients of the service."""
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
    """Returns the command that creates a mount namespace; empty where none may be created."""
    of_a_user = ("unshare", "--map-root-user", "--mount")
    # Ubuntu restricts namespaces that users create; there sudo has to help, as for the set-up itself.
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
    # A user's PATH often lacks the folders of system programs.
    program = shutil.which("pcscd", path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")
    if program is None:
        raise SmartCardServiceFailed("pcscd is not installed: apt-get install pcscd vsmartcard-vpcd")
    return program


def _driver() -> Path:
    driver = next(Path("/usr/lib").glob("**/pcsc/drivers/serial/libifdvpcd.so"), None)
    if driver is None:
        raise SmartCardServiceFailed("the virtual reader is not installed: apt-get install vsmartcard-vpcd")
    return driver


@contextlib.contextmanager
def _exclusive_use_of_machine() -> Iterator[None]:
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
