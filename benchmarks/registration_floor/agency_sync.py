"""What agency-sync must do: keep the state of a card, and carry out the intention to propagate."""

from benchmarks.registration_floor.entries import (
    BIDDER,
    CARD,
    PROPAGATIONS,
    REGISTRATION,
    Statement,
    change,
    enqueue,
    job,
)

_KNOWN_CARD = Statement(
    "states of one card come one after the other",
    f"SELECT * FROM card_states WHERE (certificate_sha256, category) = ({CARD}, 'works') FOR UPDATE",
)
_CARD = Statement(
    "the newest state of the card",
    "INSERT INTO card_states AS kept (certificate_sha256, category, version_epoch, version_number, bidder_id, is_live, "
    f"is_suspended, proven_password, proven_company, registrations) SELECT {CARD}, 'works', 1, 1, {BIDDER}, true, "
    "false, true, 'same', jsonb_agg(jsonb_build_array('agency ' || a, gen_random_uuid(), 'good')) "
    "FROM generate_series(1, (:agencies)::integer) a ON CONFLICT (certificate_sha256, category) DO UPDATE SET "
    "version_number = kept.version_number + 1, registrations = excluded.registrations",
)
_INTENTIONS = Statement(
    "a registration opens one intention, once",
    "SELECT registration_id, epoch, state FROM intentions "
    f"WHERE (certificate_sha256, category) = ({CARD}, 'works') ORDER BY registration_id FOR UPDATE",
)

IN_PROPAGATIONS = (
    change(
        "record the registration",
        PROPAGATIONS,
        _KNOWN_CARD,
        _CARD,
        _INTENTIONS,
        Statement(
            "the intention to propagate",
            "INSERT INTO intentions (registration_id, certificate_sha256, category, agency, state, epoch, planned_at) "
            f"VALUES ({REGISTRATION}, {CARD}, 'works', 'agency 1', 'open', 1, now())",
        ),
        enqueue("it is carried out at once", 1),
    ),
    *job("propagate", PROPAGATIONS),
    change(
        "propagate",
        PROPAGATIONS,
        Statement(
            "one worker carries it out, and another one if that dies",
            "UPDATE intentions i SET taken_until = now() + interval '1 minute' FROM card_states c "
            f"WHERE i.registration_id = {REGISTRATION} AND i.state = 'open' "
            "AND (c.certificate_sha256, c.category) = (i.certificate_sha256, i.category) RETURNING i.*, c.*",
        ),
    ),
    change(
        "propagate: what became of it",
        PROPAGATIONS,
        Statement(
            "a newer state may have come meanwhile",
            f"SELECT registration_id FROM intentions WHERE registration_id = {REGISTRATION} FOR UPDATE",
        ),
        Statement(
            "by agency, for officers",
            "INSERT INTO propagations (registration_id, agency, state, reason, target_id, updated_at) "
            f"SELECT {REGISTRATION}, 'agency ' || a, 'done', '', gen_random_uuid(), now() "
            "FROM generate_series(2, (:agencies)::integer) a ON CONFLICT (registration_id, agency) "
            "DO UPDATE SET state = excluded.state",
        ),
        Statement(
            "it is done",
            f"UPDATE intentions SET state = 'done', done_at = now(), taken_until = NULL "
            f"WHERE registration_id = {REGISTRATION}",
        ),
    ),
    change("record the propagation", PROPAGATIONS, _KNOWN_CARD, _CARD, _INTENTIONS),
)
