"""The number of processors follows the quota of the control group, and every pool of threads follows that number."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from servicekit.processors import count_processors
from tests.support.processors import one_processor

ALL = len(os.sched_getaffinity(0))
# Needs more threads than a service has, and prints how many it has.
PROGRAM = """
import asyncio, threading, time
from servicekit import program

async def serve():
    await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(20)))
    print(threading.active_count() - 1)

program.run("front-door", {"serve": serve}, mistakes=LookupError)
"""


def count(root: Path, files: Mapping[str, str]) -> int:
    """Returns the number in a system with these files."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{content}\n")
    return count_processors(root)


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "100000 100000"},
        # Half a processor, and one and a half, are computed with by one thread.
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "50000 100000"},
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"},
        # The quota of a group above counts as well.
        {
            "proc/self/cgroup": "0::/pod/container",
            "sys/fs/cgroup/pod/container/cpu.max": "max 100000",
            "sys/fs/cgroup/pod/cpu.max": "20000 20000",
        },
        # A container that is told its path on the node, and sees its own group only.
        {"proc/self/cgroup": "0::/kubepods/pod1", "sys/fs/cgroup/cpu.max": "100000 100000"},
        {
            "proc/self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/docker/1\n0::/docker/1",
            "sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us": "100000",
        },
        {
            "proc/self/cgroup": "4:cpuacct,cpu:/docker/1",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "50000",
        },
    ],
)
def test_quota_of_the_control_group_counts(files: Mapping[str, str], tmp_path: Path) -> None:
    assert count(tmp_path, files) == 1


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"},
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": f"{(ALL + 1) * 100000} 100000"},
        # Of cpuset and cpuacct, not of cpu.
        {
            "proc/self/cgroup": "4:cpuset,cpuacct:/",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "10000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "10000",
        },
        {
            "proc/self/cgroup": "4:cpu:/",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    ],
)
def test_without_a_quota_all_processors_count_that_the_process_may_use(
    files: Mapping[str, str], tmp_path: Path
) -> None:
    assert count(tmp_path, files) == ALL


def test_processors_that_the_process_may_not_use_do_not_count(tmp_path: Path) -> None:
    with one_processor():
        assert count(tmp_path, {}) == 1


def test_threads_of_a_service_follow_its_processors() -> None:
    with one_processor():
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM, "serve"],
            env={"PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    # One that computes, and four for work that waits.
    assert run.stdout == "5\n"
