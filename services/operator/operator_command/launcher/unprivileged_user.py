"""PostgreSQL refuses to run as root. This finds how root starts it as another user, without opening any folder."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from refusals import Code, Refusal

USER = "nobody"
# Looking into a folder that is closed to others (a checkout in /root) needs a capability; the narrower one comes first.
# Linux gives only the second to root in an ordinary container.
CAPABILITIES = ("dac_read_search", "dac_override")


def dies_with_parent(signal_name: str) -> tuple[str, ...]:
    """The words before a command that let the kernel send it a signal when the thread that started it ends.

    Empty where the system has no such thing (macOS, Windows): there a killed launcher leaves its processes behind.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", signal_name) if setpriv else ()


def owner_of_database_files() -> tuple[int, int] | None:
    """User and group that the database's files must belong to; None where they stay ours, because we are not root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def words_before(binary: Path, directory: Path) -> tuple[str, ...]:
    """The words before a command of PostgreSQL, so that it may run and reach `binary` and its own `directory`.

    As root it becomes the user nobody, with no right but its own where these suffice, else with the one capability
    that lets it look into closed folders. PostgreSQL asks access(2), which forgets capabilities unless
    SECBIT_NO_SETUID_FIXUP is set. `directory` belongs to that user already. Raises DATABASE_USER_CANNOT_REACH.
    """
    leave_cleanly = dies_with_parent("INT")  # SIGINT is PostgreSQL's fast shutdown.
    owner = owner_of_database_files()
    if owner is None:
        return (*leave_cleanly, "--") if leave_cleanly else ()
    if leave_cleanly:
        user, group = map(str, owner)
        become = (*leave_cleanly, "--reuid", user, "--regid", group, "--clear-groups")
        choices = [become]
        for capability in CAPABILITIES:
            only = f"-all,+{capability}"
            rights = ("--inh-caps", only, "--ambient-caps", only, "--bounding-set", only)
            choices.append((*become, "--securebits", "+no_setuid_fixup", *rights))
        for choice in choices:
            prefix = (*choice, "--")
            if _reaches(prefix, binary, directory):
                return prefix
    metadata = {"path": str(directory), "program": str(binary), "user": USER}
    raise Refusal("DATABASE_USER_CANNOT_REACH", Code.FAILED_PRECONDITION, metadata)


def _reaches(prefix: Sequence[str], binary: Path, directory: Path) -> bool:
    asked = [*prefix, "sh", "-c", 'test -x "$1" && test -w "$2"', "reaches", str(binary), str(directory)]
    return subprocess.run(asked, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
