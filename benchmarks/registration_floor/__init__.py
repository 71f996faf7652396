"""What a registration MUST do: the reviewed list that `python -m benchmarks registration` holds it against.

It is one registration of a new card of a new bidder, with all jobs that follow it: its statements by service, and the
calls of ours. `benchmarks/floor` says what such a list is.
"""

from benchmarks.floor.entries import Floor
from benchmarks.registration_floor.agency_sync import IN_PROPAGATIONS
from benchmarks.registration_floor.calls import CALLS
from benchmarks.registration_floor.certificate_registry import IN_CERTIFICATES
from benchmarks.registration_floor.contact_notification import IN_CONTACTS
from benchmarks.registration_floor.qualification_registry import IN_QUALIFICATIONS

REGISTRATION = Floor(
    operation="a registration",
    steps=(*IN_CERTIFICATES, *IN_QUALIFICATIONS, *IN_CONTACTS, *IN_PROPAGATIONS),
    calls=CALLS,
    validations=1,
    verifications=1,
    # Log-in and act.
    card_signatures=2,
    # The bidder proof is made by the search and at both confirmations. It is verified before each confirmation, before
    # the form, and with the act and the commit.
    statements_signed=3,
    statements_verified=5,
)
