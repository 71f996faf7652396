"""What the history says was done to a card, or to an officer (LIF-05)."""

from enum import StrEnum


class HistoryAction(StrEnum):
    """The words of an entry's `what`."""

    REGISTERED = "registered"
    PROPAGATED = "propagated"
    # Of the new card, and of the old one whose place it took.
    RENEWED = "renewed"
    REPLACED = "replaced"
    REVOKED = "revoked"
    REVOCATION_LIFTED = "revocation lifted"
    DISTRUSTED = "no longer trusted"
    TRUSTED_AGAIN = "trusted again"
    SUSPENDED = "card suspended"
    SUSPENSION_CONFIRMED = "card suspension confirmed"
    SUSPENSION_LAPSED = "card suspension lapsed"
    RESUMED = "card resumed"
    BINDING_UNDONE = "binding undone"
    REGISTRATION_REOPENED = "registration reopened"
    RENEWAL_REVERSED = "renewal reversed"
    PREDECESSOR_LINKED = "predecessor linked"
    OFFICER_INVITED = "officer invited"
    INVITATION_CANCELLED = "invitation cancelled"
    INVITATION_ACCEPTED = "invitation accepted"
    OFFICER_CONFIRMED = "officer confirmed"
    ROLE_GRANTED = "role granted"
    ROLE_WITHDRAWN = "role withdrawn"
    OFFICERS_WITHDRAWN = "officers withdrawn"
    OFFICER_SESSIONS_ENDED = "officer sessions ended"
