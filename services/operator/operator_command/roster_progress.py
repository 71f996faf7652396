"""How far a long operation of the registry has come: a bar in a terminal, a line for each step elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from toroku.qualification.v1.resources_pb2 import Progress

STEPS = {
    "receive": "受信 receive",
    "read": "読取 read",
    "check": "検査 check",
    "compare": "照合 compare",
    "write": "書込 write",
    "hash": "発行 issue",
}


class ShownProgress:
    """Shows progress while its block runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = (
            Bars(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
                transient=True,
            )
            if console.is_terminal
            else None
        )
        self._tasks: dict[str, TaskID] = {}
        self._last: Progress | None = None

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()
        elif error is None:
            self._say_last()

    def show(self, progress: Progress) -> None:
        """Takes the next news."""
        if self._bars is None:
            if self._last is not None and self._last.step != progress.step:
                self._say_last()
            self._last = progress
            return
        if progress.step not in self._tasks:
            self._finish_others()
            self._tasks[progress.step] = self._bars.add_task(_name(progress.step), total=None)
        task = self._tasks[progress.step]
        self._bars.update(task, completed=progress.done, total=progress.total or None)

    def _finish_others(self) -> None:
        assert self._bars is not None
        for task in self._tasks.values():
            completed = next(shown.completed for shown in self._bars.tasks if shown.id == task)
            self._bars.update(task, total=completed or 1, completed=completed or 1)

    def _say_last(self) -> None:
        if self._last is not None:
            of_total = f" / {self._last.total:,}" if self._last.total else ""
            self._console.print(f"{_name(self._last.step)}: {self._last.done:,}{of_total}", highlight=False)
        self._last = None


def _name(step: str) -> str:
    return STEPS.get(step, step)
