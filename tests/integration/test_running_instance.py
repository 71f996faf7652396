"""A whole instance on one machine: start, supervision, stop and kill. Its services are stand-ins, the rest is real."""

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiosmtplib
import psycopg
import pytest

from operator_command.launcher.inbox import read_messages
from operator_command.launcher.instance import Instance, running_instance
from operator_command.launcher.processes import Process, make_health_check
from operator_command.topology import SERVICES
from refusals import Refusal
from tests.support.japanese_text import find_other_language

STAND_IN = "tests.support.infrastructure.stand_in_service"
STAND_INS = tuple(
    dataclasses.replace(service, package=STAND_IN)
    for service in SERVICES
    if service.name in ("certificate-registry", "user-lookup", "front-door")
)
# `toroku up` with stand-ins instead of the services.
UP = """
import asyncio, sys
from pathlib import Path
from operator_command.console import console, exit_on_refusal
from operator_command.launcher.instance import running_instance
from operator_command.launcher.up import run_until_stopped
from tests.integration.test_running_instance import STAND_IN, STAND_INS
profile, state, wish = Path(sys.argv[1]), Path(sys.argv[2]), {"TOROKU_STAND_IN": sys.argv[3]}
with exit_on_refusal():
    stand_ins = {"services": STAND_INS, "migrating": STAND_IN, "further_settings": wish, "prepares_officers": False}
    starting = running_instance(profile, state, durable=False, **stand_ins)
    asyncio.run(run_until_stopped(starting, console))
"""


@pytest.fixture
def profile() -> Path:
    return Path("profiles/saitama.yaml")


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not holds():
            await asyncio.sleep(0.02)


def started(profile: Path, tmp_path: Path, wish: str = "") -> contextlib.AbstractAsyncContextManager[Instance]:
    further = {"TOROKU_STAND_IN": wish} if wish else {}
    return running_instance(
        profile,
        tmp_path / "state",
        durable=False,
        services=STAND_INS,
        migrating=STAND_IN,
        further_settings=further,
        prepares_officers=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could be led to change another user's files")
async def test_root_starts_nothing_in_the_folder_of_another_user(profile: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 12345, -1)
    with pytest.raises(Refusal) as refused:
        async with started(profile, tmp_path):
            pass
    assert refused.value.reason == "STATE_OF_ANOTHER_USER"
    assert list(state.iterdir()) == []


async def test_all_processes_run_inside_the_block_and_none_afterwards(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        pids = [instance.postgresql.pid, *(process.pid for process in instance.processes)]
        # Three servers, one worker, the inbox, and PostgreSQL.
        assert len(pids) == 6
        assert all(map(runs, pids))
        for name, running in instance.services.items():
            assert await make_health_check(instance.addresses.of(name, "health"))()
            assert (running.worker is None) == (name != "certificate-registry")
            assert (running.database is None) == (name == "front-door")
    assert not any(map(runs, pids))
    assert all(process.status == 0 for process in instance.processes)


async def test_database_is_migrated_by_the_role_of_its_service(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        database = instance.services["certificate-registry"].database
        assert database is not None
        with psycopg.connect(database) as connection:
            found = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'migrated'").fetchone()
            assert found == ("certificate_registry",)


async def test_lookups_have_a_role_that_reads_the_registrys_database(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        database = instance.services["user-lookup"].database
        assert database is not None
        with psycopg.connect(database, autocommit=True) as connection:
            found = connection.execute("SELECT current_user, current_database(), count(*) FROM migrated").fetchone()
            assert found == ("user_lookup", "certificate_registry", 1)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("INSERT INTO migrated DEFAULT VALUES")


async def test_second_start_keeps_data_addresses_and_certificates(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as first:
        pass
    async with started(profile, tmp_path) as second:
        assert second.addresses == first.addresses
        assert second.certificates == first.certificates
        database = second.services["certificate-registry"].database
        assert database is not None
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*) FROM migrated").fetchone() == (2,)


async def test_killed_service_is_restarted_at_the_same_address(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        server = instance.services["certificate-registry"].server
        before = server.pid
        server.kill()
        assert server.status == -signal.SIGKILL
        server.start()
        await server.wait_until_ready()
        assert server.pid != before
        await server.restart()
        assert await make_health_check(instance.addresses.of("certificate-registry", "health"))()


@pytest.mark.parametrize(
    ("wish", "service"),
    [("fail", "front-door|certificate-registry"), ("fail-migrate", "migrations")],
)
async def test_failed_start_names_service_cause_and_log(profile: Path, tmp_path: Path, wish: str, service: str) -> None:
    with pytest.raises(Refusal) as refused:
        async with started(profile, tmp_path, wish):
            pytest.fail("it must not start")
    assert refused.value.reason == "SERVICE_NOT_STARTED"
    assert re.fullmatch(service, refused.value.metadata["service"])
    assert "asked to fail" in refused.value.metadata["cause"]
    assert Path(refused.value.metadata["log"]).is_file()
    # No process still uses the state.
    async with started(profile, tmp_path):
        pass


async def test_second_instance_in_the_same_state_is_refused(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        with pytest.raises(Refusal, match="STATE_IN_USE"):
            async with started(profile, tmp_path):
                pytest.fail("it must not start")
        assert all(process.status is None for process in instance.processes)


async def test_service_that_ignores_the_stop_is_killed(tmp_path: Path, profile: Path) -> None:
    async with started(profile, tmp_path) as instance:
        address = instance.addresses.of("front-door", "health")
        await instance.services["front-door"].server.stop()
        deaf = Process(
            "deaf",
            [sys.executable, "-m", "tests.support.infrastructure.stand_in_service", "serve"],
            environment={"TOROKU_HEALTH_LISTEN": address, "TOROKU_STAND_IN": "deaf"},
            log=tmp_path / "deaf.log",
            ready=make_health_check(address),
        )
        deaf.start()
        await deaf.wait_until_ready()
        assert await deaf.stop(within=0.2) == -signal.SIGKILL


async def test_sent_mail_is_kept_in_the_inbox(profile: Path, tmp_path: Path) -> None:
    async with started(profile, tmp_path) as instance:
        host, port = instance.addresses.inbox
        await aiosmtplib.send(
            b"Subject: notice\r\n\r\ntext", sender="a@example.jp", recipients=["b@example.jp"], hostname=host, port=port
        )
        assert [message["Subject"] for message in read_messages(instance.inbox)] == ["notice"]


@pytest.fixture
def up(profile: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    running: list[subprocess.Popen[str]] = []

    def start(wish: str = "", locale: str = "C.UTF-8") -> subprocess.Popen[str]:
        running.append(
            subprocess.Popen(
                [sys.executable, "-c", UP, str(profile), str(tmp_path / "state"), wish],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "LC_ALL": locale},
            )
        )
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    read = ""
    while text not in read:
        line = process.stdout.readline()
        assert line, read
        read += line
    return read


def children(pid: int) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # State and parent follow the name, which is in brackets and may contain anything.
            if int((process / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_prints_how_to_call_the_instance_and_stops_on_request(
    up: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    process = up()
    # This profile names no CA whose cards could be registered.
    said = read_until(process, "docs/howto/add-a-certificate-authority.md")
    assert "NO CARD CAN BE REGISTERED HERE" in said
    assert re.search(r"front door \(TLS\)\s+127\.0\.0\.1:\d+", said)
    assert "toroku call --state" in said
    started_by_it = children(process.pid)
    assert len(started_by_it) == 6
    process.send_signal(number)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
    assert out.splitlines()[-1] == "stopped"
    assert not any(map(runs, started_by_it))


@pytest.mark.parametrize(
    ("locale", "cause"),
    [
        ("C.UTF-8", "certificate-registry worker stopped unexpectedly (exit status 0)"),
        ("ja_JP.UTF-8", "certificate-registry workerが停止しました"),
    ],
)
def test_up_ends_with_the_cause_when_a_service_fails(
    up: Callable[..., subprocess.Popen[str]], locale: str, cause: str
) -> None:
    process = up("worker-dies", locale)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert cause in error
    assert find_other_language(error, "en" if locale == "C.UTF-8" else "ja") == []


async def test_no_process_outlives_a_killed_launcher(up: Callable[..., subprocess.Popen[str]]) -> None:
    process = up()
    read_until(process, "may be called")
    started_by_it = children(process.pid)
    assert len(started_by_it) == 6
    process.kill()
    await until(lambda: not any(map(runs, started_by_it)))


def test_stop_during_the_start_stops_all_started_processes(
    up: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = up()
    deadline = time.monotonic() + 20
    while not (tmp_path / "state" / "addresses.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    started_by_it = children(process.pid)
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (0, "")
    assert out.splitlines()[-1] == "stopped"
    assert not any(map(runs, started_by_it))
    assert list((tmp_path / "state" / "logs").iterdir())
