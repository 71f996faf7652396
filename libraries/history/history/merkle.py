"""The tree over a batch of entries (RFC 9162, 2.1). Leaves are given by their hashes: the digests of the entries."""

from collections.abc import Sequence
from hashlib import sha256

# A node of the tree, as opposed to a leaf (RFC 9162, 2.1.1).
_NODE = b"\x01"


def compute_root(leaves: Sequence[bytes]) -> bytes:
    """Returns the Merkle Tree Hash (RFC 9162, 2.1.1) of at least one leaf.

    Level by level: the tree with the largest power of two on its left is the one that pairs neighbours, and takes a
    last node without one along.
    """
    level = leaves
    while len(level) > 1:
        level = _pair(level)
    return level[0]


def compute_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Returns the inclusion proof of the leaf with this index from 0 (RFC 9162, 2.1.3.1)."""
    path = []
    level = leaves
    while len(level) > 1:
        if (index ^ 1) < len(level):
            path.append(level[index ^ 1])
        level = _pair(level)
        index >>= 1
    return path


def fold_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Returns the root to which an inclusion proof leads (RFC 9162, 2.1.3.2).

    Returns None where it can't be the proof of this index in a tree of this size.
    """
    if not 0 <= index < size:
        return None
    node, last = index, size - 1
    root = leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = _hash(sibling, root)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            root = _hash(root, sibling)
        node >>= 1
        last >>= 1
    return root if last == 0 else None


def _pair(level: Sequence[bytes]) -> list[bytes]:
    pairs = [sha256(_NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) & 1:
        pairs.append(level[-1])
    return pairs


def _hash(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
