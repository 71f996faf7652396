"""How many processors a process may use: those of its control group's quota, not all that the node has."""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def count_processors(root: Path = _ROOT) -> int:
    """Returns how many threads can compute at a time without being throttled, at least 1.

    These are the processors that the calling thread may run on, or the whole ones of the smallest CPU quota of its
    control group and the groups above (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`) where that is less. `root` is the
    folder with `proc` and `sys`. (Python 3.13 has `os.process_cpu_count`, which knows no quota.)
    """
    quotas = [int(quota) for quota in _list_quotas(root)]
    return max(1, min([len(os.sched_getaffinity(0)), *quotas]))


def _list_quotas(root: Path) -> Iterator[float]:
    """Yields the quotas that are set, in processors."""
    groups = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _list_folders(groups, path):
                yield from _compute_quota(_read(folder / "cpu.max"))
        elif "cpu" in controllers.split(","):
            for folder in _list_folders(groups / "cpu", path):
                period = _read(folder / "cpu.cfs_period_us")
                yield from _compute_quota(f"{_read(folder / 'cpu.cfs_quota_us')} {period}")


def _list_folders(top: Path, path: str) -> Iterator[Path]:
    """Yields the folders of a group and of those above; a container may see its own group as the top one only."""
    folder = top / path.strip("/")
    yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(top)))


def _compute_quota(text: str) -> Iterator[float]:
    """Yields quota ÷ period; nothing where there is no file, or where it says that there is no quota (`max`, -1)."""
    quota, _, period = text.partition(" ")
    if quota.isdecimal() and period.isdecimal():
        yield int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
