"""Committed registrations whose contacts never can become active."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from sqlalchemy import LargeBinary, Text, Uuid, delete, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.staging import MissingContacts
from contact_notification.store.tables import registrations_without_contacts


async def record_missing(
    connection: AsyncConnection, missing: Mapping[tuple[bytes, UUID], tuple[UUID, MissingContacts]]
) -> Sequence[tuple[UUID, MissingContacts]]:
    """Records registrations without contacts, given by request as (registration id, why); returns those that are new.

    They are written in the order of the requests, so that transactions wait in turn.
    """
    requests = sorted(missing)
    columns = {
        "certificate_sha256": literal([certificate_sha256 for certificate_sha256, _ in requests], ARRAY(LargeBinary)),
        "request_id": literal([request_id for _, request_id in requests], ARRAY(Uuid)),
        "registration_id": literal([missing[request][0] for request in requests], ARRAY(Uuid)),
        "reason": literal([missing[request][1] for request in requests], ARRAY(Text)),
    }
    rows = await connection.execute(
        insert(registrations_without_contacts)
        .from_select([*columns], select(*(func.unnest(values) for values in columns.values())))
        .on_conflict_do_nothing()
        .returning(registrations_without_contacts.c.registration_id, registrations_without_contacts.c.reason)
    )
    return [(registration_id, MissingContacts(reason)) for registration_id, reason in rows]


async def delete_missing(connection: AsyncConnection, requests: Collection[tuple[bytes, UUID]]) -> None:
    """Deletes the record of these requests, whose contacts have become active after all."""
    table = registrations_without_contacts.c
    active = select(
        func.unnest(literal([certificate_sha256 for certificate_sha256, _ in requests], ARRAY(LargeBinary))),
        func.unnest(literal([request_id for _, request_id in requests], ARRAY(Uuid))),
    )
    await connection.execute(
        delete(registrations_without_contacts).where(tuple_(table.certificate_sha256, table.request_id).in_(active))
    )


async def count_missing(connection: AsyncConnection) -> Mapping[MissingContacts, int]:
    """Returns how many registrations have no contacts, by reason."""
    reason = registrations_without_contacts.c.reason
    rows = await connection.execute(select(reason, func.count()).group_by(reason))
    return dict.fromkeys(MissingContacts, 0) | {MissingContacts(name): count for name, count in rows}
