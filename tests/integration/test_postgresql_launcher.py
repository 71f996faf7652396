"""The embedded PostgreSQL: its user, its reachability, and its behaviour when launcher or server is killed."""

import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from operator_command.launcher.postgresql import LONGEST_SOCKET_FOLDER, EmbeddedPostgreSQL, running_postgresql
from operator_command.launcher.unprivileged_user import find_database_owner
from refusals import Refusal

# Starts a server, prints its process id when it is ready, and runs for ever.
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
    # pytest's folders are 0700: if the tests run as root, the server's user cannot traverse them without help.
    return tmp_path / "postgresql"


@pytest.fixture
def launcher(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A launcher in a process of its own, and the process id of its server."""
    process = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until(condition: Callable[[], bool], description: str, within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"still not: {description}"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def write_row(server: EmbeddedPostgreSQL) -> None:
    with server.connect() as connection:
        connection.execute("CREATE TABLE item (value int)")
        connection.execute("INSERT INTO item VALUES (7)")


def test_row_survives_a_restart(folder: Path) -> None:
    with running_postgresql(folder) as server:
        write_row(server)
    with running_postgresql(folder) as server, server.connect() as connection:
        assert connection.execute("SELECT value FROM item").fetchone() == (7,)


def test_server_uses_utf8_and_utc_and_sorts_by_code_point(postgresql: EmbeddedPostgreSQL) -> None:
    with postgresql.connect() as connection:
        for setting, value in (("server_encoding", "UTF8"), ("TimeZone", "UTC"), ("data_checksums", "on")):
            assert connection.execute("SELECT current_setting(%s)", [setting]).fetchone() == (value,)
        words = connection.execute("SELECT w FROM unnest(ARRAY['髙', 'b', 'A', '高', 'ア']) w ORDER BY w").fetchall()
        assert [word for (word,) in words] == ["A", "b", "ア", "高", "髙"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as another user")
def test_root_runs_the_server_as_another_user_in_a_closed_folder(folder: Path) -> None:
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    with running_postgresql(folder, durable=False) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
    owner = find_database_owner()
    assert owner is not None
    assert f"Uid:\t{owner[0]}\t{owner[0]}\t{owner[0]}\t{owner[0]}" in status
    capabilities = next(line for line in status.splitlines() if line.startswith("CapPrm"))
    # The only remaining capability is to enter folders (CAP_DAC_READ_SEARCH is bit 2, CAP_DAC_OVERRIDE bit 1).
    assert int(capabilities.split()[1], 16) in (1 << 2, 1 << 1)


def test_data_and_passwords_are_private(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        with server.connect() as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
            row = connection.execute("SHOW unix_socket_directories").fetchone()
        assert row is not None
        for path in (folder / "home", folder / "home" / "data", Path(str(row[0]))):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        for path in (folder / "passwords.json", server.log):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not (folder / "home" / "password").exists()


only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led to change another user's files")


def link_as_database_user(folder: Path, name: str, target: Path) -> None:
    """Puts a link into the database's folder, as whoever controls its user can."""
    owner = find_database_owner()
    assert owner is not None
    folder.mkdir(parents=True, exist_ok=True)
    if not (home := folder / "home").exists():
        home.mkdir(mode=0o700)
        os.chown(home, *owner)
    (home / name).symlink_to(target)
    os.chown(home / name, *owner, follow_symlinks=False)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder whose socket has its place inside, however deep pytest's folders are."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "pg"


@only_root
@pytest.mark.parametrize("name", ["socket", "data", "data.new", "password"])
def test_link_in_the_databases_folder_leads_root_nowhere(short_folder: Path, tmp_path: Path, name: str) -> None:
    folder = short_folder
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    (victim / "postmaster.pid").write_text("1\n")
    link_as_database_user(folder, name, victim)
    before = (victim.stat(), (victim / "postmaster.pid").stat())
    if name in ("socket", "data"):
        with pytest.raises(Refusal) as refused, running_postgresql(folder, durable=False):
            pass
        assert refused.value.reason == "STATE_OF_ANOTHER_USER"
    else:
        with running_postgresql(folder, durable=False) as server, server.connect():
            pass
    if name != "data.new":
        assert (folder / "home" / name).is_symlink()
    assert [path.name for path in victim.iterdir()] == ["postmaster.pid"]
    after = (victim.stat(), (victim / "postmaster.pid").stat())
    assert [(one.st_uid, one.st_gid, one.st_mode) for one in after] == [
        (one.st_uid, one.st_gid, one.st_mode) for one in before
    ]


@only_root
def test_linked_process_id_file_is_not_removed_elsewhere(folder: Path, tmp_path: Path) -> None:
    with running_postgresql(folder, durable=False):
        pass
    victim = tmp_path / "victim"
    victim.write_text("1\n")
    link_as_database_user(folder, "data/postmaster.pid", victim)
    with running_postgresql(folder, durable=False) as server, server.connect():
        pass
    assert victim.read_text() == "1\n"


@only_root
def test_process_id_file_that_never_ends_does_not_stop_the_start(folder: Path) -> None:
    with running_postgresql(folder, durable=False):
        pass
    os.mkfifo(folder / "home" / "data" / "postmaster.pid")
    with running_postgresql(folder, durable=False) as server, server.connect():
        pass


@only_root
@pytest.mark.parametrize("open_to", ["another owner", "all"])
def test_folder_that_another_user_can_change_is_refused(folder: Path, open_to: str) -> None:
    folder.mkdir()
    if open_to == "all":
        folder.chmod(0o777)
    else:
        os.chown(folder, 12345, -1)
    with pytest.raises(Refusal) as refused:
        EmbeddedPostgreSQL(folder, durable=False).start()
    assert refused.value.reason == "STATE_OF_ANOTHER_USER"
    assert list(folder.iterdir()) == []


@only_root
def test_folder_of_a_third_user_is_not_given_to_the_database(folder: Path) -> None:
    (folder / "home").mkdir(parents=True)
    os.chown(folder / "home", 12345, -1)
    with pytest.raises(Refusal) as refused:
        EmbeddedPostgreSQL(folder, durable=False).start()
    assert refused.value.reason == "STATE_OF_ANOTHER_USER"
    assert (folder / "home").stat().st_uid == 12345


@only_root
def test_process_of_another_user_in_the_data_folder_goes_on(folder: Path) -> None:
    with running_postgresql(folder, durable=False):
        pass
    with subprocess.Popen(["sleep", "60"], cwd=folder / "home" / "data") as process:
        with running_postgresql(folder, durable=False):
            assert process.poll() is None
        process.kill()


def test_password_of_the_administrator_is_in_no_file_of_the_database(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        password = server.dsn("postgres", "toroku_administrator").split(":")[2].split("@")[0].encode()
        files = [file for file in (folder / "home").rglob("*") if file.is_file()]
        assert files
        assert not [file for file in files if password in file.read_bytes()]


def test_wrong_password_is_refused(database: str) -> None:
    user, _, rest = database.partition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{user}x@{rest}")


def test_role_reaches_only_its_own_database(postgresql: EmbeddedPostgreSQL) -> None:
    for name in ("first_service", "second_service"):
        postgresql.provide_role(name)
        dsn = postgresql.provide_database(name, name)
        with psycopg.connect(dsn) as connection:
            connection.execute("CREATE TABLE own (value int)")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(postgresql.dsn("first_service", "second_service"))


def test_concurrently_created_roles_keep_their_passwords(postgresql: EmbeddedPostgreSQL) -> None:
    roles = [f"concurrent_{number}" for number in range(16)]
    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(postgresql.provide_role, roles))
    for role in roles:
        with psycopg.connect(postgresql.dsn("postgres", role)) as connection:
            assert connection.execute("SELECT current_user").fetchone() == (role,)


def test_server_log_does_not_contain_the_password(folder: Path) -> None:
    with running_postgresql(folder, durable=False, settings={"log_statement": "all"}) as server:
        server.provide_role("some_role")
        password = server.dsn("db", "some_role").split(":")[2].split("@")[0]
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


def test_killed_server_restarts_with_the_committed_data(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        write_row(server)
        server.kill()
        server.start()
        server.wait_until_ready()
        with server.connect() as connection:
            assert connection.execute("SELECT value FROM item").fetchone() == (7,)


def test_server_ends_when_its_launcher_is_killed(launcher: tuple[subprocess.Popen[str], int]) -> None:
    process, server = launcher
    assert is_running(server)
    process.kill()
    wait_until(lambda: not is_running(server), "the server ended after its launcher was killed")


def test_stale_server_is_ended_before_the_next_start(folder: Path, launcher: tuple[subprocess.Popen[str], int]) -> None:
    process, stale = launcher
    # While it is stopped, it cannot end with its launcher, and is there when the next launcher starts.
    os.kill(stale, signal.SIGSTOP)
    process.kill()
    process.wait()
    resume = threading.Timer(0.3, os.kill, (stale, signal.SIGCONT))
    resume.start()
    with running_postgresql(folder, durable=False) as new_server:
        assert new_server.pid != stale
        assert not is_running(stale)
    resume.join()


def test_reused_process_id_does_not_prevent_the_start(folder: Path) -> None:
    with running_postgresql(folder, durable=False) as server:
        server.kill()
        pid_file = folder / "home" / "data" / "postmaster.pid"
        lines = pid_file.read_text().splitlines(keepends=True)
        # A process of the server's user, so that its owner does not tell it from a server.
        owner = find_database_owner()
        user = {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}
        other_process = subprocess.Popen(["sleep", "60"], **user)  # type: ignore[call-overload]  # keyword arguments from a dict
        try:
            pid_file.write_text("".join([f"{other_process.pid}\n", *lines[1:]]))
            server.start()
            server.wait_until_ready()
            assert other_process.poll() is None
        finally:
            other_process.kill()
            other_process.wait()


def test_deep_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * LONGEST_SOCKET_FOLDER)
    with running_postgresql(deep, durable=False) as server:
        with server.connect() as connection:
            row = connection.execute("SHOW unix_socket_directories").fetchone()
        assert row is not None
        socket_folder = Path(str(row[0]))
        assert not socket_folder.is_relative_to(tmp_path)
    assert not socket_folder.exists()


def test_interrupted_initdb_is_repeated(folder: Path) -> None:
    with running_postgresql(folder, durable=False):
        pass
    new_data = folder / "home" / "data.new"
    (folder / "home" / "data").rename(new_data)
    with running_postgresql(folder, durable=False) as server, server.connect():
        assert not new_data.exists()


def test_failed_start_reports_the_end_of_the_log(folder: Path) -> None:
    server = EmbeddedPostgreSQL(folder, durable=False, settings={"shared_buffers": "nonsense"})
    server.start()
    with pytest.raises(Refusal) as refused:
        server.wait_until_ready()
    assert refused.value.reason == "POSTGRESQL_NOT_STARTED"
    assert "shared_buffers" in refused.value.metadata["cause"]
