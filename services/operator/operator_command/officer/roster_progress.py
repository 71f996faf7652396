"""The progress of a long operation of the registry: a bar in a terminal, a line for each step elsewhere."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from operator_command.speech import Phrase, Speech
from toroku.qualification.v1.bidder_pb2 import Progress

STEPS = {
    "receive": Phrase("ファイルの送信", "sending the file"),
    "read": Phrase("読取り", "reading"),
    "check": Phrase("検査", "checking"),
    "compare": Phrase("前の版との照合", "comparing with the last version"),
    "write": Phrase("取込み", "importing"),
    "hash": Phrase("パスワードの発行", "issuing passwords"),
}

# Width of tables where there is no terminal to ask.
PLAIN_WIDTH = 160


def make_console() -> Console:
    """Returns standard output, as wide as the terminal, or PLAIN_WIDTH wide where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


class ProgressDisplay:
    """Displays progress while its block runs."""

    def __init__(self, console: Console, speech: Speech) -> None:
        self._console = console
        self._speech = speech
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
            self._print_last()

    def show(self, progress: Progress) -> None:
        """Displays the next progress message."""
        if self._bars is None:
            if self._last is not None and self._last.step != progress.step:
                self._print_last()
            self._last = progress
            return
        if progress.step not in self._tasks:
            for step in self._bars.tasks:
                self._bars.update(step.id, total=step.completed or 1, completed=step.completed or 1)
            self._tasks[progress.step] = self._bars.add_task(self._name(progress.step), total=None)
        task = self._tasks[progress.step]
        self._bars.update(task, completed=progress.done, total=progress.total or None)

    def _print_last(self) -> None:
        if self._last is not None:
            of_total = f" / {self._last.total:,}" if self._last.total else ""
            # Some steps are not counted.
            name, count = self._name(self._last.step), f"{self._last.done:,}{of_total}"
            counted = Phrase(f"{name}：{count}", f"{name}: {count}")
            self._console.print(self._speech.say(counted) if self._last.done else name, highlight=False, markup=False)
        self._last = None

    def _name(self, step: str) -> str:
        return self._speech.say(STEPS[step]) if step in STEPS else step
