"""Committed registrations whose contacts never can become active."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert

from contact_notification.domain.staging import MissingContacts
from contact_notification.store.tables import registrations_without_contacts
from servicekit.database_connection import Connection
from servicekit.statements import Statement

_table = registrations_without_contacts
_certificates = func.unnest(bindparam("certificates", type_=ARRAY(LargeBinary)))
_request_ids = func.unnest(bindparam("request_ids", type_=ARRAY(Uuid)))

_RECORD = Statement(
    insert(_table)
    .from_select(
        ["certificate_sha256", "request_id", "registration_id", "reason"],
        select(
            _certificates,
            _request_ids,
            func.unnest(bindparam("registration_ids", type_=ARRAY(Uuid))),
            func.unnest(bindparam("reasons", type_=ARRAY(Text))),
        ),
    )
    .on_conflict_do_nothing()
    .returning(_table.c.registration_id, _table.c.reason)
)

_DELETE = Statement(
    delete(_table).where(
        tuple_(_table.c.certificate_sha256, _table.c.request_id).in_(select(_certificates, _request_ids))
    )
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


async def delete_missing(connection: Connection, requests: Collection[tuple[bytes, UUID]]) -> None:
    """Deletes the record of these requests, whose contacts have become active after all."""
    await connection.change(
        _DELETE,
        certificates=[certificate_sha256 for certificate_sha256, _ in requests],
        request_ids=[request_id for _, request_id in requests],
    )


async def count_missing(connection: Connection) -> Mapping[MissingContacts, int]:
    """Returns how many registrations have no contacts, by reason."""
    rows = await connection.fetch_rows(_COUNT)
    return dict.fromkeys(MissingContacts, 0) | {MissingContacts(name): count for name, count in rows}
