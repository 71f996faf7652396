"""Tries faults: each test passes in a copy of the repository, and fails in it with its fault."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.row_faults.fault import Fault
from tools.row_faults.tree_copy import TreeCopy, copy_tree

# Seconds until a run is given up, and until a run that was told to end has removed what it started.
TIME_OUT, FAREWELL = 900, 30
# How pytest ends where all tests passed, and where some failed.
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a part of a test ended (`setup`, `call` or `teardown`); of the first and the last only failures are recorded.

    `test` is a node id with its parameters; `is_expected` says that an error is an assertion, or a refusal.
    """

    test: str
    part: str
    passed: bool
    error: str = ""
    is_expected: bool = False


@dataclass(frozen=True, slots=True)
class TestRun:
    """A run of pytest: its exit status, the outcomes of its tests, and what it printed."""

    __test__ = False  # pytest takes it for a class of tests otherwise

    status: int
    outcomes: Sequence[Outcome]
    text: str

    def of_test(self, node_id: str) -> list[Outcome]:
        """Returns the outcomes of one test, for all its parameters."""
        return [outcome for outcome in self.outcomes if outcome.test.partition("[")[0] == node_id]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a fault was found by its test, and the error that the test showed, or the reason why it was not."""

    fault: Fault
    is_found: bool
    text: str


def find_obstacle(run: TestRun, test: str) -> str:
    """Returns why a test does not pass without its fault; empty where it does."""
    outcomes = run.of_test(test)
    if failed := [outcome for outcome in outcomes if not outcome.passed]:
        return f"fails without the fault, in its {failed[0].part}: {failed[0].error}"
    return "" if outcomes else f"did not run: {_read_end(run)}"


def judge_fault(fault: Fault, run: TestRun) -> Verdict:
    """Returns whether a test found its fault: it failed itself, by an assertion or a refusal, and by nothing else."""
    failed = [outcome for outcome in run.of_test(fault.test) if not outcome.passed]
    if run.status == _PASSED:
        return Verdict(fault, False, "passes with the fault")
    if run.status != _FAILED or not failed:
        return Verdict(fault, False, f"did not run with the fault: {_read_end(run)}")
    for outcome in failed:
        if outcome.part != "call" or not outcome.is_expected:
            return Verdict(fault, False, f"breaks with the fault, in its {outcome.part}: {outcome.error}")
    return Verdict(fault, True, failed[0].error)


def _read_end(run: TestRun) -> str:
    return " | ".join(line for line in run.text.splitlines()[-3:] if line) or f"exit status {run.status}"


async def try_faults(
    root: Path, faults: Sequence[Fault], *, at_a_time: int, report: Callable[[Verdict], None]
) -> list[Verdict]:
    """Returns the verdict on each fault, and reports each as it comes; at most `at_a_time` faults are tried at once.

    Nothing outside of temporary folders is written, and every process that was started is ended.
    """
    with TemporaryDirectory(prefix="row-faults-") as folder:
        Path(folder).chmod(0o755)
        free: asyncio.Queue[TreeCopy] = asyncio.Queue()
        for number in range(min(at_a_time, len(faults))):
            free.put_nowait(copy_tree(root, Path(folder) / str(number)))

        @asynccontextmanager
        async def take_copy() -> AsyncIterator[TreeCopy]:
            copy = await free.get()
            try:
                yield copy
            finally:
                free.put_nowait(copy)

        async with take_copy() as copy:
            unharmed = await run_tests(copy, sorted({fault.test for fault in faults}))

        async def try_fault(fault: Fault) -> Verdict:
            if obstacle := find_obstacle(unharmed, fault.test):
                verdict = Verdict(fault, False, obstacle)
            else:
                async with take_copy() as copy:
                    with copy.having(fault):
                        verdict = judge_fault(fault, await run_tests(copy, [fault.test]))
            report(verdict)
            return verdict

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(try_fault(fault)) for fault in faults]
        return [task.result() for task in tasks]


async def run_tests(copy: TreeCopy, tests: Sequence[str]) -> TestRun:
    """Runs tests in a copy, in one process."""
    with TemporaryDirectory(prefix="run-", dir=copy.folder.parent) as folder:
        recorded, printed = Path(folder) / "outcomes.jsonl", Path(folder) / "output.txt"
        recorded.touch()
        command = [str(copy.python), "-m", "pytest", "-p", "tools.row_faults.outcomes", f"--outcomes={recorded}"]
        async with _running([*command, "-p", "no:cacheprovider", *tests], copy, printed) as process:
            async with asyncio.timeout(TIME_OUT):
                status = await process.wait()
        outcomes = [Outcome(**json.loads(line)) for line in recorded.read_text("utf-8").splitlines()]
        return TestRun(status, outcomes, printed.read_text("utf-8", errors="replace"))


@asynccontextmanager
async def _running(command: Sequence[str], copy: TreeCopy, printed: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Starts a command in the copy, as a session of its own, all of which is ended with the block.

    It prints into a file: whatever it leaves behind would hold a pipe open.
    """
    with printed.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=copy.folder,
            env=_select_variables(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            # As Ctrl-C: pytest removes what its fixtures started.
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), FAREWELL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _select_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of a run: none that adds code from elsewhere."""
    return {name: value for name, value in environment.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
