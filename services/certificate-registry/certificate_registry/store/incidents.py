"""What went wrong for contractors, for a help desk."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from certificate_registry.domain.incident import Incident
from certificate_registry.store.tables import incident
from servicekit.database_connection import Connection
from servicekit.deletion import write_deletion
from servicekit.statements import Statement, bind_columns

_ADD = Statement(
    insert(incident)
    .values(
        **bind_columns(
            "incident_id",
            "inquiry_number",
            "happened_at",
            "reported_by",
            "operation",
            "step",
            "agency",
            "category",
            "certificate_sha256",
            "bidder_id",
            "reason",
            "metadata",
            "fields",
        )
    )
    .on_conflict_do_nothing()
)
_DELETE_OLD = write_deletion(incident, incident.c.happened_at < bindparam("before"), oldest=incident.c.happened_at)


async def add_incidents(connection: Connection, incidents: Sequence[Incident]) -> None:
    """Keeps incidents; those that are kept already stay as they are."""
    for kept in incidents:
        await connection.change(
            _ADD,
            incident_id=kept.incident_id,
            inquiry_number=kept.inquiry_number,
            happened_at=kept.happened_at,
            reported_by=kept.reported_by,
            operation=kept.operation,
            step=kept.step,
            agency=kept.agency,
            category=kept.category,
            certificate_sha256=kept.certificate_sha256,
            bidder_id=kept.bidder_id,
            reason=kept.reason,
            metadata=dict(kept.metadata),
            fields=dict(kept.fields),
        )


async def delete_incidents(connection: Connection, *, before: datetime, most: int) -> int:
    """Deletes at most `most` incidents that happened before this instant; returns how many."""
    return await connection.change(_DELETE_OLD, before=before, most=most)
