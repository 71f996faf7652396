"""What a benchmark keeps of its last run, and how it compares the next one with it."""

import json
from pathlib import Path

from benchmarks.results import compare, keep, write_aim


def test_second_run_is_compared_with_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    assert not list(keep("card", {"ratio": 1.0, "old": 2.0}, folder))
    kept = json.loads((folder / "card.json").read_text())
    assert kept["figures"] == {"ratio": 1.0, "old": 2.0}
    assert kept["cores"] >= 1
    assert kept["commit"]
    headline, *lines = keep("card", {"ratio": 1.5, "new": 12_345.6}, folder)
    assert headline == f"compared with {kept['date']}, commit {kept['commit']}, {kept['cores']} cores:"
    assert [line.split() for line in lines] == [
        ["ratio", "1", "→", "1.5", "+50%"],
        ["old", "2", "→", "–"],
        ["new", "–", "→", "12,346"],
    ]
    assert json.loads((folder / "card.json").read_text())["figures"] == {"ratio": 1.5, "new": 12_345.6}


def test_change_from_nothing_has_no_percentage() -> None:
    assert [line.split() for line in compare({"pings": 0.0}, {"pings": 3.0})] == [["pings", "0", "→", "3"]]


def test_aim_is_kept_or_missed() -> None:
    assert write_aim("p50", 0.9, 0.9, unit=" s") == "  p50: 0.9 s, aim ≤ 0.9 s: kept"
    assert write_aim("p50", 0.95, 0.9, unit=" s") == "  p50: 0.95 s, aim ≤ 0.9 s: MISSED"
    assert write_aim("rate", 0.44, 0.45, most=False) == "  rate: 0.44, aim ≥ 0.45: MISSED"
