"""argon2id (RFC 9106), outside of the event loop and with a limited number of threads."""

import asyncio
import ctypes
import os
import time
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# The second configuration in OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane. The passwords are
# random (46 bits), so that this cost is enough against a stolen table, and a search stays short.
_TIME_COST = 2
_MEMORY_KIB = 19 * 1024
_PARALLELISM = 1
# Seconds until the answer to a failed search, whatever the cause of the failure: at least this many, and at least this
# many times the duration of a verification.
_SHORTEST_ANSWER = 0.2
_ANSWER_IN_VERIFICATIONS = 3


class PasswordHashing:
    """Hashes and verifies passwords.

    Searches and the issue of passwords have separate threads, so that a batch of letters does not delay contractors.
    """

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)
        self._search_threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="search")
        self._issue_threads = ThreadPoolExecutor(1, thread_name_prefix="issue")
        # The hash of an unknown random value, for bidders without a password.
        self._no_password = self._hasher.hash(os.urandom(32))
        started = time.perf_counter()
        self._matches(self._no_password, "")
        verification = time.perf_counter() - started
        # Seconds that a failed search takes at least.
        self.answer_seconds = max(_SHORTEST_ANSWER, _ANSWER_IN_VERIFICATIONS * verification)
        _return_memory()

    async def matches(self, encoded: str | None, password: str) -> bool:
        """Returns whether a password has this hash; without a hash False, after the same time."""
        loop = asyncio.get_running_loop()
        is_right = await loop.run_in_executor(
            self._search_threads, self._matches, encoded or self._no_password, password
        )
        return is_right and encoded is not None

    async def hash(self, password: str) -> str:
        """Returns the hash of a password with its parameters and a random salt, in the usual text form."""
        return await asyncio.get_running_loop().run_in_executor(self._issue_threads, self._hasher.hash, password)

    def close(self) -> None:
        """Stops the threads."""
        self._search_threads.shutdown(wait=False)
        self._issue_threads.shutdown(wait=False)

    def _matches(self, encoded: str, password: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False


def _return_memory() -> None:
    """Gives the 19 MiB of a hash in this thread back to the system, which glibc keeps after they are freed."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # A function of glibc's own.
    if trim is not None:
        trim(0)
