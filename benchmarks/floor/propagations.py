"""What agency-sync must do: keep the states of an act's cards, tell the feeds of them, and propagate the act."""

from collections.abc import Iterable

from benchmarks.floor.entries import BIDDER, PROPAGATIONS, Statement, Step, change, enqueue, job

# The agencies of an entry, as an expression of their numbers.
FIRST_AGENCY, OTHER_AGENCIES = "generate_series(1, 1)", "generate_series(2, (:agencies)::integer)"
ALL_AGENCIES = "generate_series(1, (:agencies)::integer)"


def append(cards: str, agencies: str) -> tuple[Statement, ...]:
    """Returns what tells the feeds of some agencies of the newest states of these cards."""
    return (
        Statement(
            "numbers are given in the order of commit, and what is kept is read after those before",
            "SELECT agency, number FROM feed_heads WHERE category = 'works' ORDER BY agency FOR UPDATE",
        ),
        Statement(
            "an entry is merged from the card, its bidder and the contacts",
            "SELECT c.*, b.qualified, b.reviews, o.contact_version FROM card_states c "
            "LEFT JOIN bidder_states b USING (bidder_id, category) "
            "LEFT JOIN contact_owners o ON (o.bidder_id, o.category) = (c.bidder_id, c.category) "
            f"WHERE c.certificate_sha256 IN ({cards}) AND c.category = 'works'",
        ),
        Statement(
            "only what differs is appended",
            f"SELECT * FROM feed_cards WHERE certificate_sha256 IN ({cards}) AND category = 'works'",
        ),
        Statement(
            "an entry for each agency, which is the newest one of its card",
            f"WITH changed AS (SELECT 'agency ' || a AS agency, card FROM {agencies} a, unnest(ARRAY[{cards}]) card), "
            "head AS (INSERT INTO feed_heads AS kept (agency, category, epoch, number) "
            "SELECT agency, 'works', 1, count(*) FROM changed GROUP BY agency ORDER BY agency "
            "ON CONFLICT (agency, category) DO UPDATE SET number = kept.number + excluded.number "
            "RETURNING agency, number), entry AS (SELECT agency, card, "
            "number + 1 - row_number() OVER (PARTITION BY agency ORDER BY card) AS number "
            "FROM changed JOIN head USING (agency)), appended AS (INSERT INTO feed_entries (agency, category, epoch, "
            "number, certificate_sha256, committed_at, bidder_id, state, reason, registration_id, qualified, "
            "card_contact_version, representative_contact_version) SELECT agency, 'works', 1, number, card, now(), "
            f"{BIDDER}, 'good', '', gen_random_uuid(), '[[null, null]]', 1, 1 FROM entry) "
            "INSERT INTO feed_cards (agency, category, epoch, number, certificate_sha256, committed_at, bidder_id, "
            "state, reason, registration_id, qualified, card_contact_version, representative_contact_version) "
            f"SELECT agency, 'works', 1, number, card, now(), {BIDDER}, 'good', '', gen_random_uuid(), "
            "'[[null, null]]', 1, 1 FROM entry ON CONFLICT (agency, category, certificate_sha256) "
            "DO UPDATE SET number = excluded.number, committed_at = excluded.committed_at",
        ),
    )


def follow_contacts(act: str, card: str, *owners: str, agencies: str = FIRST_AGENCY) -> Step:
    """Returns what keeps which versions of its contacts count where, after an act of this card at some agencies."""
    rows = ", ".join(
        f"(md5('{owner} ' || encode({card}, 'hex'))::uuid, 'works', {BIDDER}, {card}, 1, 1, 1, '{{}}'::jsonb)"
        for owner in owners
    )
    return change(
        f"record the contacts of the {act}",
        PROPAGATIONS,
        Statement(
            "the newest state of each owner",
            "INSERT INTO contact_owners AS kept (owner_id, category, bidder_id, certificate_sha256, version_epoch, "
            f"version_number, contact_version, pins) VALUES {rows} ON CONFLICT (owner_id) DO UPDATE "
            "SET contact_version = kept.contact_version + 1 RETURNING owner_id",
        ),
        *append(card, agencies),
    )


def propagate(act: str, registration: str, card: str, *other_cards: str) -> Iterable[Step]:
    """Returns all steps for an act by which a card came to an agency with this registration; others it changed too."""
    cards = ", ".join([card, *other_cards])
    states = Statement(
        "the newest state of each card, one after the other, and what is new in it",
        "WITH before AS (SELECT certificate_sha256, category, version_number, registrations FROM card_states "
        f"WHERE certificate_sha256 IN ({cards}) AND category = 'works' ORDER BY certificate_sha256 FOR UPDATE), "
        "written AS (INSERT INTO card_states AS kept (certificate_sha256, category, version_epoch, version_number, "
        "bidder_id, is_live, is_suspended, proven_password, proven_company, proven_holder, certificate_standing, "
        "registrations) "
        f"SELECT changed, 'works', 1, 1, {BIDDER}, true, "
        "false, true, 'same', 'contract party', 'trusted', "
        "jsonb_agg(jsonb_build_array('agency ' || a, gen_random_uuid(), 'good'))"
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
        *append(cards, FIRST_AGENCY),
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
    yield change("record the propagation", PROPAGATIONS, states, intentions, *append(cards, OTHER_AGENCIES))
