"""The hash of a list of subjects, for an act that names many."""

from collections.abc import Iterable
from hashlib import sha256

import rfc8785

from signed_acts.keys import MOST_SUBJECTS, SUBJECT_IDS, SubjectKind, SubjectList, read_text, refuse_part


def hash_subjects(kind: SubjectKind, ids: Iterable[str]) -> SubjectList:
    """Returns the hash and the number of subjects: bidder ids, SHA-256 of certificates in hexadecimal, or person ids.

    Hashed is the JSON array of the ids in the form of RFC 8785, ascending, so that a set of subjects has one hash.
    Raises PURPOSE_MALFORMED, with `part`, for no subject, for one that stands there twice, or for a malformed id.
    """
    subjects = sorted(read_text(subject, "subjects", SUBJECT_IDS[kind]) for subject in ids)
    if not 0 < len(subjects) <= MOST_SUBJECTS or len(set(subjects)) != len(subjects):
        raise refuse_part("subjects")
    return SubjectList(kind, len(subjects), sha256(rfc8785.dumps(subjects)).digest())
