"""The cards that this process knows to be valid, so that nothing is validated twice while its validation stands."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias

from certificate_registry.domain.valid_card import ValidCard
from certificate_registry.pki.trust_store import TrustStore

# Cards of sessions, each of about 10 KB: more than sign in an hour, as long as a session lasts.
MOST_PROVEN = 1000
# Cards that somebody presented, for the minutes until they sign.
MOST_PRESENTED = 200

# A certificate and those that came with it, as far as the trust store does not have them (SHA-256).
_Key: TypeAlias = tuple[bytes, frozenset[bytes]]


class ValidCards:
    """The valid cards of one trust store: another CRL makes another trust store, of which nothing is known yet.

    A card stays valid while no instant passes, forwards or backwards, with which its validation compared its own.
    Refusals are not kept. Where a table is full, the card that was used longest ago is forgotten: strangers, who prove
    nothing, have a table of their own, and can neither fill the other one nor change its order.
    """

    def __init__(self, *, most_proven: int = MOST_PROVEN, most_presented: int = MOST_PRESENTED) -> None:
        self._most_proven = most_proven
        self._most_presented = most_presented
        self._proven: OrderedDict[_Key, ValidCard] = OrderedDict()
        self._presented: OrderedDict[_Key, ValidCard] = OrderedDict()
        self._trust_store: TrustStore | None = None
        self._known: frozenset[bytes] = frozenset()

    def find(
        self, certificate_sha256: bytes, others: Sequence[bytes], trust_store: TrustStore, now: datetime
    ) -> ValidCard | None:
        """Returns the card of a certificate that came with these others (DER); None where it has to be validated."""
        self._adopt(trust_store)
        key = (certificate_sha256, frozenset(sha256(der).digest() for der in others) - self._known)
        valid = self._proven.get(key) or self._presented.get(key)
        return valid if valid is not None and valid.stands.covers(now) else None

    def keep(self, valid: ValidCard, trust_store: TrustStore) -> None:
        """Keeps a card whose holder has just signed, or has a session, as the one that was used last."""
        if trust_store is not self._trust_store:
            return
        key = (valid.card.certificate_sha256, valid.brought)
        self._presented.pop(key, None)
        _put(self._proven, key, valid, self._most_proven)

    def keep_presented(self, valid: ValidCard, trust_store: TrustStore) -> None:
        """Keeps a card that was judged for a stranger."""
        if trust_store is not self._trust_store:
            return
        key = (valid.card.certificate_sha256, valid.brought)
        if key not in self._proven:
            _put(self._presented, key, valid, self._most_presented)

    def _adopt(self, trust_store: TrustStore) -> None:
        if trust_store is not self._trust_store:
            self._proven.clear()
            self._presented.clear()
            self._trust_store = trust_store
            self._known = frozenset(one.sha256 for one in trust_store.certificates)


def _put(table: OrderedDict[_Key, ValidCard], key: _Key, valid: ValidCard, most: int) -> None:
    table[key] = valid
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)
