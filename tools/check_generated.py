"""Checks that the committed generated code is what the proto files generate; lists the files that differ."""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def list_generated_files(folder: Path) -> set[Path]:
    """Returns the generated Python files and stubs below `folder`/toroku, relative to `folder`."""
    return {path.relative_to(folder) for path in (folder / "toroku").rglob("*_pb2*.py*") if path.suffix != ".pyc"}


def main() -> int:
    """Generates the code into a temporary folder, compares, and returns the exit status."""
    committed = CHECKOUT / "protos" / "python"
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        result = subprocess.run(
            [CHECKOUT / "protos" / "generate", fresh],
            env={**os.environ, "PYTHON": sys.executable},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if result.returncode != 0:
            print(result.stdout, file=sys.stderr)
            return 1
        names = list_generated_files(committed) | list_generated_files(fresh)
        _, different, missing = filecmp.cmpfiles(committed, fresh, [str(name) for name in sorted(names)], shallow=False)
    for name in [*different, *missing]:
        print(f"differs from the proto files: protos/python/{name}", file=sys.stderr)
    if different or missing:
        print("run `make generate` and commit the result", file=sys.stderr)
        return 1
    print(f"generated code is current ({len(names)} files)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
