"""What agency-sync must do: keep the states of an act's cards, and carry out the intention to propagate it."""

from collections.abc import Iterable

from benchmarks.floor.entries import BIDDER, PROPAGATIONS, Statement, Step, change, enqueue, job


def propagate(act: str, registration: str, card: str, *other_cards: str) -> Iterable[Step]:
    """Returns all steps for an act by which a card came to an agency with this registration; others it changed too."""
    cards = ", ".join([card, *other_cards])
    states = Statement(
        "the newest state of each card, one after the other, and what is new in it",
        "WITH before AS (SELECT certificate_sha256, category, version_number, registrations FROM card_states "
        f"WHERE certificate_sha256 IN ({cards}) AND category = 'works' ORDER BY certificate_sha256 FOR UPDATE), "
        "written AS (INSERT INTO card_states AS kept (certificate_sha256, category, version_epoch, version_number, "
        "bidder_id, is_live, is_suspended, proven_password, proven_company, proven_holder, registrations) "
        f"SELECT changed, 'works', 1, 1, {BIDDER}, true, "
        "false, true, 'same', 'contract party', jsonb_agg(jsonb_build_array('agency ' || a, gen_random_uuid(), 'good'))"
        f" FROM unnest(ARRAY[{cards}]) changed, generate_series(1, (:agencies)::integer) a "
        "WHERE (SELECT count(*) FROM before) >= 0 GROUP BY changed ORDER BY changed "
        "ON CONFLICT (certificate_sha256, category) DO UPDATE SET "
        "version_number = kept.version_number + 1, registrations = excluded.registrations "
        "RETURNING certificate_sha256, category) "
        "SELECT * FROM written LEFT JOIN before USING (certificate_sha256, category)",
    )
    intentions = Statement(
        "it opens one intention, once, and may end those of its cards",
        "SELECT registration_id, epoch, state FROM intentions "
        f"WHERE certificate_sha256 IN ({cards}) AND category = 'works' ORDER BY registration_id FOR UPDATE",
    )
    yield change(
        f"record the {act}",
        PROPAGATIONS,
        states,
        intentions,
        Statement(
            "the intention to propagate",
            "INSERT INTO intentions (registration_id, certificate_sha256, category, agency, kind, state, epoch, "
            f"planned_at) VALUES ({registration}, {card}, 'works', 'agency 1', '{act}', 'open', 1, now())",
        ),
        enqueue("it is carried out at once", 1),
    )
    yield from job("propagate", PROPAGATIONS)
    yield change(
        "propagate",
        PROPAGATIONS,
        Statement(
            "one worker carries it out, and another one if that dies",
            "UPDATE intentions i SET taken_until = now() + interval '1 minute' FROM card_states c "
            f"WHERE i.registration_id = {registration} AND i.state = 'open' "
            "AND (c.certificate_sha256, c.category) = (i.certificate_sha256, i.category) RETURNING i.*, c.*",
        ),
    )
    yield change(
        "propagate: what became of it",
        PROPAGATIONS,
        Statement(
            "a newer state may have come meanwhile",
            f"SELECT registration_id FROM intentions WHERE registration_id = {registration} FOR UPDATE",
        ),
        Statement(
            "by agency, for officers",
            "INSERT INTO propagations (registration_id, agency, state, reason, target_id, updated_at) "
            f"SELECT {registration}, 'agency ' || a, 'done', '', gen_random_uuid(), now() "
            "FROM generate_series(2, (:agencies)::integer) a ON CONFLICT (registration_id, agency) "
            "DO UPDATE SET state = excluded.state",
        ),
        Statement(
            "it is done",
            "UPDATE intentions SET state = 'done', done_at = now(), taken_until = NULL "
            f"WHERE registration_id = {registration}",
        ),
    )
    yield change("record the propagation", PROPAGATIONS, states, intentions)
