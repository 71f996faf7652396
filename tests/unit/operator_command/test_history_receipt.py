"""`toroku history verify --receipt`: on a machine that has a public key and nothing of the instance."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from history.heads import Head
from history.merkle import compute_path, compute_root
from history.receipt import Receipt, write_receipt
from operator_command.__main__ import main
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN, make_key

LEAVES = [sha256(bytes([number])).digest() for number in range(5)]
# What a service or a connection needs.
ABSENT = {"grpc", "psycopg", "sqlalchemy", "google", "toroku", "servicekit"}


def write_key(file: Path, key: SigningKey) -> Path:
    file.write_bytes(key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return file


@pytest.fixture
def key() -> SigningKey:
    return make_key()


@pytest.fixture
def receipt(tmp_path: Path, key: SigningKey) -> Path:
    """The receipt of the fourth of five entries, and the public key beside it."""
    sealed_at = datetime(2026, 11, 30, 3, 0, 0, 5, tzinfo=UTC)
    head = Head(CHAIN.id, 3, 11, 15, sealed_at, compute_root(LEAVES), bytes(32))
    signed = key.sign(head.statement)
    head = head._replace(key_id=signed.key_id, signature=signed.signature)
    file = tmp_path / "receipt.json"
    file.write_text(write_receipt(Receipt(LEAVES[3], 14, tuple(compute_path(LEAVES, 3)), head)))
    write_key(tmp_path / "history.pub", key)
    return file


def verify(
    receipt: Path, *options: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """Returns the exit status and the output of the command."""
    named = ("--public-key", str(receipt.parent / "history.pub")) if "--public-key" not in options else ()
    monkeypatch.setattr(sys, "argv", ["toroku", "history", "verify", "--receipt", str(receipt), *named, *options])
    try:
        main()
    except SystemExit as end:
        return end.code or 0, "".join(capsys.readouterr())
    raise AssertionError


def test_receipt_is_verified_without_connection_profile_and_database(receipt: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from operator_command.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: print(end.code or 0, *{name.partition('.')[0] for name in sys.modules})"
    )
    options = ["--receipt", str(receipt), "--public-key", "history.pub", "--entry", LEAVES[3].hex(), "--language", "en"]
    done = subprocess.run(
        [sys.executable, "-c", program, "history", "verify", *options],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    *said, modules = done.stdout.splitlines()
    head = json.loads(receipt.read_text())["head"]
    assert said[:2] == [
        "This entry is in the history, at position 14.",
        f"  Digest of the entry: {LEAVES[3].hex()}",
    ]
    assert said[2] == "  Head: number 3, sealed at 2026-11-30 12:00:00 in Japan"
    numbers = b"".join(number.to_bytes(8, "big") for number in (3, 11, 15, 1_796_007_600_000_005))
    statement = bytes.fromhex(head["chain"]) + numbers + bytes.fromhex(head["root"]) + bytes(32)
    assert said[3] == f"  Hash of the head: {sha256(statement).hexdigest()}"
    status, *imported = modules.split()
    assert status == "0"
    assert "cryptography" in imported
    assert ABSENT & set(imported) == set()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "は、記録の証明として読み取れません。"),
        (lambda _: "# a page of another kind", "は、記録の証明として読み取れません。"),
        (lambda text: text.replace(LEAVES[3].hex(), LEAVES[2].hex()), "封印された履歴にあることを証明していません。"),
        (lambda text: text.replace('"number": 3', '"number": 4'), "の封印の署名が正しくありません。"),
    ],
)
def test_receipt_that_proves_nothing_is_explained(
    receipt: Path,
    change: Callable[[str], str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    receipt.write_text(change(receipt.read_text()))
    status, output = verify(receipt, "--language", "ja", monkeypatch=monkeypatch, capsys=capsys)
    assert status == 1
    assert said in output


def test_wrong_key_file_and_entry_are_told_apart(
    receipt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*options: object, file: Path = receipt) -> str:
        named = (*map(str, options), "--language", "en")
        status, output = verify(file, *named, monkeypatch=monkeypatch, capsys=capsys)
        assert status == 1
        return output

    other = write_key(tmp_path / "other.pub", make_key())
    assert "is signed by a key that is not among the public keys" in fail("--public-key", other)
    assert "cannot be read" in fail("--public-key", tmp_path / "missing.pub")
    assert "is not the receipt of the entry with this digest" in fail("--entry", LEAVES[2].hex())
    assert "is not the receipt of the entry with this digest" in fail("--entry", "no digest")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (binary, tmp_path / "missing", tmp_path):
        assert "cannot be read as the receipt of an entry" in fail(
            "--public-key", receipt.parent / "history.pub", file=file
        )


def test_program_of_the_page_verifies_a_receipt(receipt: Path, tmp_path: Path) -> None:
    page = Path(__file__).parents[3] / "docs" / "howto" / "verify-the-history.md"
    program = page.read_text("utf-8").partition("```python\n")[2].partition("```")[0]

    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, "receipt.json", "history.pub"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, text=True)

    verified = run()
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout.startswith("position 14 head 3 ")
    receipt.write_text(receipt.read_text().replace('"position": 14', '"position": 13'))
    assert run().returncode != 0
