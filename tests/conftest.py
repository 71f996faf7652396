"""Fixtures for all tests: a real PostgreSQL with fresh databases; and the distribution of tests over workers."""

import itertools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]  # comes without types

from operator_command.launcher.postgresql import EmbeddedPostgreSQL, running_postgresql
from operator_command.launcher.processes import build_environment, build_python_command
from tests.support.infrastructure.oldest_postgresql import OldestPostgreSQL

ROLE = "tests"
# The fixtures of the two servers between which everything is supported.
NEWEST, OLDEST = "newest_postgresql", "oldest_postgresql"
_numbers = itertools.count(1)


# The longest tests: they start first. Those of containers share an engine and its images, and with the acceptance tests
# a worker; those of crashes have an instance of their own, in another one.
LONG = ("tests/deployment/containers/", "tests/acceptance/")
CRASHES = "tests/acceptance/test_crashes"
# Workers that several instances leave room for in memory.
MOST_WORKERS = 5


class ByInstance(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist leaves its scheduler untyped
    """Assigns whole files to workers, so that module fixtures are set up once.

    One worker gets all tests of containers, which share an engine and its images, and then all acceptance tests but
    those of crashes, which share a running instance. (`--dist loadgroup` could express that with marks, but pytest 9.2
    ignores its groups.)
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(CRASHES):
            return "crashes"
        return "long" if nodeid.startswith(LONG) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Returns one worker more than processors: tests wait for a quarter of their time."""
    return min(len(os.sched_getaffinity(0)) + 1, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByInstance:
    """Returns the scheduler where there are several workers."""
    config.option.loadscopereorder = False
    return ByInstance(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Moves the longest tests to the front; the others keep their order."""
    ranks = {begin: rank for rank, begin in enumerate((CRASHES, *LONG))}
    items.sort(
        key=lambda item: min((rank for begin, rank in ranks.items() if item.nodeid.startswith(begin)), default=9)
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options: the oldest server for all tests, for a change of much SQL; and transcripts written anew."""
    parser.addoption("--oldest-postgresql", action="store_true", help="run every test on the oldest supported server")
    parser.addoption(
        "--write-transcripts", action="store_true", help="write the transcripts of the pages in docs/howto"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests with the mark `every_postgresql` on the newest server and on the oldest one."""
    is_marked = metafunc.definition.get_closest_marker("every_postgresql") is not None
    if is_marked and "postgresql" in metafunc.fixturenames:
        metafunc.parametrize("postgresql", [NEWEST, OLDEST], indirect=True)


@pytest.fixture(scope="session")
def newest_postgresql() -> Iterator[EmbeddedPostgreSQL]:
    """The newest supported server, one for all tests of a worker; not durable."""
    with _own_folder() as folder, running_postgresql(folder / "postgresql", durable=False) as server:
        server.provide_role(ROLE)
        yield server


@pytest.fixture(scope="session")
def oldest_postgresql() -> Iterator[EmbeddedPostgreSQL]:
    """The oldest supported server, one for all tests of a worker; not durable."""
    with _own_folder() as folder:
        server = OldestPostgreSQL(folder / "postgresql", durable=False)
        server.start()
        try:
            server.wait_until_ready()
            server.provide_role(ROLE)
            yield server
        finally:
            server.stop()


@contextmanager
def _own_folder() -> Iterator[Path]:
    # Not pytest's folder, which the user who runs PostgreSQL cannot enter where the tests run as root.
    with tempfile.TemporaryDirectory(prefix="toroku-tests-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture
def postgresql(request: pytest.FixtureRequest) -> EmbeddedPostgreSQL:
    """The server of this test: the newest one, unless the test's mark or the command line ask for the oldest."""
    usual = OLDEST if request.config.getoption("--oldest-postgresql") else NEWEST
    server: EmbeddedPostgreSQL = request.getfixturevalue(getattr(request, "param", usual))
    return server


@pytest.fixture
def database(postgresql: EmbeddedPostgreSQL) -> Iterator[str]:
    """The DSN of an empty database, dropped after the test."""
    name = f"test_{next(_numbers)}"
    yield postgresql.provide_database(name, ROLE)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def migrated_template() -> Callable[[EmbeddedPostgreSQL, str], str]:
    """A function that returns the name of a server's database migrated by `python -m <package> migrate`.

    There is one of each package on each server.
    """
    templates: dict[tuple[EmbeddedPostgreSQL, str], str] = {}

    def provide(server: EmbeddedPostgreSQL, package: str) -> str:
        if (server, package) not in templates:
            template = f"template_{package}"
            dsn = server.provide_database(template, ROLE)
            migrate = build_python_command(package, "migrate")
            process = subprocess.run(
                migrate, env=build_environment({"TOROKU_DATABASE": dsn}), capture_output=True, text=True, check=False
            )
            assert process.returncode == 0, process.stderr
            templates[server, package] = template
        return templates[server, package]

    return provide


@pytest.fixture
def migrated_database(
    postgresql: EmbeddedPostgreSQL, migrated_template: Callable[[EmbeddedPostgreSQL, str], str]
) -> Iterator[Callable[[str], str]]:
    """A function: `migrated_database("agency_sync")` returns the DSN of a fresh database with that service's tables.

    The databases are dropped after the test.
    """
    names: list[str] = []

    def provide(package: str) -> str:
        template = migrated_template(postgresql, package)
        names.append(f"test_{next(_numbers)}")
        return postgresql.provide_database(names[-1], ROLE, template=template)

    yield provide
    for name in names:
        postgresql.drop_database(name)
