"""CPU and memory as the benchmark reads them from the kernel."""

import os
import subprocess
import sys

from benchmarks.process_costs import read_cpu, read_memory

# proc(5) counts whole ticks, a hundredth of a second: up to one of `utime` and one of `stime` is lost of each process.
ROUNDING = 3 * 2 * 0.01

# Uses half a second of CPU in a child that ends and is waited for, and the same in one that goes on.
PROGRAM = """
import os, subprocess, sys, time
def work():
    while time.process_time() < 0.5: pass
if not os.fork():
    work(); os._exit(0)
os.wait()
if not os.fork():
    work(); print("worked", flush=True); sys.stdin.read(); os._exit(0)
os.wait()
"""


def test_descendants_are_counted_whether_they_have_ended_or_not() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"worked\n"
        assert 1.0 - ROUNDING <= read_cpu(process.pid) < 1.5
        memory = read_memory(process.pid)
        process.communicate()
    assert 1 < memory.resident < 100
    assert 1 < memory.proportional < 2 * memory.resident


def test_process_that_has_ended_used_nothing_more() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert read_cpu(process.pid) == 0
    assert read_cpu(os.getpid()) > 0
