"""The embedded PostgreSQL: its isolation, its access, and the effects of killed processes."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from operator_command.launcher.postgresql import LONGEST_SOCKET_FOLDER, EmbeddedPostgreSQL, running_postgresql
from operator_command.launcher.unprivileged_user import owner_of_database_files
from refusals import Refusal

# Starts a server, prints that it is ready and its process id, and runs forever.
LAUNCHER = """
import sys, time
from pathlib import Path
from operator_command.launcher.postgresql import running_postgresql
with running_postgresql(Path(sys.argv[1]), durable=False) as server:
    print(server.pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    # pytest's folders have mode 0700: where the tests run as root, the server's user cannot enter them.
    return tmp_path / "postgresql"


@pytest.fixture
def launcher(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A launcher that runs as a process, and the process id of its server."""
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until(holds: Callable[[], bool], what: str, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def write_row(server: EmbeddedPostgreSQL) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (7)")


def test_data_survive_a_restart(folder: Path) -> None:
    with running_postgresql(folder) as server:
        write_row(server)
    with running_postgresql(folder) as server, server.connect() as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_server_uses_utf8_utc_and_code_point_order(postgresql: EmbeddedPostgreSQL) -> None:
    with postgresql.connect() as connection:
        for setting, value in (("server_encoding", "UTF8"), ("TimeZone", "UTC"), ("data_checksums", "on")):
            assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (value,)
        words = connection.execute("SELECT w FROM unnest(ARRAY['髙', 'b', 'A', '高', 'ア']) w ORDER BY w").fetchall()
        assert [word for (word,) in words] == ["A", "b", "ア", "高", "髙"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_the_server_as_another_user_in_a_closed_folder(folder: Path) -> None:
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    with running_postgresql(folder, durable=False) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
    owner = owner_of_database_files()
    assert owner is not None
    assert f"Uid:\t{owner[0]}\t{owner[0]}\t{owner[0]}\t{owner[0]}" in status
    rights = next(line for line in status.splitlines() if line.startswith("CapPrm"))
    # Of root's capabilities only CAP_DAC_READ_SEARCH (bit 2) is left, not CAP_DAC_OVERRIDE (bit 1).
    assert int(rights.split()[1], 16) in (1 << 2, 1 << 1)


def test_other_users_cannot_read_data_or_passwords(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        with server.connect() as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            found = connection.execute("SHOW unix_socket_directories").fetchone()
        assert found is not None
        for path in (folder / "home", folder / "home" / "data", Path(str(found[0]))):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        for path in (folder / "passwords.json", server.log):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not (folder / "home" / "password").exists()


def test_wrong_password_is_refused(postgresql: EmbeddedPostgreSQL, database: str) -> None:
    user, _, rest = database.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user}x@{rest}")


def test_role_can_connect_to_its_own_database_only(postgresql: EmbeddedPostgreSQL) -> None:
    for name in ("first_service", "second_service"):
        postgresql.provide_role(name)
        dsn = postgresql.provide_database(name, name)
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE own (value int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgresql.dsn("first_service", "second_service"))


def test_concurrently_created_roles_keep_their_passwords(postgresql: EmbeddedPostgreSQL) -> None:
    roles = [f"side_by_side_{number}" for number in range(16)]
    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(postgresql.provide_role, roles))
    for role in roles:
        with psycopg.connect(postgresql.dsn("postgres", role)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)


def test_password_is_not_logged_by_the_server(folder: Path) -> None:
    with running_postgresql(folder, durable=False, settings={"log_statement": "all"}) as server:
        server.provide_role("somebody")
        password = server.dsn("db", "somebody").split(":")[2].split("@")[0]
    log = server.log.read_text()
    assert "SCRAM-SHA-256$" in log
    assert password not in log


def test_second_launcher_on_the_same_folder_is_refused(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        with pytest.raises(Refusal) as refused:
            EmbeddedPostgreSQL(folder).start()
        assert refused.value.reason == "STATE_IN_USE"
        with server.connect():
            pass


def test_killed_server_restarts_with_all_committed_data(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        write_row(server)
        server.kill()
        server.start()
        server.wait_until_ready()
        with server.connect() as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_server_ends_when_its_launcher_is_killed(launcher: tuple[subprocess.Popen[str], int]) -> None:
    process, server = launcher
    assert runs(server)
    process.kill()
    until(lambda: not runs(server), "the server ended after its launcher was killed")


def test_stale_server_is_ended_before_the_next_one(folder: Path, launcher: tuple[subprocess.Popen[str], int]) -> None:
    process, leftover = launcher
    # A stopped server cannot end with its launcher, and still exists when the next launcher starts.
    os.kill(leftover, signal.SIGSTOP)
    process.kill()
    process.wait()
    thaw = threading.Timer(0.3, os.kill, (leftover, signal.SIGCONT))
    thaw.start()
    with running_postgresql(folder, durable=False) as fresh:
        assert fresh.pid != leftover
        assert not runs(leftover)
    thaw.join()


def test_reused_process_id_does_not_prevent_the_start(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        server.kill()
        pid_file = folder / "home" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        # Another process of PostgreSQL's user, which only an inspection distinguishes from a server.
        owner = owner_of_database_files()
        user = {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}
        stranger = subprocess.Popen(["sleep", "60"], **user)  # type: ignore[call-overload]
        try:
            pid_file.write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
            server.start()
            server.wait_until_ready()
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()


def test_socket_of_a_deep_folder_is_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST_SOCKET_FOLDER)
    with running_postgresql(deep, durable=False) as server:
        with server.connect() as connection:
            found = connection.execute("SHOW unix_socket_directories").fetchone()
        assert found is not None
        elsewhere = Path(str(found[0]))
        assert not elsewhere.is_relative_to(tmp_path)
    assert not elsewhere.exists()


def test_interrupted_initdb_is_repeated(folder: Path) -> None:
    half = folder / "home" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with running_postgresql(folder, durable=False) as server, server.connect():
        assert not half.exists()


def test_failed_start_quotes_the_server(folder: Path) -> None:
    server = EmbeddedPostgreSQL(folder, durable=False, settings={"shared_buffers": "nonsense"})
    server.start()
    with pytest.raises(Refusal) as refused:
        server.wait_until_ready()
    assert refused.value.reason == "POSTGRESQL_NOT_STARTED"
    assert "shared_buffers" in refused.value.metadata["cause"]
