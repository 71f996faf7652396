"""What a registration MUST do: the reviewed list that `python -m benchmarks registration` holds it against.

Not what it happens to do. Whoever adds an entry says in `why` what would be lost without it; whoever makes one
unnecessary deletes it. The list is one registration of a new card of a new bidder, with all jobs that follow it:

- certificate_registry, qualification_registry, contact_notification, agency_sync: the statements of each service, by
  step. A change is one transaction that writes; one with several statements has a BEGIN and a COMMIT, which are round
  trips of their own. `benchmarks/floor_run.py` runs them by pgbench: `:n` is another number for each registration,
  `:bidder` a bidder of the roster, `:agencies` the number of agencies. What an agency costs is a row more, and never a
  statement more.
- calls: the calls of ours.
- the numbers below: argon2, certificate paths, signatures of cards and of bidder proofs.
- entries: what an entry says; cost: what one costs.
"""

from benchmarks.registration_floor.agency_sync import IN_PROPAGATIONS
from benchmarks.registration_floor.certificate_registry import IN_CERTIFICATES
from benchmarks.registration_floor.contact_notification import IN_CONTACTS
from benchmarks.registration_floor.qualification_registry import IN_QUALIFICATIONS

VERIFICATIONS = 1
# The first one; what follows rests on it for as long as certificate, chain and lists are the same.
VALIDATIONS = 1
# Log-in and act.
CARD_SIGNATURES = 2
# The bidder proof is made by the search and at both confirmations. It is verified before each confirmation, before the
# form, and with the act and the commit.
PROOFS_SIGNED, PROOFS_VERIFIED = 3, 5

STEPS = (*IN_CERTIFICATES, *IN_QUALIFICATIONS, *IN_CONTACTS, *IN_PROPAGATIONS)
