"""Ends the processes that a killed launcher or a killed PostgreSQL left behind, before the next server starts."""

import contextlib
import os
import select
import signal
from collections.abc import Callable
from pathlib import Path

PID_FILE = "postmaster.pid"
MOST_BYTES = 4096

# Seconds to wait before escalating to the next signal.
ESCALATION_SECONDS = 30.0


def end_stale_server(data: Path, descriptor: int, *, remove: Callable[[str], object]) -> None:
    """Ends every server process that works in the data folder, and returns when all have ended.

    The caller holds the folder's lock, so no launcher needs them. The postmaster is asked for a fast shutdown; its
    children end soon after it. Until then a new server refuses to start, because they may still write. A
    postmaster.pid whose number has passed to another program is removed, because it too would prevent the start.
    `descriptor` is the open data folder; `remove` removes a file in it, as the user whose folder it is.
    Reads /proc; on a system without it, PostgreSQL's own checks have to suffice.
    """
    user = os.fstat(descriptor).st_uid
    postmaster = _read_postmaster(descriptor)
    processes = _find_processes(data, user)
    if postmaster in processes:
        _end(postmaster, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
    elif Path("/proc").is_dir():
        remove(PID_FILE)
    for process in processes - {postmaster}:
        _end(process, (signal.SIGCONT, signal.SIGKILL))


def _read_postmaster(data: int) -> int:
    """Returns the process id in postmaster.pid, -1 if there is none."""
    try:
        # Neither a link nor a named pipe, which has no end, may stand for the file.
        file = os.open(PID_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=data)
        with os.fdopen(file, "rb") as stream:
            return int(stream.read(MOST_BYTES).splitlines()[0])
    except (OSError, ValueError, IndexError, TypeError):
        return -1


def _find_processes(folder: Path, user: int) -> set[int]:
    """Returns the processes of `user` that work in `folder`, as every server process does in its data folder."""
    processes = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if process.stat().st_uid == user and (process / "cwd").readlink() == folder:
                processes.add(int(process.name))
    return processes


def _end(process: int, signals: tuple[signal.Signals, ...]) -> None:
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        return
    try:
        for number in signals:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            if select.select([descriptor], [], [], ESCALATION_SECONDS)[0]:
                return
    finally:
        os.close(descriptor)
