"""A deliberate fault: an edit of one file that breaks what a requirement row says, and the test that fails by it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of a row.

    `breaks` says in a sentence what is broken by it. `old` occurs exactly once in `file` (a path in the repository) and
    is replaced by `new`. `test` is the node id (`path::name`) of the test that fails by it, which carries the row's
    mark. A fault of no row, which the model-based test finds, has a name of its own in the row's place.
    """

    row: str
    breaks: str
    file: str
    old: str
    new: str
    test: str
