"""Ends the processes that a killed launcher or a killed PostgreSQL left behind, before the next server starts."""

import contextlib
import os
import select
import signal
from pathlib import Path

# Seconds to wait before escalating to the next signal.
ESCALATION_SECONDS = 30.0


def end_stale_server(data: Path) -> None:
    """Ends every server process that works in the data folder, and returns when all have ended.

    The caller holds the folder's lock, so no launcher needs them. The postmaster is asked for a fast shutdown; its
    children end soon after it. Until then a new server refuses to start, because they may still write. A
    postmaster.pid whose number has passed to another program is removed, because it too would prevent the start.
    Reads /proc; on a system without it, PostgreSQL's own checks have to suffice.
    """
    file = data / "postmaster.pid"
    try:
        postmaster = int(file.read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        postmaster = -1
    processes = _find_processes(data)
    if postmaster in processes:
        _end(postmaster, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
    elif Path("/proc").is_dir():
        file.unlink(missing_ok=True)
    for process in processes - {postmaster}:
        _end(process, (signal.SIGCONT, signal.SIGKILL))


def _find_processes(folder: Path) -> set[int]:
    """Returns the processes whose working directory is `folder`, as every server process's is its data folder."""
    processes = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
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
