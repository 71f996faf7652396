"""The services that the front door calls; they take and return domain types, and their refusals pass through.

`certificate_registry`    cards, sessions, acts, registrations
`card_renewals`           certificate-registry's renewals
`qualification_registry`  bidders and company profiles
`contact_notification`    contacts
`agency_sync`             propagations
"""

from collections.abc import Callable

# Returns how many seconds a peer may take, asked again before every call.
SecondsLeft = Callable[[], float]
