"""The first lines of the packaged program; everything else is `card_agent`."""

import os
import runpy
import sys
from pathlib import Path

# Without a console window Windows gives a program no streams, and libraries write to them.
for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
    if getattr(sys, name) is None:
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # open until the program ends

if sys.argv[1:2] == ["-m"] and sys.argv[2:3] == ["card_agent.media.module_child"]:
    # The agent starts its child processes with its own program, as Python runs a module.
    del sys.argv[1]
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)
else:
    runpy.run_module("card_agent.__main__", run_name="__main__")
