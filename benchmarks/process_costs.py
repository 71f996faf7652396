"""CPU and memory of processes with their descendants, as Linux counts them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from operator_command.launcher.instance import Instance

DATABASE_SERVER = "PostgreSQL"
_TICK = os.sysconf("SC_CLK_TCK")
# Of /proc/<pid>/stat, counted from the state, which follows the name in parentheses (proc(5)).
_UTIME, _CSTIME = 11, 14


@dataclass(frozen=True, slots=True)
class Memory:
    """Megabytes: resident of one process, and proportional (each page shared by its users) with its descendants."""

    resident: float
    proportional: float


@dataclass(frozen=True, slots=True)
class Activity:
    """What threads have done: nanoseconds of CPU, and how often they were put on a processor."""

    nanoseconds: int = 0
    runs: int = 0

    def __add__(self, other: "Activity") -> "Activity":
        return Activity(self.nanoseconds + other.nanoseconds, self.runs + other.runs)

    def __sub__(self, other: "Activity") -> "Activity":
        return Activity(self.nanoseconds - other.nanoseconds, self.runs - other.runs)


def list_processes(instance: Instance) -> Mapping[str, int]:
    """Returns the ids of the instance's processes by name: services, workers, and the database server."""
    processes = {process.name: process.pid for running in instance.services.values() for process in running.processes}
    return processes | {DATABASE_SERVER: instance.postgresql.pid}


def read_cpu(pid: int) -> float:
    """Returns the CPU seconds of a process, of its descendants, and of those that have ended.

    One that ends at this moment may be missed: a parent counts it when it has waited for it.
    """
    return sum(sum(_read_ticks(each)) for each in _walk(pid)) / _TICK


def read_activities(pid: int) -> Mapping[str, Activity]:
    """Returns what a process and its descendants have done so far, by the name of the thread.

    The first thread of a process is `main`, or the title that its process gave itself, as PostgreSQL's do.
    """
    found: dict[str, Activity] = {}
    for process in _walk(pid):
        for thread in Path(f"/proc/{process}/task").iterdir():
            try:
                nanoseconds, _, runs = map(int, (thread / "schedstat").read_text().split())
                name = (thread / "comm").read_text().strip()
                title, _, _ = Path(f"/proc/{process}/cmdline").read_text().partition("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended
            if int(thread.name) == process:
                name = title.strip() if process != pid else "main"
            found[name] = found.get(name, Activity()) + Activity(nanoseconds, runs)
    return found


def read_memory(pid: int) -> Memory:
    """Returns the memory of a process."""
    proportional = sum(_read_kilobytes(each, "Pss") for each in _walk(pid))
    return Memory(_read_kilobytes(pid, "Rss") / 1024, proportional / 1024)


def _read_kilobytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise RuntimeError(f"the kernel tells no {name} of a process")


def _walk(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found = children.read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        for child in found:
            yield from _walk(int(child))


def _read_ticks(pid: int) -> list[int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []  # it has ended, and its parent's count has its ticks
    return [int(ticks) for ticks in stat.rpartition(") ")[2].split()[_UTIME : _CSTIME + 1]]
