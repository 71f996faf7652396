"""What verifies a history needs the package `cryptography`, and nothing else that is installed."""

import subprocess
import sys

MODULES = "history.verification, history.receipt"


def test_verification_needs_cryptography_alone() -> None:
    program = f"import sys, {MODULES}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    ours = {"servicekit", "refusals", "psycopg", "sqlalchemy", "google", "grpc", "rfc8785"}
    assert {"history", "cryptography"} <= set(imported.split())
    assert ours & set(imported.split()) == set()
