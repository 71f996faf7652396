"""Tries the deliberate faults of the requirement rows that are met, and reports for each whether its test finds it.

`python -m tools.row_faults [ROW …]` tries all of them, or those of some rows, in copies of the working tree, and ends
with 1 where one is not found; `--jobs 2` tries two at a time. Those that the model-based test has to find are tried
with them (MODEL-LOCK, MODEL-ORDER, MODEL-VERSION). `--check` runs nothing: it compares the faults with the rows, the
files and the tests (tools/row_faults/rules.py), and ends with 1 where they do not fit.
"""

import argparse
import asyncio
import signal
import sys
from textwrap import shorten

from tools.requirement_marks import find_marked_tests
from tools.requirement_table import ROOT
from tools.row_faults.faults import FAULTS, MODEL_FAULTS
from tools.row_faults.rules import list_model_problems, list_problems
from tools.row_faults.trial import Verdict, try_faults


def main() -> None:
    """Checks the faults, and tries them without `--check`."""
    parser = argparse.ArgumentParser(prog="python -m tools.row_faults", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help="the rows whose faults are tried; all without one")
    parser.add_argument("--check", action="store_true", help="compare the faults with rows, files and tests only")
    parser.add_argument("--jobs", type=int, choices=(1, 2), default=1, help="how many faults are tried at a time")
    options = parser.parse_args()
    problems = [*list_problems(FAULTS, find_marked_tests(ROOT), ROOT), *list_model_problems(MODEL_FAULTS, ROOT)]
    if problems:
        sys.exit("\n".join(problems))
    faults = [fault for fault in (*FAULTS, *MODEL_FAULTS) if not options.rows or fault.row in options.rows]
    if unknown := set(options.rows) - {fault.row for fault in faults}:
        sys.exit(f"there is no fault of {', '.join(sorted(unknown))}; only rows that are met have one, and the model")
    if options.check:
        return
    # What was started is ended after `kill` too, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    print(f"trying {len(faults)} faults; first their tests without them", flush=True)
    verdicts = asyncio.run(try_faults(ROOT, faults, at_a_time=options.jobs, report=print_verdict))
    lost = [verdict.fault.row for verdict in verdicts if not verdict.is_found]
    print(f"{len(verdicts) - len(lost)} of {len(verdicts)} faults were found")
    if lost:
        sys.exit(f"not found: {', '.join(lost)}")


def print_verdict(verdict: Verdict) -> None:
    """Prints what the trial of a fault gave."""
    fault = verdict.fault
    print(f"{fault.row}  {'found' if verdict.is_found else 'NOT FOUND'}  {fault.breaks}")
    print(f"        {fault.test}\n        {shorten(verdict.text, 200)}", flush=True)


if __name__ == "__main__":
    main()
