"""The first lines of the packaged program; everything else is `card_agent`."""

import os
import runpy
import sys
from pathlib import Path

# Without a console window Windows gives a program no streams, and libraries write to them.
for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
    if getattr(sys, name) is None:
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # open until the program ends
# PyInstaller's, for this program alone: the browser that it opens has libraries of its own.
os.environ.pop("LD_LIBRARY_PATH", None)
if "LD_LIBRARY_PATH_ORIG" in os.environ:
    os.environ["LD_LIBRARY_PATH"] = os.environ.pop("LD_LIBRARY_PATH_ORIG")

runpy.run_module("card_agent.__main__", run_name="__main__")
