"""Compiles requirements/*.in to requirements/*.txt: versions, and hashes of the files of all platforms, no addresses.

Versions that still satisfy the requirements are kept; `python tools/pins.py --upgrade` takes the newest. All sets share
one resolution (development.in includes every other set), so that a package has the same version in each. Hashes come
from the public index only: this machine's pip configuration is ignored.
"""

import subprocess
import sys
import venv
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
UV = "uv==0.13.8"
OLDEST_PYTHON = "3.11"


def main() -> None:
    """Installs uv into .toroku/pins where it is missing, and compiles every set."""
    folder = CHECKOUT / ".toroku" / "pins"
    uv = folder / "bin" / "uv"
    if not uv.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-cache-dir", UV], check=True)
    options = ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-header", "--no-config"]
    compile_pins = [str(uv), "pip", "compile", "--quiet", "--cache-dir", str(folder / "cache"), *options]
    for name in ("build", "development", "services", "operator", "card-agent", "one-machine", "sbom"):
        rest = sys.argv[1:] if name in ("build", "development") else ["--constraint", "development.txt"]
        subprocess.run(
            [*compile_pins, f"{name}.in", "--output-file", f"{name}.txt", *rest],
            check=True,
            cwd=CHECKOUT / "requirements",
        )


if __name__ == "__main__":
    main()
