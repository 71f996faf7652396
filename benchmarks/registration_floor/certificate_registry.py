"""What certificate-registry must do: log-in, search, form, commit, and the jobs that tell others."""

from benchmarks.floor.certificates import (
    challenge,
    history,
    log_in,
    number_states,
    read_session,
    read_session_and_standing,
    send_notices,
    tell_consumers,
    write_standing,
)
from benchmarks.floor.entries import (
    ACT,
    BIDDER,
    CARD,
    CERTIFICATES,
    LOG_IN,
    NOTICE,
    REGISTRATION,
    REQUEST,
    SECOND_NOTICE,
    SESSION,
    Statement,
    change,
    enqueue,
    reads,
)

_SESSION = read_session(SESSION)
_STANDING = write_standing(CARD, ACT, "register", REQUEST)
_MAY_REGISTER = Statement(
    "the card may be another bidder's or registered here, the bidder suspended, the request made or abandoned before, "
    "and a list newer than the validation",
    _STANDING,
)
_SESSION_MAY_REGISTER = read_session_and_standing(SESSION, _MAY_REGISTER)

IN_CERTIFICATES = (
    *log_in(CARD, LOG_IN, SESSION, "'registration', 'sole'", _MAY_REGISTER),
    reads("search: whose session", CERTIFICATES, _SESSION),
    reads("search: may the card become this bidder's", CERTIFICATES, _SESSION_MAY_REGISTER),
    reads("form: whose session", CERTIFICATES, _SESSION),
    reads("form: the act", CERTIFICATES, _SESSION_MAY_REGISTER),
    change("form: the act", CERTIFICATES, challenge(ACT, CARD)),
    reads("commit: whose session", CERTIFICATES, _SESSION),
    change(
        "commit",
        CERTIFICATES,
        Statement(
            "the session can't end before the transaction does, and attempts of one card come one after the other",
            f"{_SESSION.sql} FOR UPDATE",
        ),
        Statement(
            "the signed purpose is the one that was issued, nothing of the rest can have changed since the form, and "
            "the bidder can't be suspended meanwhile",
            # No row of an outer join can be locked.
            f"{_STANDING} WHERE EXISTS (SELECT FROM bidder_state "
            f"WHERE (bidder_id, category) = ({BIDDER}, 'works') FOR SHARE)",
        ),
        Statement(
            "the nonce is used up, the session renewed, and the same request again gives the same registration",
            f"WITH used AS (UPDATE challenge SET used_at = now() WHERE nonce_sha256 = {ACT} AND used_at IS NULL), "
            f"renewed AS (UPDATE card_session SET last_used_at = now() WHERE token_sha256 = {SESSION}) "
            "INSERT INTO request_outcome (certificate_sha256, method, request_id, payload_sha256, request_sha256, "
            f"registration_id, category, agency, recorded_at) VALUES ({CARD}, 'register', {REQUEST}, {ACT}, {ACT}, "
            f"{REGISTRATION}, 'works', 'agency 1', now()) ON CONFLICT DO NOTHING",
        ),
        history("registered", CARD, REQUEST, ACT),
        Statement(
            "the binding, the registration, its two notices, each sent once by its id, and the number of the state "
            "that consumers keep",
            "WITH bound AS (INSERT INTO binding (certificate_sha256, category, number, bidder_id, began_at, "
            f"began_because, password_proven, company, holder) VALUES ({CARD}, 'works', 1, {BIDDER}, now(), "
            "'registration', true, 'same', 'not compared')), registered AS (INSERT INTO registration "
            "(certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at, origin) "
            f"VALUES ({CARD}, 'works', 'agency 1', 1, {REGISTRATION}, {BIDDER}, now(), 'contractor')), noticed AS "
            "(INSERT INTO notice (notice_id, kind, registration_id, history_number, written_at) SELECT *, "
            f"{REGISTRATION}, currval('history_entry_number_seq'), now() FROM (VALUES ({NOTICE}, 'registration'), "
            f"({SECOND_NOTICE}, 'registration notice')) AS of_act) {number_states(CARD)}",
        ),
        enqueue("two consumers and the notices: these jobs exist if and only if the registration does", 3),
    ),
    *tell_consumers("the registration", [CARD]),
    *send_notices(NOTICE, SECOND_NOTICE),
    change(
        "propagate",
        CERTIFICATES,
        Statement(
            "attempts of one card come one after the other",
            f"SELECT FROM card WHERE certificate_sha256 IN (SELECT certificate_sha256 FROM request_outcome "
            f"WHERE registration_id = {REGISTRATION}) ORDER BY certificate_sha256 FOR UPDATE",
        ),
        Statement(
            "the registrations at the other agencies, of cards that still stand, and the number of the state that "
            "consumers keep; what another attempt made is read only where this one did not",
            "WITH made AS (INSERT INTO registration (certificate_sha256, category, agency, binding_number, "
            "registration_id, bidder_id, registered_at, origin) "
            "SELECT o.certificate_sha256, o.category, 'agency ' || a, b.number, "
            "gen_random_uuid(), b.bidder_id, now(), 'propagation' FROM request_outcome o "
            "JOIN binding b USING (certificate_sha256, category) "
            "CROSS JOIN generate_series(2, (:agencies)::integer) a "
            f"WHERE o.registration_id = {REGISTRATION} AND b.ended_at IS NULL ON CONFLICT DO NOTHING "
            f"RETURNING registration_id, agency), numbered AS ({number_states(CARD)}) SELECT * FROM made",
        ),
        history("propagated", CARD, REQUEST, ACT),
        enqueue("two consumers", 2),
    ),
    *tell_consumers("the propagation", [CARD]),
)
