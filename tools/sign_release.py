"""Signs a release of the card agent: writes the notice by which agents learn that it exists.

    .venv/bin/python -m tools.sign_release --key <private key> --version 1.2.3 --out release.json <files>

The key is an Ed25519 key in PEM, made once by `openssl genpkey -algorithm ed25519`; its password is asked for where it
has one. The public half (`openssl pkey -pubout`) goes into the packages: `tools/build_agent.py --release-keys`.
"""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from getpass import getpass
from hashlib import file_digest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from card_agent.release import Release, ReleasedFile, compute_key_id, sign_release


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line: exit status 1 with a sentence where key, version or a file can't be used."""
    parser = argparse.ArgumentParser(prog="tools.sign_release", description=__doc__.partition("\n")[0])
    parser.add_argument("--key", type=Path, required=True, help="Ed25519 private key, PEM")
    parser.add_argument("--version", required=True)
    parser.add_argument(
        "--released-on", type=date.fromisoformat, default=datetime.now(UTC).date(), help="a day: 2026-12-01"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    try:
        key = load_key(options.key)
        release = Release(options.version, options.released_on, tuple(describe_file(file) for file in options.files))
        options.out.write_bytes(sign_release(release, key))
    except (OSError, ValueError) as error:
        sys.exit(f"sign_release: {error}")
    print(
        f"{options.out}: version {release.version}, {len(release.files)} files, key {compute_key_id(key.public_key())}"
    )


def load_key(file: Path) -> Ed25519PrivateKey:
    """Returns the private key of a file; asks for its password where it has one. Raises OSError and ValueError."""
    pem = file.read_bytes()
    password = getpass(f"Password of {file}: ").encode() if b"ENCRYPTED" in pem else None
    key = load_pem_private_key(pem, password)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{file} is not an Ed25519 key")
    return key


def describe_file(file: Path) -> ReleasedFile:
    """Returns name, size and SHA-256 of a file; raises OSError."""
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    return ReleasedFile(file.name, file.stat().st_size, digest)


if __name__ == "__main__":
    main()
