"""The statements of chosen sessions, as a real server logs them."""

import re
from collections.abc import Sequence

from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from operator_command.launcher.postgresql import EmbeddedPostgreSQL

_LOGGED = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)")


class StatementLog:
    """The statements of the sessions that are opened with `dsn`, and of no others."""

    def __init__(self, server: EmbeddedPostgreSQL, dsn: str) -> None:
        with server.connect() as connection:
            role = sql.Identifier(str(conninfo_to_dict(dsn)["user"]))
            connection.execute(sql.SQL("GRANT SET ON PARAMETER log_statement TO {}").format(role))
        self.dsn = make_conninfo(dsn, options="-c log_statement=all")
        self._log = server.log
        self.forget()

    def forget(self) -> None:
        """Forgets the statements so far."""
        self._begin = self._log.stat().st_size

    def read(self) -> Sequence[str]:
        """Returns the statements since then, without those that only ask whether the server is there."""
        with self._log.open("rb") as log:
            log.seek(self._begin)
            statements = _LOGGED.findall(log.read().decode())
        return [statement.strip() for statement in statements if statement.strip()]
