"""The newest sealed head of each registry's history."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from agency_sync.domain.feed import SealedHead
from servicekit.database_connection import Connection
from servicekit.statements import Statement

# A registry that was restored begins anew from an earlier position, so the newer of two heads is the one sealed later.
_REPLACE = Statement(
    text(
        """
        INSERT INTO history_heads AS kept (service, position, head, sealed_at)
        VALUES (:service, :position, :head, :sealed_at)
        ON CONFLICT (service) DO UPDATE
        SET position = excluded.position, head = excluded.head, sealed_at = excluded.sealed_at
        WHERE kept.sealed_at < excluded.sealed_at
        """
    )
)

_LIST = Statement(text("SELECT service, position, head, sealed_at FROM history_heads ORDER BY service"))


async def replace_head(connection: Connection, head: SealedHead) -> None:
    """Replaces the head of a service, unless one that was sealed later is kept."""
    await connection.change(
        _REPLACE, service=head.service, position=head.position, head=head.head, sealed_at=head.sealed_at
    )


async def list_heads(connection: Connection) -> Sequence[SealedHead]:
    """Returns the newest head of each service."""
    rows: list[Any] = await connection.fetch_rows(_LIST)
    return [SealedHead(row.service, row.position, row.head, row.sealed_at) for row in rows]
