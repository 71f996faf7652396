"""What a change (変更) MUST do: the reviewed list that `python -m benchmarks change` holds it against.

It is one change of the contact of a registered card, which counts at all agencies at once, with the mail about it: its
statements by service, and the calls of ours. `benchmarks/floor` says what such a list is.
"""

from benchmarks.change_floor.agency_sync import IN_PROPAGATIONS
from benchmarks.change_floor.calls import CALLS
from benchmarks.change_floor.certificate_registry import IN_CERTIFICATES
from benchmarks.change_floor.contact_notification import IN_CONTACTS
from benchmarks.change_floor.qualification_registry import IN_QUALIFICATIONS
from benchmarks.floor.entries import Floor
from benchmarks.registration_floor import REGISTRATION

CHANGE = Floor(
    operation="a change",
    steps=(*IN_CERTIFICATES, *IN_QUALIFICATIONS, *IN_CONTACTS, *IN_PROPAGATIONS),
    calls=CALLS,
    # That of the registration, some seconds before.
    validations=0,
    verifications=0,
    # Log-in and act.
    card_signatures=2,
    # The proof of the act, by which contact-notification commits.
    statements_signed=1,
    statements_verified=1,
    after=REGISTRATION,
)
