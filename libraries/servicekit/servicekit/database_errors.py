"""Why a database can't be worked with, in words for the operator: what happened, and what to do about it."""

import re
from typing import NamedTuple

import psycopg
from psycopg_pool import PoolTimeout
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

# libpq gives no codes for a connection that fails, only words. Those of the server come in its own language
# (lc_messages); where it speaks another one than English, what it says is passed on as it is.
_KNOWN = (
    # What a database that is just being set up, started or failed over says too, so that it is worth waiting.
    # PostgreSQL does not tell a wrong password from a role that is not there yet.
    (
        True,
        "password authentication failed",
        "create the role, or mend the password in TOROKU_DATABASE or PGPASSWORD",
    ),
    (True, r'role ".*" does not exist', "create the role (docs/howto/databases.md)"),
    (True, "is not permitted to log in", "ALTER ROLE … LOGIN"),
    (True, r'database ".*" does not exist', "create the database, owned by the role (docs/howto/databases.md)"),
    (True, "permission denied for database", "make the role the database's owner, or GRANT CONNECT"),
    (True, "starting up|shutting down|in recovery", "it should pass by itself; else look at PostgreSQL's log"),
    (
        True,
        "too many clients|too many connections|connection slots",
        "raise max_connections, or run fewer replicas or smaller pools (docs/howto/databases.md)",
    ),
    # What no waiting mends.
    (
        False,
        "unsupported startup parameter",
        "this is a PgBouncer: a server needs TOROKU_DATABASE_POOLED=true, a worker or a migration the direct address",
    ),
    (False, "no password supplied", "give the password in TOROKU_DATABASE or by PGPASSWORD"),
    (
        False,
        "certificate verify failed|signature failure|root certificate file|does not match host name",
        "check sslmode and sslrootcert (PGSSLMODE, PGSSLROOTCERT), and the name in the database's certificate",
    ),
    (False, "does not support SSL", "switch TLS on in the database, or ask for less by sslmode (PGSSLMODE)"),
    (False, "no pg_hba.conf entry", "let the role in from here in the database's pg_hba.conf"),
    (
        True,
        "refused|could not translate|resolve|timeout|timed out|No such file|unreachable|No route|closed the connection",
        "check host and port, that the database runs, and that the network lets this process reach it",
    ),
)


class Diagnosis(NamedTuple):
    """What happened and what to do (`text`); `is_transient`: also seen while a database starts, so worth waiting."""

    is_transient: bool
    text: str


def diagnose(error: BaseException) -> Diagnosis:
    """Explains a failed connection to the operator. The text contains no password; libpq never quotes one."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = " ".join(str(cause).split()) or type(cause).__name__
    for passes, pattern, advice in _KNOWN:
        if re.search(pattern, said):
            return Diagnosis(passes, f"{said} [{advice}]")
    return Diagnosis(isinstance(cause, psycopg.OperationalError), said)


def is_unavailable(error: BaseException) -> bool:
    """Whether something failed because the database was not there for it: out of reach, just stopping or starting, or
    without a connection left; not because of what was asked. A commit that was cut off may have been made.
    """
    if isinstance(error, NoConnectionLeft | PoolTimeout):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.OperationalError):
        return False
    # Classes of SQLSTATE: connection exception, operator intervention, too_many_connections. None at all is libpq's.
    return cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P", "53300"))
