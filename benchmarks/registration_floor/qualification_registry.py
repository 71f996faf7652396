"""What qualification-registry must do: the search, and what is confirmed of a bidder later."""

from benchmarks.registration_floor.entries import BIDDER, QUALIFICATIONS, Statement, change, reads

_COUNT = Statement(
    "guessing is slow: tries are counted before the password is looked at",
    "INSERT INTO search_counts AS known (scope, key, tries, window_ends) SELECT scope, "
    "sha256((scope || (:n)::text)::bytea), 1, now() + interval '15 minutes' "
    "FROM unnest(ARRAY['card', 'card and bidder', 'bidder']) scope ORDER BY scope "
    "ON CONFLICT (scope, key) DO UPDATE SET tries = known.tries + 1",
)
_RECORD = Statement(
    "the bidder's status and password, and its line at this agency of today",
    "SELECT b.status, p.encoded, p.issued_at, p.changed_at, l.*, t.holds_until, now() AS at FROM bidders b "
    "LEFT JOIN passwords p ON (p.category, p.bidder_id) = ('works', b.bidder_id) "
    "LEFT JOIN (roster_lines l JOIN roster_imports i ON i.number = l.import_number AND i.made_version IS NOT NULL "
    "JOIN roster_terms t ON t.number = i.term JOIN rosters r ON r.name = i.roster AND r.category = 'works') "
    "ON l.bidder_id = b.bidder_id AND l.superseded_by IS NULL "
    "AND coalesce(l.valid_until, 'infinity') >= current_date AND coalesce(t.holds_until, 'infinity') >= current_date "
    f"WHERE b.bidder_id = {BIDDER}",
)
_NAMES = Statement(
    "another agency's list may have another name, and any of them is the company's",
    "SELECT DISTINCT l.name FROM roster_lines l JOIN roster_imports i ON i.number = l.import_number "
    "JOIN roster_terms t ON t.number = i.term "
    f"WHERE l.bidder_id = {BIDDER} AND i.made_version IS NOT NULL AND l.superseded_by IS NULL",
)

IN_QUALIFICATIONS = (
    change("search: count the try", QUALIFICATIONS, _COUNT),
    reads("search", QUALIFICATIONS, _RECORD, _NAMES),
    change(
        "search: it was right",
        QUALIFICATIONS,
        Statement(
            "who searches rightly uses up no try",
            "UPDATE search_counts SET tries = greatest(tries - 1, 0) WHERE (scope, key) IN (SELECT scope, "
            "sha256((scope || (:n)::text)::bytea) FROM unnest(ARRAY['card', 'card and bidder', 'bidder']) scope)",
        ),
    ),
    reads("form: confirm the bidder", QUALIFICATIONS, _RECORD),
    reads("commit: confirm the bidder", QUALIFICATIONS, _RECORD),
    reads(
        "propagate",
        QUALIFICATIONS,
        Statement(
            "where else the bidder is qualified now",
            "SELECT l.bidder_id, array_agg(DISTINCT agency) FROM roster_lines l "
            "JOIN roster_imports i ON i.number = l.import_number AND i.made_version IS NOT NULL "
            "JOIN roster_terms t ON t.number = i.term JOIN rosters r ON r.name = i.roster AND r.category = 'works' "
            f"CROSS JOIN unnest(l.agencies) agency WHERE l.bidder_id = {BIDDER} AND l.superseded_by IS NULL "
            "GROUP BY l.bidder_id",
        ),
    ),
)
