"""Which failures mean that the database is unavailable, so that the caller may retry."""

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from servicekit.database_errors import is_unavailable


@pytest.mark.parametrize(
    "error",
    [
        psycopg.OperationalError("connection refused"),
        errors.AdminShutdown("terminating connection due to administrator command"),
        errors.CannotConnectNow("the database system is starting up"),
        errors.TooManyConnections("too many connections"),
        PoolTimeout("no connection within 5 s"),
        errors.ConnectionFailure("server closed the connection"),
    ],
)
def test_unreachable_database_is_unavailable(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize(
    "error",
    [
        errors.QueryCanceled("canceling statement due to statement timeout"),
        errors.DiskFull("no space left on device"),
        errors.UniqueViolation("duplicate key"),
        ValueError("not of the database at all"),
    ],
)
def test_failed_statement_does_not_mean_unavailable(error: Exception) -> None:
    assert not is_unavailable(error)
