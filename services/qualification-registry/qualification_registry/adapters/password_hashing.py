"""argon2id (RFC 9106), outside of the event loop and as often at a time as there are processors for it."""

import os
import time
from functools import partial

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from qualification_registry.adapters.hashing_threads import HashingThreads
from servicekit.free_memory import give_back_free_memory
from servicekit.processors import count_processors

# The second configuration in OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. The passwords are
# random (46 bits), so that this cost is enough against a stolen table, and a search stays short.
_TIME_COST = 2
_MEMORY_KIB = 19 * 1024
_PARALLELISM = 1
# Hashes at a time on a machine with more processors, if no quota says how many of them are ours: 304 MiB.
_MOST_AT_ONCE = 16
# Seconds until the answer to a failed search, whatever the cause of the failure: at least this many, and at least this
# many times the duration of a verification.
_SHORTEST_ANSWER = 0.2
_ANSWER_IN_VERIFICATIONS = 3


class PasswordHashing:
    """Hashes and verifies passwords.

    The issue of thousands of passwords takes all processors that searches leave: a search waits until one of the hashes
    under way is ready, and for no other letter.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)
        self._threads = HashingThreads(min(count_processors(), _MOST_AT_ONCE))
        # The hash of an unknown random value, for bidders without a password.
        self._no_password = self._hasher.hash(os.urandom(32))
        started = time.perf_counter()
        self._matches(self._no_password, "")
        verification = time.perf_counter() - started
        # Seconds that a failed search takes at least.
        self.answer_seconds = max(_SHORTEST_ANSWER, _ANSWER_IN_VERIFICATIONS * verification)
        # That of the two hashes above.
        give_back_free_memory()

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Returns whether a password has this hash; without a hash False, after the same time."""
        verify = partial(self._matches, encoded or self._no_password, password)
        is_right = await self._threads.run(verify, is_urgent=True)
        return is_right and encoded is not None

    async def hash(self, password: str) -> str:
        """Returns the hash of a password with its parameters and a random salt, in the usual text form."""
        return await self._threads.run(partial(self._hasher.hash, password), is_urgent=False)

    @property
    def at_once(self) -> int:
        """How many passwords are hashed or verified at a time."""
        return self._threads.number

    def close(self) -> None:
        """Stops the threads."""
        self._threads.close()

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
