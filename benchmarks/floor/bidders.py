"""What qualification-registry must read of a bidder for every operation."""

from benchmarks.floor.entries import BIDDER, Statement

READ_BIDDER = Statement(
    "the bidder's status and password, and its line at this agency of today",
    "SELECT bs.has_ended, EXISTS (SELECT FROM bidder_suspensions s WHERE (s.bidder_id, s.category) = "
    "(b.bidder_id, 'works') AND s.agency IN ('agency 1', 'operator')) AS is_suspended, p.encoded, p.issued_at, "
    "p.changed_at, l.*, t.holds_until, now() AS at FROM bidders b "
    "LEFT JOIN bidder_states bs ON (bs.bidder_id, bs.category) = (b.bidder_id, 'works') "
    "LEFT JOIN passwords p ON (p.category, p.bidder_id) = ('works', b.bidder_id) "
    "LEFT JOIN (roster_lines l JOIN roster_imports i ON i.number = l.import_number AND i.made_version IS NOT NULL "
    "JOIN roster_terms t ON t.number = i.term JOIN rosters r ON r.name = i.roster AND r.category = 'works') "
    "ON l.bidder_id = b.bidder_id AND l.superseded_by IS NULL "
    "AND coalesce(l.valid_until, 'infinity') >= current_date AND coalesce(t.holds_until, 'infinity') >= current_date "
    f"WHERE b.bidder_id = {BIDDER}",
)
