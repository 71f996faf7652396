"""Memory of each service at rest, and how long the whole system takes to start."""

import tempfile
from pathlib import Path

from operator_command.launcher.instance import running_instance
from operator_command.launcher.processes import Process

ROOT = Path(__file__).parents[1]


async def measure() -> None:
    """Starts the instance twice, the second time with existing databases, and prints both times and the memory."""
    with tempfile.TemporaryDirectory(prefix="toroku-bench-") as folder:
        Path(folder).chmod(0o711)
        for which in ("first start", "second start"):
            async with running_instance(ROOT / "profiles" / "saitama.yaml", Path(folder) / "state") as instance:
                seconds = ", ".join(f"{step} {took:.1f}" for step, took in instance.timings.items())
                print(f"{which}: {max(instance.timings.values()):.1f} s ({seconds})")
                if which == "second start":
                    for process in instance.processes:
                        print(f"{process.name:<32} {_resident_megabytes(process):6.1f} MB")


def _resident_megabytes(process: Process) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(kilobytes) / 1024
