"""Registrations, the newest version of each."""

from sqlalchemy.ext.asyncio import AsyncConnection

from contact_notification.domain.registration import RegistrationEvent
from contact_notification.store.tables import registrations
from servicekit.newest import insert_newest


async def record_registration(connection: AsyncConnection, event: RegistrationEvent) -> bool:
    """Writes a registration unless the same or a higher version is kept; returns whether it was written.

    Its row stays locked until the caller's transaction ends.
    """
    registration = event.registration
    return await insert_newest(
        connection,
        registrations,
        {"registration_id": registration.registration_id},
        {
            "agency": registration.agency,
            "category": registration.category,
            "certificate_sha256": registration.certificate_sha256,
            "bidder_id": registration.bidder_id,
            "registered_at": registration.registered_at,
            "card_serial": event.card_serial,
        },
        registration.version,
    )
