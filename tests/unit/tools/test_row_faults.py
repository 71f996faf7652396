"""Deliberate faults of rows that are met: each fits its file and its test, and a trial finds or reports it."""

import asyncio
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tools.requirement_marks import MarkedTest, find_marked_tests
from tools.requirement_table import ROOT
from tools.row_faults.fault import Fault
from tools.row_faults.faults import FAULTS, MODEL_FAULTS
from tools.row_faults.rules import list_model_problems, list_problems
from tools.row_faults.tree_copy import copy_tree
from tools.row_faults.trial import Verdict, run_tests, try_faults

# A distribution of a repository, and its tests: one asks a process of its own, whose environment is empty.
FILES = {
    "pyproject.toml": "[tool.pytest.ini_options]\n",
    "services/shop/pyproject.toml": '[project]\nname = "shop"\n',
    "services/shop/shop/__init__.py": "PRICE = 3\nNAME = '見本'\n",
    "tests/contract/test_shop.py": """
import subprocess, sys, time
from pathlib import Path
import pytest
import shop

@pytest.mark.parametrize("times", [1, 2])
def test_price(times):
    asked = subprocess.run([sys.executable, "-c", "import shop; print(shop.PRICE)"], env={}, capture_output=True)
    assert asked.stdout == b"3\\n"

def test_nothing():
    pass

def test_service():
    if shop.PRICE == 5:
        raise Refusal()

class Refusal(Exception):
    reason = "INTERNAL_FAILURE"

def test_wrong():
    assert shop.PRICE == 4

def test_endless():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    time.sleep(600)
""",
}
PRICE = Fault(
    row="SHO-01",
    breaks="It costs more.",
    file="services/shop/shop/__init__.py",
    old="PRICE = 3",
    new="PRICE = 5",
    test="tests/contract/test_shop.py::test_price",
)
MARKED = {"SHO-01": [MarkedTest(PRICE.test, is_met=True)]}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a distribution and tests, of which nothing is committed; its tests need no further plugins."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, "utf-8")
    (tmp_path / "tools" / "row_faults").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "row_faults" / "outcomes.py", tmp_path / "tools" / "row_faults")
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_faults_of_the_repository_fit_its_rows_files_and_tests() -> None:
    assert list_problems(FAULTS, find_marked_tests(ROOT), ROOT) == []
    assert list_model_problems(MODEL_FAULTS, ROOT) == []


@pytest.mark.parametrize(
    ("faults", "problem"),
    [
        ([], "SHO-01 is met and has no fault"),
        ([PRICE, PRICE], "SHO-01 has more than one fault"),
        ([PRICE, replace(PRICE, row="SHO-02")], "SHO-02: the row is not met"),
        ([replace(PRICE, test=f"{PRICE.test}s")], "there is no such test with the row's mark"),
        ([replace(PRICE, file="services/shop/prices.py")], "there is no such file outside of tests"),
        ([replace(PRICE, file="tests/contract/test_shop.py", old="600", new="1")], "no such file outside of tests"),
        ([replace(PRICE, old="PRICE = 4")], "has the text to replace 0 times"),
        ([replace(PRICE, old="=", new=":")], "has the text to replace 2 times"),
        ([replace(PRICE, new=PRICE.old)], "the fault changes nothing"),
        ([replace(PRICE, new="PRICE =")], "is no Python any more"),
    ],
)
def test_fault_that_does_not_fit_is_a_problem(root: Path, faults: list[Fault], problem: str) -> None:
    assert problem in "\n".join(list_problems(faults, MARKED, root))


def test_fault_that_fits_is_no_problem(root: Path) -> None:
    assert list_problems([PRICE], MARKED, root) == []


def test_fault_of_no_row_fits_its_file_and_its_test(root: Path) -> None:
    assert list_model_problems([PRICE], root) == []
    [no_text, no_test] = list_model_problems([replace(PRICE, old="PRICE = 4", test=f"{PRICE.test}s")], root)
    assert "has the text to replace 0 times" in no_text
    assert "there is no such test" in no_test


async def test_each_fault_is_found_by_its_test_or_reported_with_the_reason(root: Path) -> None:
    faults = [
        PRICE,
        replace(PRICE, row="SHO-02", test="tests/contract/test_shop.py::test_nothing"),
        replace(PRICE, row="SHO-03", test="tests/contract/test_shop.py::test_wrong"),
        # The module of the tests cannot be imported any more.
        replace(PRICE, row="SHO-04", new="PRICE = 3 / 0"),
        replace(PRICE, row="SHO-05", test="tests/contract/test_shop.py::test_service"),
    ]
    reported: list[Verdict] = []
    verdicts = await try_faults(root, faults, at_a_time=1, report=reported.append)
    assert {verdict.fault.row for verdict in reported} == {fault.row for fault in faults}
    found, passes, red_before, broken, unknown = verdicts
    assert (found.is_found, found.text) == (True, "AssertionError: assert b'5\\n' == b'3\\n'")
    assert (passes.is_found, passes.text) == (False, "passes with the fault")
    assert not red_before.is_found
    assert red_before.text == "fails without the fault, in its call: AssertionError: assert 3 == 4"
    assert not broken.is_found
    assert "did not run with the fault" in broken.text
    assert not unknown.is_found
    assert unknown.text.startswith("breaks with the fault, in its call: ")
    assert (root / PRICE.file).read_text("utf-8") == FILES[PRICE.file], "only copies are changed"


async def test_run_that_is_given_up_leaves_no_process(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = copy_tree(root, tmp_path_factory.mktemp("copies") / "0")
    running = asyncio.create_task(run_tests(copy, ["tests/contract/test_shop.py::test_endless"]))

    async def has_child() -> bool:
        return bool((copy.folder / "child").exists() and (copy.folder / "child").read_text())

    await wait_until(has_child, seconds=60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    child = int((copy.folder / "child").read_text())

    async def is_gone() -> bool:
        state = Path(f"/proc/{child}/stat")
        return not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"

    await wait_until(is_gone, seconds=60)
