"""Diagnosis of database failures for the operator: the cause and the remedy."""

import re
from typing import NamedTuple

import psycopg

from refusals import Code, Refusal
from servicekit.failures import Failure

# libpq has no codes for failed connections, only messages. Those of the server are in its language (lc_messages);
# messages in another language than English are passed on unchanged.
_KNOWN = (
    # A file that is being replaced, or mounted, may be missing for a moment.
    (
        True,
        "no password can be read from the file",
        "write the password of the database's role into the file that TOROKU_DATABASE_PASSWORD_FILE names",
    ),
    # A database that is being set up, started or failed over reports these too, so waiting is worthwhile. PostgreSQL
    # does not distinguish a wrong password from a role that does not exist yet.
    (
        True,
        "password authentication failed",
        "create the role, or make its password and the one in TOROKU_DATABASE_PASSWORD_FILE (TOROKU_DATABASE) the same",
    ),
    (True, r'role ".*" does not exist', "create the role (docs/howto/databases.md)"),
    (True, "is not permitted to log in", "ALTER ROLE … LOGIN"),
    (True, r'database ".*" does not exist', "create the database, owned by the role (docs/howto/databases.md)"),
    (True, "permission denied for database", "make the role the database's owner, or GRANT CONNECT"),
    (True, "starting up|shutting down|in recovery", "this should pass; if it does not, see PostgreSQL's log"),
    (
        True,
        "too many clients|too many connections|connection slots",
        "raise max_connections, or run fewer replicas or smaller pools (docs/howto/databases.md)",
    ),
    # Waiting does not help against these.
    (
        False,
        "unsupported startup parameter",
        "this is a PgBouncer: a server needs TOROKU_DATABASE_POOLED=true, a worker or a migration the direct address",
    ),
    (False, "no password supplied", "give the password in a file that TOROKU_DATABASE_PASSWORD_FILE names"),
    (
        False,
        "certificate verify failed|signature failure|root certificate file|does not match host name",
        "check sslmode and sslrootcert (PGSSLMODE, PGSSLROOTCERT), and the name in the database's certificate",
    ),
    (False, "does not support SSL", "enable TLS in the database, or require less by sslmode (PGSSLMODE)"),
    (False, "no pg_hba.conf entry", "allow the role from here in the database's pg_hba.conf"),
    (
        True,
        "refused|could not translate|resolve|timeout|timed out|No such file|unreachable|No route|closed the connection",
        "check host and port, that the database runs, and that the network lets this process reach it",
    ),
)

# The SQLSTATE class of data exceptions, whose primary message quotes the value.
_ABOUT_A_VALUE = "22"


class Diagnosis(NamedTuple):
    """Cause and remedy (`text`); `is_transient`: it also occurs while a database starts, so waiting is worthwhile."""

    is_transient: bool
    text: str


def diagnose(error: BaseException) -> Diagnosis:
    """Returns the diagnosis of a failed connection. The text contains no password; libpq never quotes one."""
    message = " ".join(str(error).split()) or type(error).__name__
    for is_transient, pattern, advice in _KNOWN:
        if re.search(pattern, message):
            return Diagnosis(is_transient, f"{message} [{advice}]")
    return Diagnosis(isinstance(error, psycopg.OperationalError), message)


def is_unavailable(error: BaseException) -> bool:
    """Returns whether the database was unavailable: out of reach, stopping or starting, or without a free connection.

    False where the statement itself failed. After an interrupted commit it is unknown whether it took effect.
    """
    if not isinstance(error, psycopg.OperationalError):
        return False
    # SQLSTATE: connection exception, operator intervention, too_many_connections. An error of libpq has none.
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P", "53300"))


def find_unavailability(error: psycopg.OperationalError) -> Failure | None:
    """Returns the failure DATABASE_UNAVAILABLE where the database was unavailable (`is_unavailable`)."""
    if not is_unavailable(error):
        return None
    refusal = Refusal("DATABASE_UNAVAILABLE", Code.UNAVAILABLE)
    return Failure(refusal, f"the database is unavailable: {diagnose(error).text}")


def write_without_values(error: psycopg.Error) -> str:
    """Returns PostgreSQL's message without DETAIL, CONTEXT and LINE, and without the sentence if it quotes a value."""
    state = error.sqlstate
    if state is None:
        return str(error)
    sentence = "" if state.startswith(_ABOUT_A_VALUE) else (error.diag.message_primary or "")
    names = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    return " ".join(part for part in (sentence, f"[{state}]", *names) if part)
