"""What certificate-registry must do: two log-ins, two acts, the commit, and the jobs that tell others."""

from benchmarks.floor.certificates import (
    challenge,
    history,
    log_in,
    number_states,
    read_session,
    read_session_and_standing,
    read_session_and_state,
    send_notices,
    tell_consumers,
    write_standing,
)
from benchmarks.floor.entries import (
    BIDDER,
    CARD,
    CERTIFICATES,
    NEW_ACT,
    NEW_CARD,
    NEW_LOG_IN,
    NEW_SESSION,
    OLD_ACT,
    OLD_LOG_IN,
    OLD_SESSION,
    RENEWAL,
    RENEWAL_NOTICE,
    RENEWAL_REQUEST,
    SECOND_RENEWAL_NOTICE,
    Statement,
    change,
    enqueue,
    reads,
)

_BOTH = f"{CARD}, {NEW_CARD}"
_OF_OLD = Statement(
    "the old card may not be good here any more, its bidder suspended, and a list newer than the validation",
    write_standing(CARD, OLD_ACT, "renew", RENEWAL_REQUEST),
)
_OF_NEW = Statement(
    "the new card may be another bidder's or registered here, the request made before, and a list newer than the "
    "validation",
    write_standing(NEW_CARD, NEW_ACT, "renew", RENEWAL_REQUEST),
)
_OLD_SESSION_AND_STATE = read_session_and_state(OLD_SESSION, CARD)
_NEW_SESSION = read_session(NEW_SESSION)
_OLD_MAY_BE_RENEWED = read_session_and_standing(OLD_SESSION, _OF_OLD)
_NEW_MAY_RENEW = read_session_and_standing(NEW_SESSION, _OF_NEW)


def _replace_old_card(agencies: str) -> str:
    """Returns the statements that replace the old card at these agencies, and close its binding after the last one."""
    return (
        f"replaced AS (UPDATE registration SET state = 'replaced', reason = 'renewal', replaced_by = {NEW_CARD} "
        f"WHERE (certificate_sha256, category) = ({CARD}, 'works') AND state = 'good' AND {agencies}), "
        "closed AS (UPDATE binding SET ended_at = now(), ended_as = 'closed', ended_because = 'renewal' "
        f"WHERE (certificate_sha256, category) = ({CARD}, 'works') AND ended_at IS NULL AND NOT EXISTS ("
        f"SELECT FROM registration other WHERE (other.certificate_sha256, other.category) = ({CARD}, 'works') "
        f"AND other.state IN ('good', 'suspended') AND NOT {agencies}))"
    )


_REPLACE_HERE = _replace_old_card("agency = 'agency 1'")
_REPLACE_ELSEWHERE = _replace_old_card("agency <> 'agency 1'")

IN_CERTIFICATES = (
    *log_in(CARD, OLD_LOG_IN, OLD_SESSION, "'renewal', 'old'", _OF_OLD),
    reads("old card's act: whose session", CERTIFICATES, _OLD_SESSION_AND_STATE),
    reads("old card's act", CERTIFICATES, _OLD_MAY_BE_RENEWED),
    change("old card's act", CERTIFICATES, challenge(OLD_ACT, CARD)),
    *log_in(NEW_CARD, NEW_LOG_IN, NEW_SESSION, "'renewal', 'new'", _OF_NEW),
    reads("form: whose sessions", CERTIFICATES, _OLD_SESSION_AND_STATE, _NEW_SESSION),
    reads(
        "form: the act",
        CERTIFICATES,
        Statement(
            f"both cards are held against each other: {_OF_OLD.why}; {_OF_NEW.why}",
            f"SELECT * FROM ({_OLD_MAY_BE_RENEWED.sql}) old UNION ALL SELECT * FROM ({_NEW_MAY_RENEW.sql}) new",
        ),
    ),
    change("form: the act", CERTIFICATES, challenge(NEW_ACT, NEW_CARD)),
    reads("commit: whose sessions", CERTIFICATES, _OLD_SESSION_AND_STATE, _NEW_SESSION),
    change(
        "commit",
        CERTIFICATES,
        Statement(
            "neither session can end before the transaction does, and attempts of either card come one after the other",
            "SELECT s.*, now() AS at, c.* FROM card_session s JOIN card c USING (certificate_sha256) "
            f"WHERE s.token_sha256 IN ({OLD_SESSION}, {NEW_SESSION}) ORDER BY c.certificate_sha256 FOR UPDATE",
        ),
        Statement(
            "both signed purposes are those that were issued, nothing of the rest can have changed since the form, and "
            "the bidder can't be suspended meanwhile",
            # No row of an outer join can be locked.
            f"{_OF_OLD.sql} WHERE EXISTS (SELECT FROM bidder_state WHERE (bidder_id, category) = ({BIDDER}, 'works') "
            f"FOR SHARE) UNION ALL {_OF_NEW.sql}",
        ),
        Statement(
            "both nonces are used up, the old card's session ends, and the same request again gives the same renewal",
            "WITH used AS (UPDATE challenge SET used_at = now() "
            f"WHERE nonce_sha256 IN ({OLD_ACT}, {NEW_ACT}) AND used_at IS NULL), "
            f"renewed AS (UPDATE card_session SET last_used_at = now() WHERE token_sha256 = {NEW_SESSION}), "
            f"ended AS (UPDATE card_session SET ended_at = now() WHERE token_sha256 = {OLD_SESSION}) "
            "INSERT INTO request_outcome (certificate_sha256, method, request_id, payload_sha256, request_sha256, "
            f"registration_id, category, agency, recorded_at) VALUES ({NEW_CARD}, 'renew', {RENEWAL_REQUEST}, "
            f"{NEW_ACT}, {NEW_ACT}, {RENEWAL}, 'works', 'agency 1', now())",
        ),
        history("renewed", _BOTH, RENEWAL_REQUEST, NEW_ACT),
        Statement(
            "the new card takes the old one's place here, with its two notices, each sent once by its id, and the "
            "numbers of both states that consumers keep",
            f"WITH {_REPLACE_HERE}, bound AS (INSERT INTO binding (certificate_sha256, "
            "category, number, bidder_id, began_at, began_because, password_proven, company, holder) VALUES "
            f"({NEW_CARD}, 'works', 1, {BIDDER}, now(), 'renewal', true, 'same', 'not compared')), registered AS "
            "(INSERT INTO registration (certificate_sha256, category, agency, binding_number, registration_id, "
            f"bidder_id, registered_at, origin, predecessor) VALUES ({NEW_CARD}, 'works', 'agency 1', 1, {RENEWAL}, "
            f"{BIDDER}, now(), 'renewal', {CARD})), noticed AS (INSERT INTO notice (notice_id, kind, registration_id, "
            f"history_number, written_at) SELECT *, {RENEWAL}, currval('history_entry_number_seq'), now() FROM (VALUES "
            f"({RENEWAL_NOTICE}, 'renewal'), ({SECOND_RENEWAL_NOTICE}, 'renewal notice')) AS of_act) "
            f"{number_states(_BOTH)}",
        ),
        enqueue("two consumers and the notices: these jobs exist if and only if the renewal does", 3),
    ),
    *tell_consumers("the renewal", [CARD, NEW_CARD]),
    *send_notices(RENEWAL_NOTICE, SECOND_RENEWAL_NOTICE),
    change(
        "propagate",
        CERTIFICATES,
        Statement(
            "attempts of either card come one after the other",
            "SELECT FROM card WHERE certificate_sha256 IN (SELECT unnest(ARRAY[r.certificate_sha256, r.predecessor]) "
            "FROM request_outcome o JOIN registration r USING (registration_id) "
            f"WHERE o.registration_id = {RENEWAL}) ORDER BY certificate_sha256 FOR UPDATE",
        ),
        Statement(
            "the new card takes the old one's place wherever that is good, and the numbers of both states that "
            "consumers keep; what another attempt did is read only where this one did nothing",
            f"WITH {_REPLACE_ELSEWHERE}, made AS (INSERT INTO registration (certificate_sha256, "
            "category, agency, binding_number, registration_id, bidder_id, registered_at, origin, predecessor) "
            f"SELECT {NEW_CARD}, 'works', old.agency, 1, gen_random_uuid(), old.bidder_id, now(), 'propagation', "
            f"{CARD} FROM registration old WHERE (old.certificate_sha256, old.category) = ({CARD}, 'works') "
            "AND old.state = 'good' ON CONFLICT DO NOTHING RETURNING registration_id, agency), "
            f"numbered AS ({number_states(_BOTH)}) SELECT * FROM made",
        ),
        history("propagated", _BOTH, RENEWAL_REQUEST, NEW_ACT),
        enqueue("two consumers", 2),
    ),
    *tell_consumers("the propagation", [CARD, NEW_CARD]),
)
