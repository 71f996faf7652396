"""What a renewal (ICカード更新) MUST do: the reviewed list that `python -m benchmarks renewal` holds it against.

It is one renewal of a card by a new one, at its agency and at all others where the old card is good, with all jobs that
follow it: its statements by service, and the calls of ours. `benchmarks/floor` says what such a list is.
"""

from benchmarks.floor.entries import Floor
from benchmarks.registration_floor import REGISTRATION
from benchmarks.renewal_floor.agency_sync import IN_PROPAGATIONS
from benchmarks.renewal_floor.calls import CALLS
from benchmarks.renewal_floor.certificate_registry import IN_CERTIFICATES
from benchmarks.renewal_floor.contact_notification import IN_CONTACTS
from benchmarks.renewal_floor.qualification_registry import IN_QUALIFICATIONS

RENEWAL = Floor(
    operation="a renewal",
    steps=(*IN_CERTIFICATES, *IN_QUALIFICATIONS, *IN_CONTACTS, *IN_PROPAGATIONS),
    calls=CALLS,
    # Of the new card; that of the old one was made at its registration, some seconds before.
    validations=1,
    # Nobody is asked for a password: the old card proves the bidder.
    verifications=0,
    # Log-in and act of both cards.
    card_signatures=4,
    # The bidder proof is made before the form and before the commit, each of which verifies it. The key that ties both
    # acts together signs the new card, and its signature is verified.
    statements_signed=3,
    statements_verified=3,
    after=REGISTRATION,
)
