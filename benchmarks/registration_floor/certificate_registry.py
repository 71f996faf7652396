"""What certificate-registry must do: log-in, search, form, commit, and the jobs that tell others."""

from benchmarks.registration_floor.entries import (
    ACT,
    BIDDER,
    CARD,
    CERTIFICATES,
    DER,
    LOG_IN,
    NOTICE,
    REGISTRATION,
    REQUEST,
    SECOND_NOTICE,
    SESSION,
    Statement,
    change,
    enqueue,
    job,
    reads,
)

_LISTS = Statement("any newer list ends what was validated before", "SELECT now() AS at, scope, sha256 FROM crl")
_SESSION = Statement(
    "the card that holds the session, and its place",
    "SELECT s.operation, s.agency, s.category, s.read_only, s.opened_at, s.last_used_at, s.ended_at, now() AS at, c.* "
    f"FROM card_session s JOIN card c USING (certificate_sha256) WHERE s.token_sha256 = {SESSION}",
)
_STANDING = (
    "SELECT b.number, b.bidder_id, b.ended_as, r.state, cs.suspended_because, bidder.status, o.*, "
    "(SELECT array_agg(sha256) FROM crl) AS lists "
    f"FROM (SELECT {CARD} AS card) key "
    "LEFT JOIN LATERAL (SELECT * FROM binding WHERE certificate_sha256 = key.card AND category = 'works' "
    "ORDER BY number DESC LIMIT 1) b ON true "
    "LEFT JOIN registration r ON (r.certificate_sha256, r.category, r.agency, r.binding_number) = "
    "(key.card, 'works', 'agency 1', b.number) "
    "LEFT JOIN card_state cs ON (cs.certificate_sha256, cs.category) = (key.card, 'works') "
    "LEFT JOIN request_outcome o ON (o.certificate_sha256, o.method, o.request_id) = "
    f"(key.card, 'register', {REQUEST}) LEFT JOIN bidder ON bidder.bidder_id = {BIDDER}"
)
_MAY_REGISTER = Statement(
    "the card may be another bidder's or registered here, the bidder suspended, the request made or abandoned before, "
    "and a list newer than the validation",
    _STANDING,
)
_STATE = Statement(
    "what other services are told is the state of this moment",
    "SELECT s.version_epoch, s.version_number, s.suspended_because, b.bidder_id, b.ended_as, b.password_proven, "
    "b.company, b.holder, (SELECT json_agg(json_build_array(r.registration_id, r.agency, r.state, r.origin, "
    "r.registered_at, o.request_id, o.request_sha256)) FROM registration r LEFT JOIN request_outcome o "
    "USING (registration_id) WHERE (r.certificate_sha256, r.category, r.binding_number) = "
    "(s.certificate_sha256, s.category, b.number)) AS registrations "
    "FROM card_state s JOIN binding b USING (certificate_sha256, category) "
    f"WHERE (s.certificate_sha256, s.category) = ({CARD}, 'works')",
)
_NUMBER = Statement(
    "consumers keep the newest state only",
    "INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number) "
    f"SELECT {CARD}, 'works', epoch, 1 FROM epoch ON CONFLICT (certificate_sha256, category) "
    "DO UPDATE SET version_number = known.version_number + 1",
)


def _challenge(nonce: str) -> Statement:
    return Statement(
        "a nonce works once, for five minutes",
        "INSERT INTO challenge (nonce_sha256, purpose_sha256, certificate_sha256, other_certificates, created_at) "
        f"VALUES ({nonce}, {nonce}, {CARD}, ARRAY[]::bytea[], now())",
    )


def _use_up(nonce: str) -> Statement:
    return Statement(
        "of two uses at a time one fails",
        f"UPDATE challenge SET used_at = now() WHERE nonce_sha256 = {nonce} AND used_at IS NULL",
    )


def _read_challenge(nonce: str) -> Statement:
    return Statement(
        "the signed purpose is the one that was issued", f"SELECT * FROM challenge WHERE nonce_sha256 = {nonce}"
    )


def _history(what: str) -> Statement:
    return Statement(
        "every act is on the record, with what the card signed",
        "INSERT INTO history (happened_at, who, what, certificate_sha256, category, agencies, bidder_id, before, "
        f"after, purpose, algorithm, signature, certificate) SELECT now(), 'card', '{what}', {CARD}, 'works', "
        f"array_agg('agency ' || a), {BIDDER}, jsonb_build_object(), jsonb_object_agg(a, md5(a::text)), "
        f"{DER}, 'rsa', {ACT}, {DER} FROM generate_series(1, (:agencies)::integer) a",
    )


IN_CERTIFICATES = (
    reads("begin", CERTIFICATES, _LISTS),
    change("begin", CERTIFICATES, _challenge(LOG_IN)),
    reads("log in", CERTIFICATES, _read_challenge(LOG_IN), _LISTS),
    change(
        "log in",
        CERTIFICATES,
        _use_up(LOG_IN),
        Statement(
            "a card rests on the path by which it was judged, which nobody changes meanwhile",
            "SELECT path_sha256 FROM trust_path LIMIT 1 FOR SHARE",
        ),
        Statement(
            "the card itself",
            "INSERT INTO card (certificate_sha256, tbs_sha256, certificate, other_certificates, authority, issuer, "
            "issuer_sha256, serial, company_name, holder_name, not_before, not_after, revocation_status, checked_at, "
            f"first_seen_at, path_sha256, revocation_as_of, trusted_until) SELECT {CARD}, {CARD}, {DER}, "
            f"ARRAY[]::bytea[], authority, 'CN=Floor', {CARD}, substr({CARD}, 1, 16), '登録建設株式会社', '登録 太郎', "
            "now(), now() + interval '2 years', 'good', now(), now(), path_sha256, revocation_as_of, trusted_until "
            "FROM trust_path LIMIT 1 ON CONFLICT (certificate_sha256) DO NOTHING",
        ),
        _MAY_REGISTER,
        Statement(
            "the session, of which only the hash is kept",
            "INSERT INTO card_session (token_sha256, operation, agency, category, certificate_sha256, read_only, "
            f"opened_at, last_used_at) VALUES ({SESSION}, 'registration', 'agency 1', 'works', {CARD}, false, now(), "
            "now())",
        ),
    ),
    reads("search: whose session", CERTIFICATES, _SESSION),
    reads("search: may the card become this bidder's", CERTIFICATES, _SESSION, _MAY_REGISTER),
    reads("form: whose session", CERTIFICATES, _SESSION),
    change("form: the act", CERTIFICATES, _SESSION, _MAY_REGISTER, _challenge(ACT)),
    reads("commit: whose session", CERTIFICATES, _SESSION),
    change(
        "commit",
        CERTIFICATES,
        Statement(
            "the session can't end before the transaction does, and attempts of one card come one after the other",
            f"{_SESSION.sql} FOR UPDATE",
        ),
        _read_challenge(ACT),
        Statement(
            "nothing of it can have changed since the form, and the bidder can't be suspended meanwhile",
            # No row of an outer join can be locked.
            f"{_STANDING} WHERE EXISTS (SELECT FROM bidder WHERE bidder_id = {BIDDER} FOR SHARE)",
        ),
        Statement(
            "the nonce is used up, the session renewed, and the same request again gives the same registration",
            f"WITH used AS (UPDATE challenge SET used_at = now() WHERE nonce_sha256 = {ACT} AND used_at IS NULL), "
            f"renewed AS (UPDATE card_session SET last_used_at = now() WHERE token_sha256 = {SESSION}) "
            "INSERT INTO request_outcome (certificate_sha256, method, request_id, payload_sha256, request_sha256, "
            f"registration_id, category, agency, recorded_at) VALUES ({CARD}, 'register', {REQUEST}, {ACT}, {ACT}, "
            f"{REGISTRATION}, 'works', 'agency 1', now()) ON CONFLICT DO NOTHING",
        ),
        Statement(
            "the binding, the registration, and the number of the state that consumers keep",
            "WITH bound AS (INSERT INTO binding (certificate_sha256, category, number, bidder_id, began_at, "
            f"began_because, password_proven, company, holder) VALUES ({CARD}, 'works', 1, {BIDDER}, now(), "
            "'registration', true, 'same', 'not compared')), registered AS (INSERT INTO registration "
            "(certificate_sha256, category, agency, binding_number, registration_id, bidder_id, registered_at, origin) "
            f"VALUES ({CARD}, 'works', 'agency 1', 1, {REGISTRATION}, {BIDDER}, now(), 'contractor')) {_NUMBER.sql}",
        ),
        _history("registered"),
        Statement(
            "its two notices, each sent once by its id",
            "INSERT INTO notice (notice_id, kind, registration_id, written_at) VALUES "
            f"({NOTICE}, 'registration', {REGISTRATION}, now()), "
            f"({SECOND_NOTICE}, 'registration notice', {REGISTRATION}, now())",
        ),
        enqueue("two consumers and the notices: these jobs exist if and only if the registration does", 3),
    ),
    *(step for _ in range(2) for step in job("tell a consumer of the registration", CERTIFICATES)),
    *(reads("tell a consumer of the registration", CERTIFICATES, _STATE) for _ in range(2)),
    *job("send the notices", CERTIFICATES),
    reads(
        "send the notices",
        CERTIFICATES,
        Statement(
            "what they say, with the bidder's other cards",
            "SELECT n.*, o.request_id, c.serial, c.holder_name, r.*, (SELECT array_agg(b.certificate_sha256) "
            "FROM binding b WHERE b.bidder_id = r.bidder_id AND b.ended_at IS NULL) AS cards FROM notice n "
            "JOIN request_outcome o USING (registration_id) JOIN card c USING (certificate_sha256) "
            "JOIN registration r ON (r.certificate_sha256, r.category, r.agency) = "
            f"(o.certificate_sha256, o.category, o.agency) WHERE n.notice_id IN ({NOTICE}, {SECOND_NOTICE})",
        ),
    ),
    change(
        "send the notices",
        CERTIFICATES,
        Statement(
            "they are deleted a day after they were handed over",
            f"UPDATE notice SET sent_at = now() WHERE notice_id IN ({NOTICE}, {SECOND_NOTICE})",
        ),
    ),
    change(
        "propagate",
        CERTIFICATES,
        Statement(
            "attempts of one card come one after the other",
            f"SELECT FROM card WHERE certificate_sha256 IN (SELECT certificate_sha256 FROM request_outcome "
            f"WHERE registration_id = {REGISTRATION}) ORDER BY certificate_sha256 FOR UPDATE",
        ),
        Statement(
            "the registrations at the other agencies, of cards that still stand",
            "INSERT INTO registration (certificate_sha256, category, agency, binding_number, registration_id, "
            "bidder_id, registered_at, origin) SELECT o.certificate_sha256, o.category, 'agency ' || a, b.number, "
            "gen_random_uuid(), b.bidder_id, now(), 'propagation' FROM request_outcome o "
            "JOIN binding b USING (certificate_sha256, category) "
            "CROSS JOIN generate_series(2, (:agencies)::integer) a "
            f"WHERE o.registration_id = {REGISTRATION} AND b.ended_at IS NULL ON CONFLICT DO NOTHING "
            "RETURNING registration_id, agency",
        ),
        Statement(
            "what is registered now, also by an earlier attempt",
            "SELECT r.agency, r.registration_id, r.state FROM request_outcome o "
            "JOIN registration r USING (certificate_sha256, category) "
            f"WHERE o.registration_id = {REGISTRATION}",
        ),
        _history("propagated"),
        _NUMBER,
        enqueue("two consumers", 2),
    ),
    *(step for _ in range(2) for step in job("tell a consumer of the propagation", CERTIFICATES)),
    *(reads("tell a consumer of the propagation", CERTIFICATES, _STATE) for _ in range(2)),
)
