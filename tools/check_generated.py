"""Fails when the committed generated code is not what the proto files give today; says which files and what to do."""

import filecmp
import os
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def generated(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in (folder / "toroku").rglob("*_pb2*.py*") if path.suffix != ".pyc"}


def main() -> int:
    committed = CHECKOUT / "protos" / "python"
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary)
        made = subprocess.run(
            [CHECKOUT / "protos" / "generate", fresh],
            env={**os.environ, "PYTHON": sys.executable},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if made.returncode != 0:
            print(made.stdout, file=sys.stderr)
            return 1
        names = generated(committed) | generated(fresh)
        _, different, missing = filecmp.cmpfiles(committed, fresh, [str(name) for name in sorted(names)], shallow=False)
    for name in [*different, *missing]:
        print(f"not what the proto files give: protos/python/{name}", file=sys.stderr)
    if different or missing:
        print("make generate writes it anew", file=sys.stderr)
        return 1
    print(f"generated code is current ({len(names)} files)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
