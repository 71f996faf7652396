"""What a benchmark measured, kept in `.toroku/bench` to compare the next run with."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".toroku" / "bench"


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one benchmark by name, and a sentence for each thing that it may not do and does."""

    figures: Mapping[str, float] = field(default_factory=dict)
    faults: Sequence[str] = ()


def keep(name: str, figures: Mapping[str, float], folder: Path = FOLDER) -> Iterator[str]:
    """Stores the figures of a benchmark in place of the last ones; yields lines that compare both."""
    file = folder / f"{name}.json"
    previous: dict[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    content = {"commit": _read_commit(), "date": datetime.now(UTC).isoformat(timespec="seconds"), "cores": _cores()}
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content | {"figures": dict(figures)}, indent=1, ensure_ascii=False), "utf-8")
    if not previous:
        return
    yield f"compared with {previous['date']}, commit {previous['commit']}, {previous['cores']} cores:"
    yield from compare(previous["figures"], figures)


def compare(previous: Mapping[str, float], current: Mapping[str, float]) -> Iterator[str]:
    """Yields a line for each figure of either run, with the change in per cent where there is one to tell."""
    for name in dict.fromkeys([*previous, *current]):
        before, after = previous.get(name), current.get(name)
        if before is None or after is None:
            yield f"  {name:<52} {_write(before):>10} → {_write(after):>10}"
        else:
            change = f"{after / before - 1:+.0%}" if before else ""
            yield f"  {name:<52} {_write(before):>10} → {_write(after):>10} {change:>6}"


def write_aim(name: str, measured: float, aim: float, *, unit: str = "", most: bool = True) -> str:
    """Returns a line that says whether an aim is kept: at most `aim`, or at least."""
    kept = measured <= aim if most else measured >= aim
    sign = "≤" if most else "≥"
    return f"  {name}: {measured:.3g}{unit}, aim {sign} {aim:g}{unit}: {'kept' if kept else 'MISSED'}"


def _write(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:,.4g}" if abs(figure) < 10_000 else f"{figure:,.0f}"


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _read_commit() -> str:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], cwd=ROOT, capture_output=True, text=True
    )
    return described.stdout.strip() or "unknown"
