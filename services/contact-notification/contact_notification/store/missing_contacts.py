"""Committed registrations whose contacts never can become active."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from contact_notification.domain.staging import MissingContacts
from contact_notification.store.tables import registrations_without_contacts
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_table = registrations_without_contacts

_RECORD = Statement(
    insert(_table)
    .from_select(
        ["certificate_sha256", "request_id", "registration_id", "reason"],
        select(
            func.unnest(bindparam("certificates", type_=ARRAY(LargeBinary))),
            func.unnest(bindparam("request_ids", type_=ARRAY(Uuid))),
            func.unnest(bindparam("registration_ids", type_=ARRAY(Uuid))),
            func.unnest(bindparam("reasons", type_=ARRAY(Text))),
        ),
    )
    .on_conflict_do_nothing()
    .returning(_table.c.registration_id, _table.c.reason)
)

_COUNT = Statement(select(_table.c.reason, func.count().label("number")).group_by(_table.c.reason))


async def record_missing(
    connection: Connection, missing: Mapping[tuple[bytes, UUID], tuple[UUID, MissingContacts]]
) -> Sequence[tuple[UUID, MissingContacts]]:
    """Records registrations without contacts, given by request as (registration id, why); returns those that are new.

    They are written in the order of the requests, so that transactions wait in turn.
    """
    requests = sorted(missing)
    rows = await connection.fetch_rows(
        _RECORD,
        certificates=[certificate_sha256 for certificate_sha256, _ in requests],
        request_ids=[request_id for _, request_id in requests],
        registration_ids=[missing[request][0] for request in requests],
        reasons=[missing[request][1] for request in requests],
    )
    return [(registration_id, MissingContacts(reason)) for registration_id, reason in rows]


async def count_missing(connection: Connection) -> Mapping[MissingContacts, int]:
    """Returns how many registrations have no contacts, by reason."""
    rows = await connection.fetch_rows(_COUNT)
    return dict.fromkeys(MissingContacts, 0) | {MissingContacts(name): count for name, count in rows}
