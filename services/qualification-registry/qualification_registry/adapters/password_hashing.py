"""argon2id (RFC 9106), away from the event loop and only so many at once."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The second of the choices in OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. The passwords are
# random (46 bits), so what a stolen table costs to try is more than enough, and a refused search stays a short one.
_TIME_COST = 2
_MEMORY_KIB = 19 * 1024
_PARALLELISM = 1
# An answer to a failed search never comes sooner, whatever it was that did not fit.
_SHORTEST_ANSWER = 0.2
_ANSWER_IN_VERIFICATIONS = 3


class PasswordHashing:
    """Hashes and compares. Searches and the issuing of passwords have threads of their own, so that a batch of letters
    does not hold up a contractor."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)
        self._searching = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="search")
        self._issuing = ThreadPoolExecutor(1, thread_name_prefix="issue")
        # Of no password: nobody knows what was hashed.
        self._nobody = self._hasher.hash(os.urandom(32))
        started = time.perf_counter()
        self._matches(self._nobody, "")
        verification = time.perf_counter() - started
        # How long the answer to a failed search takes at least, in seconds.
        self.answer_seconds = max(_SHORTEST_ANSWER, _ANSWER_IN_VERIFICATIONS * verification)

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Whether a password is the hashed one. Without a hash it takes as long, and is not."""
        loop = asyncio.get_running_loop()
        right = await loop.run_in_executor(self._searching, self._matches, encoded or self._nobody, password)
        return right and encoded is not None

    async def hash(self, password: str) -> str:
        """The hash of a password, with its parameters and a salt of its own, in the usual text form."""
        return await asyncio.get_running_loop().run_in_executor(self._issuing, self._hasher.hash, password)

    def close(self) -> None:
        """Ends the threads."""
        self._searching.shutdown(wait=False)
        self._issuing.shutdown(wait=False)

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False
