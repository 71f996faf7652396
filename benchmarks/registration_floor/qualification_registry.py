"""What qualification-registry must do: the search, and what is confirmed of a bidder later."""

from benchmarks.floor.bidders import READ_BIDDER
from benchmarks.floor.entries import BIDDER, QUALIFICATIONS, Statement, change, reads

_COUNT = Statement(
    "guessing is slow: tries are counted before the password is looked at",
    "INSERT INTO search_counts AS known (scope, key, tries, window_ends) SELECT scope, "
    "sha256((scope || (:n)::text)::bytea), 1, now() + interval '15 minutes' "
    "FROM unnest(ARRAY['card', 'card and bidder', 'bidder']) scope ORDER BY scope "
    "ON CONFLICT (scope, key) DO UPDATE SET tries = known.tries + 1",
)
_NAMES = Statement(
    "another agency's list may have another name, and any of them is the company's",
    "SELECT DISTINCT l.name FROM roster_lines l JOIN roster_imports i ON i.number = l.import_number "
    "JOIN roster_terms t ON t.number = i.term "
    f"WHERE l.bidder_id = {BIDDER} AND i.made_version IS NOT NULL AND l.superseded_by IS NULL",
)

IN_QUALIFICATIONS = (
    change("search: count the try", QUALIFICATIONS, _COUNT),
    reads("search", QUALIFICATIONS, READ_BIDDER, _NAMES),
    change(
        "search: it was right",
        QUALIFICATIONS,
        Statement(
            "who searches rightly uses up no try",
            "UPDATE search_counts SET tries = greatest(tries - 1, 0) WHERE (scope, key) IN (SELECT scope, "
            "sha256((scope || (:n)::text)::bytea) FROM unnest(ARRAY['card', 'card and bidder', 'bidder']) scope)",
        ),
    ),
    reads("form: confirm the bidder", QUALIFICATIONS, READ_BIDDER),
    reads("commit: confirm the bidder", QUALIFICATIONS, READ_BIDDER),
)
