"""What a killed launcher or a killed PostgreSQL leaves behind: ended before the next server starts."""

import contextlib
import os
import select
import signal
from pathlib import Path

# How long each of them may take to end before it is told more strongly.
PATIENCE_SECONDS = 30.0


def end_leftover_server(data: Path) -> None:
    """Returns when no process of a server stands in the data folder any more.

    The caller holds the lock of that folder, so nobody needs them. The first process is asked for a fast shutdown;
    the others end by themselves soon after it has. Until they have, a new server refuses to start, because they may
    still write. A postmaster.pid whose number belongs to somebody else by now is removed, since it would stop the
    start too. Looks at /proc; on a system without it, PostgreSQL is left to judge by itself.
    """
    file = data / "postmaster.pid"
    try:
        first = int(file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        first = -1
    standing = _processes_in(data)
    if first in standing:
        _end(first, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
    elif Path("/proc").is_dir():
        file.unlink(missing_ok=True)
    for process in standing - {first}:
        _end(process, (signal.SIGCONT, signal.SIGKILL))


def _processes_in(folder: Path) -> set[int]:
    """The processes whose working folder it is; every process of a server stands in its data folder."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found.add(int(process.name))
    return found


def _end(process: int, signals: tuple[signal.Signals, ...]) -> None:
    try:
        watched = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        for number in signals:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(watched, number)
            if select.select([watched], [], [], PATIENCE_SECONDS)[0]:
                return
    finally:
        os.close(watched)
