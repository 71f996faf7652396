"""How root starts PostgreSQL, which refuses to run as root: as another user, without opening closed folders to all.

That user may put links into its own folders at any time. So root gives a folder away once, when it is new, and changes
nothing below it afterwards: what has to be done there is done as that user, in a folder that was opened without
following a link.
"""

import contextlib
import errno
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from refusals import Code, Refusal

USER = "nobody"
# Entering a folder that is closed to others (a checkout in /root) needs a capability. The narrower one comes first; in
# an ordinary container root has only the second.
CAPABILITIES = ("dac_read_search", "dac_override")

_RUN_IN_FOLDER = "import os, sys; os.fchdir(int(sys.argv[1])); os.execvp(sys.argv[2], sys.argv[2:])"


def make_parent_death_prefix(signal_name: str) -> tuple[str, ...]:
    """Returns a command prefix that makes the kernel send a signal to the command when the thread that started it ends.

    Empty on systems without that feature (macOS, Windows): there a killed launcher leaves its processes behind.
    """
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", signal_name) if setpriv else ()


def find_database_owner() -> tuple[int, int] | None:
    """Returns the user and group that must own the database's files; None if we are not root and own them ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(USER)
    return entry.pw_uid, entry.pw_gid


def choose_command_prefix(binary: Path, directory: Path) -> tuple[str, ...]:
    """Returns the prefix for PostgreSQL's commands with which they may run, and reach `binary` and `directory`.

    For root, the prefix changes to the user nobody: without capabilities if that suffices, else with the one that
    allows entering closed folders. PostgreSQL calls access(2), which ignores capabilities unless
    SECBIT_NO_SETUID_FIXUP is set. `directory` must belong to that user. Raises DATABASE_USER_CANNOT_REACH.
    """
    shutdown_prefix = make_parent_death_prefix("INT")  # SIGINT is PostgreSQL's fast shutdown.
    owner = find_database_owner()
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


def require_own_folder(folder: Path) -> None:
    """Checks, if we are root, that no other user can replace what is in `folder`; raises STATE_OF_ANOTHER_USER."""
    if os.geteuid() != 0:
        return
    status = folder.stat()
    if status.st_uid != 0 or status.st_mode & stat.S_IWOTH:
        raise refuse_folder(folder)


def make_database_folder(folder: Path) -> None:
    """Creates a folder for the database's user in a folder of ours, or keeps the one that it has already.

    Raises STATE_OF_ANOTHER_USER for a link, or a folder of a third user.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    descriptor = open_folder(folder)
    try:
        owner = find_database_owner()
        user = os.fstat(descriptor).st_uid
        if owner is None or user == owner[0]:
            return
        if user != os.geteuid():
            raise refuse_folder(folder)
        os.fchown(descriptor, *owner)
    finally:
        os.close(descriptor)


def open_folder(folder: Path | str, parent: int | None = None) -> int:
    """Returns a descriptor of a folder; raises STATE_OF_ANOTHER_USER for a link or a file, FileNotFoundError."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise refuse_folder(folder) from error
        raise


def run_in_folder(prefix: Sequence[str], folder: int, *command: str) -> bool:
    """Runs a command with `prefix`, which makes it another user's, in an open folder; returns whether it succeeded."""
    # After the start, the folder may have another name, or its name lead elsewhere: only the descriptor is certain.
    completed = subprocess.run(
        [sys.executable, "-c", _RUN_IN_FOLDER, str(folder), *prefix, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(folder,),
    )
    return completed.returncode == 0


def refuse_folder(folder: Path | str) -> Refusal:
    """Returns the refusal of a folder in which another user could lead us elsewhere."""
    return Refusal("STATE_OF_ANOTHER_USER", Code.FAILED_PRECONDITION, {"path": str(folder)})


def _can_reach(prefix: Sequence[str], binary: Path, directory: Path) -> bool:
    command = [*prefix, "sh", "-c", 'test -x "$1" && test -w "$2"', "can-reach", str(binary), str(directory)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
