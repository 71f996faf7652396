"""The launcher's limit of open files, tried in processes of their own."""

import subprocess
import sys

import pytest

from operator_command.launcher.open_files import LEAST_FILES, describe_shortage

PROGRAM = (
    "import resource; from operator_command.launcher.open_files import raise_file_limit; "
    "print(raise_file_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
)


@pytest.mark.parametrize(("soft", "hard", "expected"), [(512, 8000, 8000), (8000, 8000, 8000), (512, 4096, 4096)])
def test_limit_is_raised_to_the_hard_one(soft: int, hard: int, expected: int) -> None:
    assert _raised(soft, hard) == (expected, expected)
    assert describe_shortage(expected) == ""


def test_hard_limit_is_raised_where_the_user_may() -> None:
    limit, soft = _raised(512, 1000)
    # Root may, unless its container took the capability away.
    assert limit == soft
    assert limit == LEAST_FILES or (limit == 1000 and "1000 files" in describe_shortage(limit))


def test_limit_that_stays_too_low_is_said() -> None:
    assert "1000 files, so the front door can't serve 2,000 connections" in describe_shortage(1000)


def _raised(soft: int, hard: int) -> tuple[int, int]:
    command = ["bash", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "bash"]
    done = subprocess.run([*command, sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    limit, now = map(int, done.stdout.split())
    return limit, now
