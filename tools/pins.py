"""Writes requirements/*.txt anew from requirements/*.in: versions and hashes of every platform's files, no addresses.

Versions that still fit stay as they are; `python tools/pins.py --upgrade` takes the newest. All sets share one
resolution (development.in holds every other), so that a version is the same wherever it is installed. Hashes come from
the public index alone: what this machine's pip is configured to look at besides is left aside.
"""

import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
OLDEST_PYTHON = "3.11"


def main() -> None:
    place = CHECKOUT / ".toroku" / "pins"
    uv = place / "bin" / "uv"
    if not uv.exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", UV], check=True)
    options = ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-header", "--no-config"]
    compile_pins = [str(uv), "pip", "compile", "--quiet", "--cache-dir", str(place / "cache"), *options]
    for name in ("build", "development", "services", "operator", "card-agent", "one-machine", "sbom"):
        rest = sys.argv[1:] if name in ("build", "development") else ["--constraint", "development.txt"]
        subprocess.run(
            [*compile_pins, f"{name}.in", "--output-file", f"{name}.txt", *rest],
            check=True,
            cwd=CHECKOUT / "requirements",
        )


if __name__ == "__main__":
    main()
