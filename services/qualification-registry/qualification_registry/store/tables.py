"""The tables. docs/erasure.md describes the columns with personal data and how they are erased."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()

_INSTANT = DateTime(timezone=True)

# One row. Its lock makes imports take turns.
registry_state = Table(
    "registry_state",
    metadata,
    Column("only_row", Boolean, primary_key=True),
    # Raised when this database is restored; part of every version in events.
    Column("epoch", BigInteger, nullable=False),
    # The next number for an assigned bidder id. Numbers that a preview took and never used stay unused.
    Column("next_assigned", BigInteger, nullable=False),
)

# A roster is what the profile's mappings with its name import; version 0 has no lines.
rosters = Table(
    "rosters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("category", Text, nullable=False),
    Column("version", Integer, nullable=False),
)

# The terms of a roster that have a list: the days for which it counts. Without days: a roster without terms.
roster_terms = Table(
    "roster_terms",
    metadata,
    # Short, because every import carries it.
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("roster", Text, nullable=False),
    Column("term_from", Date),
    Column("term_until", Date),
    # The last day on which the list holds: of the term, or the one before the next term begins. NULL: none yet.
    Column("holds_until", Date),
    Column("current_import", Integer, nullable=False),
)

# One row per preview. It and its lines become effective when `made_version` is set.
roster_imports = Table(
    "roster_imports",
    metadata,
    # Short, because every line carries it.
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("import_id", Uuid, nullable=False),
    Column("mapping", Text, nullable=False),
    Column("roster", Text, nullable=False),
    Column("category", Text, nullable=False),
    # The agency, or the operator, that the mapping named as responsible when the file was previewed.
    Column("responsible_agency", Text, nullable=False),
    # The term that the list is for; NULL until the commit of its first list.
    Column("term", Integer),
    Column("term_from", Date),
    Column("term_until", Date),
    # The version that the file was compared with; the preview is valid for this version only.
    Column("base_version", Integer, nullable=False),
    # Of the mapping and all other settings of the profile that turned the file into lines.
    Column("mapping_sha256", LargeBinary, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", LargeBinary, nullable=False),
    Column("same_as_current", Boolean, nullable=False),
    Column("ids_are_assigned", Boolean, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("error_count", Integer, nullable=False),
    Column("new", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    # Of the changed ones: those with another name, address or representative, and those with other grades only.
    Column("identity_changed", Integer, nullable=False),
    Column("grades_changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("gone", Integer, nullable=False),
    # The bidders of the current version that the file does not name; some of them may be undecided lines.
    Column("not_named", ARRAY(Text), nullable=False),
    # The agencies that the file names.
    Column("named_agencies", ARRAY(Text), nullable=False),
    # The reasons of the questions about the file, and those that its commit confirmed.
    Column("asked", ARRAY(Text), nullable=False),
    Column("confirmed", ARRAY(Text), nullable=False),
    Column("previewed_by", Text, nullable=False),
    Column("previewed_at", _INSTANT, nullable=False),
    Column("committed_by", Text),
    Column("committed_at", _INSTANT),
    Column("made_version", Integer),
    # The version that the commit returned: the one it made, or the current one where the file had nothing new.
    Column("result_version", Integer),
)

# The original files, byte for byte, as gzip compresses them.
roster_file_pieces = Table(
    "roster_file_pieces",
    metadata,
    Column("import_number", Integer, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

# The kinds of qualification (業種, 営業種目) that a mapping has columns for; lines contain only the grades in them.
grade_kinds = Table(
    "grade_kinds",
    metadata,
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("kinds", ARRAY(Text), nullable=False),
)

# Every version of every line, each once: a line is current from the version that its import made until the version of
# the import that superseded it.
roster_lines = Table(
    "roster_lines",
    metadata,
    Column("import_number", Integer, primary_key=True),
    # What the import did with the line, as numbered by domain.roster_changes.LineKind.
    Column("kind", SmallInteger, nullable=False),
    Column("row", Integer, nullable=False),
    Column("bidder_id", Text, primary_key=True),
    # From here on in the order of domain.roster_lines.LINE_FIELDS.
    Column("name", Text, nullable=False),
    Column("corporate_number", Text),
    Column("postal_code", Text),
    Column("address", Text),
    Column("representative_name", Text),
    Column("contract_party_name", Text),
    Column("representative_title", Text),
    Column("telephone", Text),
    Column("fax", Text),
    Column("department", Text),
    Column("branch", Text),
    Column("region", Text),
    Column("permit_number", Text),
    Column("grade_kinds", Integer, nullable=False),
    # JSON: the grade in each of the kinds, empty for none. Text, because lines are compared as text.
    Column("grades", Text, nullable=False),
    # Their codes, with spaces between. Text, because PostgreSQL takes longer to read an array than the rest of a line.
    Column("agencies", Text, nullable=False),
    Column("valid_from", Date),
    Column("valid_until", Date),
    # Whose place the bidder took, as the file has it, and domain.predecessor.SuccessionKind.
    Column("predecessor", Text),
    Column("predecessor_kind", Text),
    # domain.roster_lines.UNDER_REVIEW while changed company data is under review (QUA-08).
    Column("review", Text),
    Column("superseded_by", Integer),
)

# The reviews of changed company data: one for each current line of a term that is under review (QUA-08).
company_reviews = Table(
    "company_reviews",
    metadata,
    Column("bidder_id", Text, primary_key=True),
    Column("term", Integer, primary_key=True),
    Column("began_at", _INSTANT, nullable=False),
    # The import whose line of the bidder has the company data that is shown until the review ends.
    Column("shown_import", Integer, nullable=False),
    # The agencies whose officers ended it; under the operator's code it ended at every agency.
    Column("ended_agencies", ARRAY(Text), nullable=False),
)

# Lines of a preview whose bidders an officer has to decide, in the text form of COPY, without a bidder id.
undecided_lines = Table(
    "undecided_lines",
    metadata,
    Column("import_number", Integer, primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("suggested_bidder_id", Text, nullable=False),
    # The bidders that the line may mean, as objects with the fields of domain.roster_identity.KnownBidder.
    Column("alike", JSONB, nullable=False),
    Column("line", Text, nullable=False),
)

# Every bidder that a roster ever named; the content of the rosters is in their lines.
bidders = Table(
    "bidders",
    metadata,
    Column("bidder_id", Text, primary_key=True),
)

# A bidder in a category, as other services know it. One without a row is active, and they were told nothing of it.
bidder_states = Table(
    "bidder_states",
    metadata,
    Column("bidder_id", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    # Whether it ended for good (QUA-10).
    Column("has_ended", Boolean, nullable=False),
    Column("version_epoch", BigInteger, nullable=False),
    Column("version_number", BigInteger, nullable=False),
)

# Suspensions that stand, at an agency, or of the whole instance under the operator's code. One that nobody confirmed
# lapses.
bidder_suspensions = Table(
    "bidder_suspensions",
    metadata,
    Column("bidder_id", Text, primary_key=True),
    Column("category", Text, primary_key=True),
    Column("agency", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("suspended_by", Text, nullable=False),
    Column("suspended_at", _INSTANT, nullable=False),
    Column("lapses_at", _INSTANT),
    Column("confirmed_by", Text),
    Column("confirmed_at", _INSTANT),
)

# Whose place a bidder took in a category. A predecessor has one successor; a bidder may have several predecessors.
predecessors = Table(
    "predecessors",
    metadata,
    Column("category", Text, primary_key=True),
    Column("predecessor", Text, primary_key=True),
    Column("bidder_id", Text, nullable=False),
    # domain.predecessor.SuccessionKind
    Column("kind", Text, nullable=False),
    # From when on it counts: a list whose term begins later brings it before.
    Column("since", _INSTANT, nullable=False),
    # The import that brought it; NULL where officers decided it.
    Column("import_number", Integer),
)

# The bidder that an assigned id was given to for a 法人番号. An officer may find that one bidder had several.
assigned_numbers = Table(
    "assigned_numbers",
    metadata,
    Column("corporate_number", Text, primary_key=True),
    Column("bidder_id", Text, nullable=False),
)

passwords = Table(
    "passwords",
    metadata,
    Column("category", Text, primary_key=True),
    Column("bidder_id", Text, primary_key=True),
    # argon2id with its parameters and salt.
    Column("encoded", Text, nullable=False),
    Column("issued_at", _INSTANT, nullable=False),
    Column("issued_by", Text, nullable=False),
    # NULL after a first issue, which is no change (QUA-09).
    Column("changed_at", _INSTANT),
)

# Tries of searches, by hashes of the card and the entered id.
search_counts = Table(
    "search_counts",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("window_ends", _INSTANT, nullable=False),
)

# Cards that an officer is asked about, and what was decided (CRD-10).
card_approvals = Table(
    "card_approvals",
    metadata,
    Column("number", Integer, Identity(always=True), primary_key=True),
    Column("agency", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("bidder_id", Text, nullable=False),
    Column("certificate_sha256", LargeBinary, nullable=False),
    # What is in question.
    Column("company", Boolean, nullable=False),
    Column("holder", Boolean, nullable=False),
    # The names in the certificate, where it has them; both are NULL after they were erased.
    Column("has_names", Boolean, nullable=False),
    Column("company_name", Text),
    Column("holder_name", Text),
    # Where the answer is sent to; NULL after that.
    Column("mail_address", Text),
    Column("state", Text, nullable=False),
    Column("asked_at", _INSTANT, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", _INSTANT),
    # Of the answer: the notice, and the decision's entry in the history.
    Column("notice_id", Uuid),
    Column("history_number", BigInteger),
)
