"""What certificate-registry must do: log-in, session, and the proof of the act."""

from benchmarks.floor.certificates import (
    challenge,
    log_in,
    read_session,
    read_session_and_standing,
    read_session_and_state,
    write_standing,
)
from benchmarks.floor.entries import (
    BIDDER,
    CARD,
    CERTIFICATES,
    CHANGE_ACT,
    CHANGE_LOG_IN,
    CHANGE_REQUEST,
    CHANGE_SESSION,
    Statement,
    change,
    reads,
)

_STANDING = write_standing(CARD, CHANGE_ACT, "change", CHANGE_REQUEST)
_MAY_CHANGE = Statement(
    "the card may not be good here any more, its bidder suspended, and a list newer than the validation", _STANDING
)
_SESSION_AND_STATE = read_session_and_state(CHANGE_SESSION, CARD)

IN_CERTIFICATES = (
    *log_in(CARD, CHANGE_LOG_IN, CHANGE_SESSION, "'change', 'sole'", _MAY_CHANGE),
    reads("what is registered: whose session", CERTIFICATES, _SESSION_AND_STATE),
    reads("form: whose session", CERTIFICATES, _SESSION_AND_STATE),
    reads("form: the act", CERTIFICATES, read_session_and_standing(CHANGE_SESSION, _MAY_CHANGE)),
    change("form: the act", CERTIFICATES, challenge(CHANGE_ACT, CARD)),
    reads("commit: whose session", CERTIFICATES, _SESSION_AND_STATE),
    change(
        "commit: prove the act",
        CERTIFICATES,
        Statement(
            "the session can't end before the transaction does, and acts of one card come one after the other",
            f"{read_session(CHANGE_SESSION).sql} FOR UPDATE",
        ),
        Statement(
            "the signed purpose is the one that was issued, nothing of the rest can have changed since the form, and "
            "the bidder can't be suspended meanwhile",
            # No row of an outer join can be locked.
            f"{_STANDING} WHERE EXISTS (SELECT FROM bidder_state "
            f"WHERE (bidder_id, category) = ({BIDDER}, 'works') FOR SHARE)",
        ),
        Statement(
            "the nonce is used up, and the session renewed",
            f"WITH used AS (UPDATE challenge SET used_at = now() WHERE nonce_sha256 = {CHANGE_ACT} AND used_at IS NULL)"
            f" UPDATE card_session SET last_used_at = now() WHERE token_sha256 = {CHANGE_SESSION}",
        ),
    ),
)
