"""Follows the feed of an agency, and answers from a copy of it whether a card is good there.

How to use it: docs/howto/follow-the-feed.md.

judgement     whether a card is good, by what was stored: also while the instance is away
store         what a subscriber needs of the database in which it stores; an agency may write its own
sqlite_store  one such store, in a file
snapshot      verifies a signed snapshot before anything of it is stored
subscriber    follows the feed into a store, and begins from a snapshot where it has to
connection    a channel as the feed needs it, and the reason of a refused call

Needs `toroku-api[feed]`, and nothing else of Toroku.
"""

from toroku_feed.connection import open_channel, read_reason
from toroku_feed.judgement import Answer, LocalAnswers, judge
from toroku_feed.snapshot import SnapshotRefused, Trust, load_public_keys
from toroku_feed.sqlite_store import SqliteStore
from toroku_feed.store import Feed, FeedStore, Position, PositionMoved, Progress
from toroku_feed.subscriber import Subscriber

__all__ = [
    "Answer",
    "Feed",
    "FeedStore",
    "LocalAnswers",
    "Position",
    "PositionMoved",
    "Progress",
    "SnapshotRefused",
    "SqliteStore",
    "Subscriber",
    "Trust",
    "judge",
    "load_public_keys",
    "open_channel",
    "read_reason",
]
