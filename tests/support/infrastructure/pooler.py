"""A real PgBouncer in transaction mode in front of the tests' PostgreSQL, as a deployment may have one."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from operator_command.launcher.unprivileged_user import find_database_owner, make_parent_death_prefix

# Fewer than callers, so that a client's transactions run on connections that others have just used.
MOST_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Pooler:
    """A running pooler for one database; `dsn` is the address through it."""

    dsn: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running_pooler(direct: str, *, most_connections: int = MOST_CONNECTIONS, ignores: str = "") -> Iterator[Pooler]:
    """Pools connections to the database at a direct address, at most `most_connections`, until the block ends.

    A startup parameter that PgBouncer does not know is refused, unless `ignores` names it. Server connections are used
    in turn, so that state left in a session is missing in the client's next transaction.
    """
    program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    assert program is not None, "pgbouncer is missing: `python3 tools/set_up.py test` installs it"
    given = conninfo_to_dict(direct)
    with tempfile.TemporaryDirectory(prefix="toroku-pooler-") as name, socket.socket() as chosen:
        folder = Path(name)
        chosen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
        chosen.close()
        # PgBouncer needs the plain password to use SCRAM on both sides.
        (folder / "users").write_text(f'"{given["user"]}" "{given["password"]}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"""[databases]
* = host={given["host"]} port={given.get("port", 5432)}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {most_connections}
max_db_connections = {most_connections}
server_round_robin = 1
ignore_startup_parameters = {ignores}
max_client_conn = 200
server_login_retry = 1
"""
        )
        # PostgreSQL's socket is closed to others, and PgBouncer refuses to run as root.
        owner = find_database_owner()
        become: tuple[str, ...] = ()
        if owner is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, *owner)
            become = ("--reuid", str(owner[0]), "--regid", str(owner[1]), "--clear-groups")
        leash = make_parent_death_prefix("TERM")
        assert leash or not become, "setpriv is missing, which lets root start a program as another user"
        words = (*leash, *become, "--") if leash else ()
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([*words, program, str(folder / "pgbouncer.ini")], stdout=output, stderr=output)
        user, password = quote(str(given["user"])), quote(str(given["password"]))
        pooler = Pooler(f"postgresql://{user}:{password}@127.0.0.1:{port}/{given['dbname']}", process, log)
        try:
            _wait_until_it_answers(pooler)
            yield pooler
        finally:
            process.terminate()
            process.wait(10)


def _wait_until_it_answers(pooler: Pooler) -> None:
    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(pooler.dsn):
            return
        assert pooler.process.poll() is None, pooler.log.read_text(errors="replace")
        assert time.monotonic() < deadline, pooler.log.read_text(errors="replace")
        time.sleep(0.02)
