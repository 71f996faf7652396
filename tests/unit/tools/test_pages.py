"""The pages name files of this repository; a reader must find every one of them."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *(str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md")),
]
FILE = re.compile(r"`([\w][\w./-]*\.(?:py|proto|yaml|toml|md|html|csv))`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
# Files of a reader's own deployment, and names that stand for any file.
ELSEWHERE = {"callers.yaml", "overlay.yaml", "values.yaml", "saitama-values.yaml", "settings.yaml", "trust.yaml"}


@cache
def repository_files() -> list[str]:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return ["/" + name for name in tracked.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES)
def test_files_named_in_a_page_exist(page: str) -> None:
    names = set(FILE.findall((ROOT / page).read_text("utf-8"))) - ELSEWHERE
    assert sorted(name for name in names if not any(file.endswith("/" + name) for file in repository_files())) == []


@pytest.mark.parametrize("page", PAGES)
def test_tests_named_in_a_page_exist(page: str) -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / page).read_text("utf-8"))
    assert [name for file, name in named if f"def {name}(" not in (ROOT / file).read_text("utf-8")] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    targets = LINK.findall((ROOT / page).read_text("utf-8"))
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []
