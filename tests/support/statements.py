"""The statements that services send to their databases, for tests that count them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.abc import Query


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collects the statements of the block, of all connections: no BEGIN, COMMIT, ping or COPY."""
    statements: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def count(cursor: Any, query: Query, *arguments: Any, **options: Any) -> Any:
        statement = query.decode() if isinstance(query, bytes) else str(query)
        if statement and not statement.startswith("BEGIN"):
            statements.append(statement)
        return await execute(cursor, query, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.AsyncCursor, "execute", count)
        yield statements
