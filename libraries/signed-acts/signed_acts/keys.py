"""What each key of a purpose holds, and its one valid form."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from refusals import Code, Refusal

NONCE_BYTES = 32
MOST_LINES = 32
MOST_LINE_CHARACTERS = 400
MOST_NOTES = 64
MOST_SUBJECTS = 1_000_000

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
BIDDER_ID = re.compile(r"[!-~]{1,64}")
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CLIENT = re.compile(r"[!-~]{1,128}")
REDIRECT = re.compile(r"https://[!-~]{1,1016}")
OPENID_NONCE = re.compile(r"[!-~]{1,256}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{43}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# Marks that change the direction of writing would display a line differently from its content.
_ORDER_MARKS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSHOWABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})

# The keys in the order in which pages list them; what each is for, and its form.
KEYS: Mapping[str, tuple[str, str]] = {
    "instance": ("The id of the instance, as in its profile.", "code"),
    "type": ("`log-in` proves possession of the card; `act` agrees to its lines.", "one of the two"),
    "operation": ("What the card is used for.", "a name of the table below, or the full name of an RPC, ≤ 128"),
    "role": ("`old` and `new` in a renewal, otherwise `sole`.", "one of the three"),
    "nonce": ("32 random bytes that make the signature good for one use.", "base64url without padding, 43 characters"),
    "certificate_sha256": ("The card that signs: SHA-256 of its certificate in DER.", "hash"),
    "agency": ("Code of the agency at which the operation takes place.", "code"),
    "category": ("Code of the category (業務区分).", "code"),
    "bidder_id": ("Subject: the bidder.", "1 to 64 visible ASCII characters"),
    "card_sha256": ("Subject: a card, which need not be the one that signs.", "hash"),
    "person_id": ("Subject: a person, for example an officer.", "code"),
    "subjects": (
        "Subjects: a list of bidders, cards or persons, by its hash.",
        "an object with `count` (1 to 1,000,000), `kind` (`bidder`, `card`, `person`) and `sha256` (hash)",
    ),
    "other_certificate_sha256": ("In a renewal, the old card: SHA-256 of its certificate in DER.", "hash"),
    "successor_key_sha256": (
        "In a renewal, the one-time key that vouches for the new card: SHA-256 of its 32 bytes (Ed25519).",
        "hash",
    ),
    "proposal_sha256": ("The proposal that the act approves, hashed as a form is.", "hash"),
    "notes_sha256": (
        "The notes that the act rests on, by their hashes.",
        "array of 1 to 64 hashes, ascending, each once",
    ),
    "client": ("The client id of the tender system.", "1 to 128 visible ASCII characters"),
    "redirect": ("Where the tender system's user is sent back to.", "an https URI, ≤ 1024 visible ASCII characters"),
    "openid_nonce": ("The nonce of the tender system's authentication request.", "1 to 256 visible ASCII characters"),
    "request_id": ("The request that the act is for.", "UUID, 36 characters in lower case"),
    "request_sha256": ("SHA-256 of the request's canonical form.", "hash"),
    "lines": (
        "What this does, in words for people.",
        "array of 1 to 32 texts of 1 to 400 characters that can be displayed",
    ),
}


class SubjectKind(StrEnum):
    """What the subjects of a list are."""

    BIDDER = "bidder"
    CARD = "card"
    PERSON = "person"


# The form of a subject of each kind.
SUBJECT_IDS: Mapping[SubjectKind, re.Pattern[str]] = {
    SubjectKind.BIDDER: BIDDER_ID,
    SubjectKind.CARD: _SHA256,
    SubjectKind.PERSON: CODE,
}


@dataclass(frozen=True, slots=True)
class SubjectList:
    """A list of subjects by its hash (32 bytes, see `subjects.hash_subjects`) and their number."""

    kind: SubjectKind
    count: int
    sha256: bytes


def read_text(value: object, key: str, pattern: re.Pattern[str]) -> str:
    """Returns a text that has this form; raises PURPOSE_MALFORMED with the key as `part`, as all functions here."""
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise refuse_part(key)
    return value


def read_hash(value: object, key: str) -> bytes:
    """Returns the 32 bytes of a hash."""
    return bytes.fromhex(read_text(value, key, _SHA256))


def read_nonce(value: object) -> bytes:
    """Returns the 32 bytes of a nonce."""
    text = read_text(value, "nonce", _NONCE)
    try:
        nonce = base64.b64decode(text + "=", altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise refuse_part("nonce") from error
    # The last character has two unused bits; only one encoding of a nonce is accepted.
    if write_nonce(nonce) != text:
        raise refuse_part("nonce")
    return nonce


def write_nonce(nonce: bytes) -> str:
    """Returns the form of a nonce."""
    return base64.urlsafe_b64encode(nonce).rstrip(b"=").decode()


def read_lines(value: object) -> tuple[str, ...]:
    """Returns lines that every screen shows as they are."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_LINES:
        raise refuse_part("lines")
    return tuple(_read_line(line) for line in value)


def read_notes(value: object) -> tuple[bytes, ...]:
    """Returns the hashes of notes, ascending, so that a set of notes has one form."""
    if not isinstance(value, list) or not 0 < len(value) <= MOST_NOTES:
        raise refuse_part("notes_sha256")
    notes = tuple(read_hash(note, "notes_sha256") for note in value)
    if any(note >= following for note, following in pairwise(notes)):
        raise refuse_part("notes_sha256")
    return notes


def read_subjects(value: object) -> SubjectList:
    """Returns a list of subjects by its hash."""
    if not isinstance(value, dict) or value.keys() != {"count", "kind", "sha256"}:
        raise refuse_part("subjects")
    count, kind = value["count"], value["kind"]
    # JSON's true is an int in Python.
    if type(count) is not int or not 0 < count <= MOST_SUBJECTS:
        raise refuse_part("subjects")
    if not isinstance(kind, str) or kind not in list(SubjectKind):
        raise refuse_part("subjects")
    return SubjectList(SubjectKind(kind), count, read_hash(value["sha256"], "subjects"))


def refuse_part(part: str) -> Refusal:
    """Returns the refusal of a purpose that has not the one valid form."""
    return Refusal("PURPOSE_MALFORMED", Code.INVALID_ARGUMENT, {"part": part})


def _read_line(value: object) -> str:
    if not isinstance(value, str) or len(value) > MOST_LINE_CHARACTERS:
        raise refuse_part("lines")
    categories = [unicodedata.category(character) for character in value]
    # A line of nothing but spaces could hide between two others.
    if all(category == "Zs" for category in categories) or not _UNSHOWABLE.isdisjoint(categories):
        raise refuse_part("lines")
    if not _ORDER_MARKS.isdisjoint(value):
        raise refuse_part("lines")
    return value
