"""What a process imports: in an interpreter of its own, since this one has imported everything."""

import subprocess
import sys

import pytest

DRIVERS = {"psycopg", "psycopg_pool", "sqlalchemy", "procrastinate", "alembic"}
# Imported only where spans are sent: the SDK, its exporter, and what they bring along.
EXPORTERS = {"opentelemetry.sdk", "opentelemetry.exporter", "psutil"}


# Of SQLAlchemy only what writes statements.
ENGINES = {"sqlalchemy.orm", "sqlalchemy.ext", "greenlet"}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("front_door.commands.serve", DRIVERS | EXPORTERS),
        ("certificate_registry.commands.serve", {"procrastinate", "alembic", "aiohttp", *ENGINES} | EXPORTERS),
        ("certificate_registry.commands.worker", {"alembic", *ENGINES} | EXPORTERS),
    ],
)
def test_process_imports_only_what_it_needs(module: str, unwanted: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert module in imported.split()
    assert unwanted & set(imported.split()) == set()
