"""What certificate-registry must do for every operation of a card: log-in, session, act, and what it tells others."""

from collections.abc import Iterable, Sequence

from benchmarks.floor.entries import (
    BIDDER,
    CERTIFICATES,
    DER,
    Statement,
    Step,
    change,
    job,
    look_for_delayed,
    reads,
)

_LISTS = Statement("any newer list ends what was validated before", "SELECT now() AS at, scope, sha256 FROM crl")


def read_session(session: str) -> Statement:
    """Returns the statement that reads a session."""
    return Statement(
        "the card that holds the session, and its place",
        "SELECT s.operation, s.agency, s.category, s.role, s.read_only, s.opened_at, s.last_used_at, s.ended_at, "
        "now() AS at, c.* FROM card_session s JOIN card c USING (certificate_sha256) "
        f"WHERE s.token_sha256 = {session}",
    )


def write_standing(card: str, act: str, method: str, request: str) -> str:
    """Returns the statement that reads all by which an operation of a card is decided at its agency."""
    return (
        "SELECT b.number, b.bidder_id, b.ended_as, r.state, cs.suspended_because, bs.status, bs.suspended_agencies, "
        "o.*, challenge.*, (SELECT array_agg(sha256) FROM crl) AS lists "
        f"FROM (SELECT {card} AS card) key "
        f"LEFT JOIN challenge ON challenge.nonce_sha256 = {act} "
        "LEFT JOIN LATERAL (SELECT * FROM binding WHERE certificate_sha256 = key.card AND category = 'works' "
        "ORDER BY number DESC LIMIT 1) b ON true "
        "LEFT JOIN registration r ON (r.certificate_sha256, r.category, r.agency, r.binding_number) = "
        "(key.card, 'works', 'agency 1', b.number) "
        "LEFT JOIN card_state cs ON (cs.certificate_sha256, cs.category) = (key.card, 'works') "
        "LEFT JOIN request_outcome o ON (o.certificate_sha256, o.method, o.request_id) = "
        f"(key.card, '{method}', {request}) "
        f"LEFT JOIN bidder_state bs ON (bs.bidder_id, bs.category) = ({BIDDER}, 'works')"
    )


def read_session_and_standing(session: str, standing: Statement) -> Statement:
    """Returns the statement that reads both."""
    of_session = read_session(session)
    return Statement(
        f"{of_session.why}; {standing.why}",
        f"SELECT of_session.*, standing.* FROM ({of_session.sql}) of_session, ({standing.sql}) standing",
    )


def write_state(card: str) -> str:
    """Returns the statement that reads the state of a card."""
    return (
        "SELECT s.version_epoch, s.version_number, s.suspended_because, b.bidder_id, b.ended_as, b.password_proven, "
        "b.company, b.holder, (SELECT json_agg(json_build_array(r.registration_id, r.agency, r.state, r.origin, "
        "r.registered_at, o.request_id, o.request_sha256)) FROM registration r LEFT JOIN request_outcome o "
        "USING (registration_id) WHERE (r.certificate_sha256, r.category, r.binding_number) = "
        "(s.certificate_sha256, s.category, b.number)) AS registrations "
        "FROM card_state s JOIN binding b USING (certificate_sha256, category) "
        f"WHERE (s.certificate_sha256, s.category) = ({card}, 'works')"
    )


def read_session_and_state(session: str, card: str) -> Statement:
    """Returns the statement that reads a session with the state of its card, and whether its bidder is suspended."""
    of_session = read_session(session)
    return Statement(
        f"{of_session.why}; the bidder that it is bound to, and where it is good, which may have ended since",
        f"SELECT of_session.*, state.*, bs.status, bs.suspended_agencies FROM ({of_session.sql}) of_session "
        f"CROSS JOIN LATERAL ({write_state(card)}) state "
        "LEFT JOIN bidder_state bs ON (bs.bidder_id, bs.category) = (state.bidder_id, 'works')",
    )


def challenge(nonce: str, card: str) -> Statement:
    """Returns the statement that keeps a nonce."""
    return Statement(
        "a nonce works once, for minutes",
        "INSERT INTO challenge (nonce_sha256, purpose_sha256, certificate_sha256, other_certificates, created_at) "
        f"VALUES ({nonce}, {nonce}, {card}, ARRAY[]::bytea[], now())",
    )


def log_in(card: str, nonce: str, session: str, scope: str, admitted: Statement) -> Iterable[Step]:
    """Returns the steps of a log-in into a session of this operation and role, which `admitted` decides on."""
    yield reads("begin", CERTIFICATES, _LISTS)
    yield change("begin", CERTIFICATES, challenge(nonce, card))
    yield reads(
        "log in",
        CERTIFICATES,
        Statement(
            f"the signed purpose is the one that was issued, and {_LISTS.why}",
            "SELECT now() AS at, (SELECT array_agg(sha256) FROM crl) AS lists, challenge.* FROM (SELECT) always "
            f"LEFT JOIN challenge ON challenge.nonce_sha256 = {nonce}",
        ),
    )
    yield change(
        "log in",
        CERTIFICATES,
        Statement(
            "a card rests on the path by which it was judged, which nobody changes meanwhile",
            "SELECT path_sha256 FROM trust_path LIMIT 1 FOR SHARE",
        ),
        Statement(
            "the card itself, which may be known, and may not be trusted any more",
            "INSERT INTO card (certificate_sha256, tbs_sha256, certificate, other_certificates, authority, issuer, "
            "issuer_sha256, serial, company_name, holder_name, not_before, not_after, revocation_status, checked_at, "
            f"first_seen_at, path_sha256, revocation_as_of, trusted_until) SELECT {card}, {card}, {DER}, "
            f"ARRAY[]::bytea[], authority, 'CN=Floor', {card}, substr({card}, 1, 16), '登録建設株式会社', '登録 太郎', "
            "now(), now() + interval '2 years', 'good', now(), now(), path_sha256, revocation_as_of, trusted_until "
            "FROM trust_path LIMIT 1 ON CONFLICT (certificate_sha256) DO NOTHING",
        ),
        admitted,
        Statement(
            "the session, of which only the hash is kept, if the nonce was unused: of two uses at a time one fails",
            f"WITH used AS (UPDATE challenge SET used_at = now() WHERE nonce_sha256 = {nonce} AND used_at IS NULL "
            "RETURNING 1) INSERT INTO card_session (token_sha256, agency, category, certificate_sha256, read_only, "
            f"opened_at, last_used_at, operation, role) SELECT {session}, 'agency 1', 'works', {card}, false, now(), "
            f"now(), {scope} FROM used",
        ),
    )


def number_states(cards: str) -> str:
    """Returns the statement that numbers the states of these cards, which others keep."""
    return (
        "INSERT INTO card_state AS known (certificate_sha256, category, version_epoch, version_number) "
        f"SELECT changed, 'works', epoch, 1 FROM epoch, unnest(ARRAY[{cards}]) changed "
        "ON CONFLICT (certificate_sha256, category) DO UPDATE SET version_number = known.version_number + 1"
    )


def history(what: str, cards: str, request: str, act: str) -> Statement:
    """Returns the statement that writes an entry for each of these cards."""
    return Statement(
        "every act is on the record, with what the card signed, found by card, bidder, request and caller, and waits "
        "to be sealed (the trigger); its details can be erased without it, and so lie apart",
        "WITH entry AS (INSERT INTO history_entry (happened_at, who, what, request_id, trace_id, certificate_sha256, "
        f"category, agencies, bidder_id, details_digest, digest) SELECT now(), 'card', '{what}', {request}, "
        f"md5('trace'), changed, 'works', array_agg('agency ' || a), {BIDDER}, changed, changed "
        f"FROM unnest(ARRAY[{cards}]) changed, generate_series(1, (:agencies)::integer) a GROUP BY changed "
        "RETURNING number, certificate_sha256) "
        "INSERT INTO history_details (number, salt, details) SELECT number, certificate_sha256, "
        f"json_build_object('purpose', encode({DER}, 'base64'), 'certificate', encode({DER}, 'base64'), "
        f"'signature', encode({act}, 'base64'), 'after', (SELECT jsonb_object_agg(a, md5(a::text)) "
        "FROM generate_series(1, (:agencies)::integer) a))::text FROM entry",
    )


def tell_consumers(of_what: str, cards: Sequence[str]) -> Iterable[Step]:
    """Returns the jobs that tell both consumers the states of these cards."""
    state = Statement(
        "what other services are told is the state of this moment", " UNION ALL ".join(map(write_state, cards))
    )
    for _ in range(2):
        yield from job(f"tell a consumer of {of_what}", CERTIFICATES)
        yield reads(f"tell a consumer of {of_what}", CERTIFICATES, state)


def send_notices(*notices: str) -> Iterable[Step]:
    """Returns the job that hands over the notices of an act."""
    ids = ", ".join(notices)
    yield look_for_delayed("send the notices", CERTIFICATES)
    yield from job("send the notices", CERTIFICATES)
    yield reads(
        "send the notices",
        CERTIFICATES,
        Statement(
            "what they say, with the bidder's other cards, and with the entry and the head that seals it",
            "SELECT n.*, o.request_id, c.serial, c.holder_name, r.*, (SELECT array_agg(b.certificate_sha256) "
            "FROM binding b WHERE b.bidder_id = r.bidder_id AND b.ended_at IS NULL) AS cards, e.digest, p.position, "
            "h.number, h.signature FROM notice n "
            "JOIN request_outcome o USING (registration_id) JOIN card c ON c.certificate_sha256 = o.certificate_sha256 "
            "JOIN registration r ON (r.certificate_sha256, r.category, r.agency) = "
            "(o.certificate_sha256, o.category, o.agency) "
            "LEFT JOIN history_entry e ON e.number = n.history_number "
            "LEFT JOIN history_position p ON p.number = n.history_number "
            "LEFT JOIN LATERAL (SELECT number, signature FROM history_head WHERE first_position <= p.position "
            "ORDER BY first_position DESC LIMIT 1) AS h ON true "
            f"WHERE n.notice_id IN ({ids})",
        ),
    )
    yield change(
        "send the notices",
        CERTIFICATES,
        Statement(
            "they are deleted a day after they were handed over",
            f"UPDATE notice SET sent_at = now() WHERE notice_id IN ({ids})",
        ),
    )
