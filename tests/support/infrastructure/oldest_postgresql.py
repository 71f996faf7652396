"""The oldest PostgreSQL that Toroku supports: Debian 12's, started as the launcher starts the embedded one."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from typing_extensions import override

from operator_command.launcher.postgresql import EmbeddedPostgreSQL
from servicekit.migration_session import OLDEST_POSTGRESQL


class OldestPostgreSQL(EmbeddedPostgreSQL):
    """A server of Debian's package postgresql-15; it has no built-in locales yet."""

    LOCALE: ClassVar[Sequence[str]] = ("--encoding=UTF8", "--locale=C.UTF-8")

    @override
    def find_binaries(self) -> Path:
        """Returns the package's folder, which is not on the path."""
        return Path(f"/usr/lib/postgresql/{OLDEST_POSTGRESQL}/bin")
