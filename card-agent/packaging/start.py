"""The first lines of the packaged program; everything else is `card_agent`."""

import os
import sys
from pathlib import Path

# Without a console window Windows gives a program no streams, and libraries write to them.
for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
    if getattr(sys, name) is None:
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # open until the program ends

from card_agent.__main__ import main  # noqa: E402  # the streams have to be there first

main()
