"""argon2id (RFC 9106) of one-time codes, outside of the event loop."""

import asyncio
import os

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from servicekit.free_memory import give_back_free_memory

# The second configuration in OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. A code is random, so
# this is enough against a stolen table.
_TIME_COST = 2
_MEMORY_KIB = 19 * 1024
_PARALLELISM = 1
# An invitation is accepted once in years; more codes at a time are guesses.
_AT_ONCE = 1


class CodeHashing:
    """Hashes and verifies one-time codes, one at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)
        # The hash of an unknown random value, for persons without an invitation.
        self._no_code = self._hasher.hash(os.urandom(32))
        self._turns = asyncio.Semaphore(_AT_ONCE)
        give_back_free_memory()

    async def matches(self, encoded: str | None, code: str) -> bool:
        """Returns whether a code has this hash; without a hash False, after the same time."""
        async with self._turns:
            is_right = await asyncio.to_thread(self._matches, encoded or self._no_code, code)
        return is_right and encoded is not None

    async def hash(self, code: str) -> str:
        """Returns the hash of a code with its parameters and a random salt, in the usual text form."""
        async with self._turns:
            return await asyncio.to_thread(self._hash, code)

    def _hash(self, code: str) -> str:
        try:
            return self._hasher.hash(code)
        finally:
            give_back_free_memory()

    def _matches(self, encoded: str, code: str) -> bool:
        try:
            return self._hasher.verify(encoded, code)
        except (VerificationError, InvalidHashError):
            return False
        finally:
            give_back_free_memory()
