"""Migrates the databases of several services in one process: `python -m servicekit.migrate_together migrate`.

For whoever has all of them at hand, as the launcher on one machine: what takes long is to import Alembic. An image has
one service only, and its command `migrate` is that service's.
"""

from pydantic import Json

from servicekit import migrations, program
from servicekit.exceptions import CommandFailed
from servicekit.settings import EnvironmentSettings, MigrationSettings


class TogetherSettings(EnvironmentSettings):
    """The databases to migrate."""

    # The address of each service's database by the name of its package, as a JSON object. Never shown: they have
    # passwords.
    databases: Json[dict[str, str]]


def migrate() -> None:
    """Migrates one database after the other, as `python -m <package> migrate` does."""
    for package, address in TogetherSettings.read().databases.items():
        migrations.migrate(MigrationSettings(database=address), package)


if __name__ == "__main__":
    program.run("migrations", {"migrate": migrate}, mistakes=CommandFailed)
