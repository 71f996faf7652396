"""What every test can have: a real PostgreSQL with fresh databases in milliseconds, and one worker for the instance."""

import itertools
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling  # type: ignore[import-untyped]

from operator_command.launcher.postgresql import EmbeddedPostgreSQL, running_postgresql
from operator_command.launcher.processes import build_environment, python_command

ROLE = "tests"
_numbers = itertools.count(1)


# What takes longest and wants the whole machine: it begins first, and nothing of it runs beside the rest of it.
LONG = ("tests/deployment/containers/", "tests/acceptance/")


class ByInstance(LoadScopeScheduling):  # type: ignore[misc] # pytest-xdist leaves its scheduler untyped
    """Gives a worker a whole file, so that what its module sets up is set up once. One worker has all tests of
    containers, which share an engine and its images, and then all acceptance tests, which share a running instance.
    (`--dist loadgroup` would say that with marks, but pytest 9.2 ignores its groups.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return "long" if nodeid.startswith(LONG) else nodeid.partition("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByInstance:
    """Which worker runs what, where there are several."""
    config.option.loadscopereorder = False
    return ByInstance(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Brings what takes longest to the front; all else stays in its order."""
    ranks = {folder: rank for rank, folder in enumerate(LONG)}
    items.sort(key=lambda item: next((ranks[folder] for folder in LONG if item.nodeid.startswith(folder)), len(LONG)))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[EmbeddedPostgreSQL]:
    """One server for all tests of a worker; a crash of the machine may lose it."""
    # Not pytest's own folder: that one is closed to the user who runs PostgreSQL where the tests run as root.
    with tempfile.TemporaryDirectory(prefix="toroku-tests-") as folder:
        Path(folder).chmod(0o711)
        with running_postgresql(Path(folder) / "postgresql", durable=False) as server:
            server.provide_role(ROLE)
            yield server


@pytest.fixture
def database(postgresql: EmbeddedPostgreSQL) -> Iterator[str]:
    """The DSN of an empty database of its own, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    yield postgresql.provide_database(name, ROLE)
    postgresql.drop_database(name)


@pytest.fixture(scope="session")
def migrated_template(postgresql: EmbeddedPostgreSQL) -> Callable[[str], str]:
    """Gives the name of a database that `python -m <package> migrate` has made; once for each package."""
    made: dict[str, str] = {}

    def provide(package: str) -> str:
        if package not in made:
            template = f"template_{package}"
            dsn = postgresql.provide_database(template, ROLE)
            migrate = python_command(package, "migrate")
            done = subprocess.run(
                migrate, env=build_environment({"TOROKU_DATABASE": dsn}), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            made[package] = template
        return made[package]

    return provide


@pytest.fixture
def migrated_database(
    postgresql: EmbeddedPostgreSQL, migrated_template: Callable[[str], str]
) -> Iterator[Callable[[str], str]]:
    """`migrated_database("agency_sync")` gives the DSN of a fresh database with that service's tables, dropped
    afterwards."""
    names: list[str] = []

    def provide(package: str) -> str:
        template = migrated_template(package)
        names.append(f"test_{next(_numbers)}")
        return postgresql.provide_database(names[-1], ROLE, template=template)

    yield provide
    for name in names:
        postgresql.drop_database(name)
