"""How root starts PostgreSQL, which refuses to run as root: as another user, without opening closed folders to all."""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from refusals import Code, Refusal

USER = "nobody"
# Entering a folder that is closed to others (a checkout in /root) needs a capability. The narrower one comes first; in
# an ordinary container root has only the second.
CAPABILITIES = ("dac_read_search", "dac_override")


def parent_death_prefix(signal_name: str) -> tuple[str, ...]:
    """Returns a command prefix that makes the kernel send a signal to the command when the thread that started it ends.

    Empty on systems without that feature (macOS, Windows): there a killed launcher leaves its processes behind.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", signal_name) if setpriv else ()


def owner_of_database_files() -> tuple[int, int] | None:
    """Returns the user and group that must own the database's files; None if we are not root and own them ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def command_prefix(binary: Path, directory: Path) -> tuple[str, ...]:
    """Returns the prefix for PostgreSQL's commands with which they may run, and reach `binary` and `directory`.

    For root, the prefix changes to the user nobody: without capabilities if that suffices, else with the one that
    allows entering closed folders. PostgreSQL calls access(2), which ignores capabilities unless
    SECBIT_NO_SETUID_FIXUP is set. `directory` must belong to that user. Raises DATABASE_USER_CANNOT_REACH.
    """
    shutdown_prefix = parent_death_prefix("INT")  # SIGINT is PostgreSQL's fast shutdown.
    owner = owner_of_database_files()
    if owner is None:
        return (*shutdown_prefix, "--") if shutdown_prefix else ()
    if shutdown_prefix:
        user, group = map(str, owner)
        as_nobody = (*shutdown_prefix, "--reuid", user, "--regid", group, "--clear-groups")
        choices = [as_nobody]
        for capability in CAPABILITIES:
            only = f"-all,+{capability}"
            rights = ("--inh-caps", only, "--ambient-caps", only, "--bounding-set", only)
            choices.append((*as_nobody, "--securebits", "+no_setuid_fixup", *rights))
        for choice in choices:
            prefix = (*choice, "--")
            if _can_reach(prefix, binary, directory):
                return prefix
    metadata = {"path": str(directory), "program": str(binary), "user": USER}
    raise Refusal("DATABASE_USER_CANNOT_REACH", Code.FAILED_PRECONDITION, metadata)


def _can_reach(prefix: Sequence[str], binary: Path, directory: Path) -> bool:
    command = [*prefix, "sh", "-c", 'test -x "$1" && test -w "$2"', "can-reach", str(binary), str(directory)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
