"""The memory of password hashes: 19 MiB, which glibc keeps when they are freed."""

from pathlib import Path

from qualification_registry.adapters.password_hashing import PasswordHashing

# Less than one hash takes, in bytes.
MOST_GROWTH = 12 * 2**20


def test_memory_of_the_start_goes_back() -> None:
    before = resident_bytes()
    PasswordHashing().close()
    assert resident_bytes() < before + MOST_GROWTH


def resident_bytes() -> int:
    """The memory of this process."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) * 1024
