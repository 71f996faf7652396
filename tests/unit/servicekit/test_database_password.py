"""The file with a database's password: what is read from it, and what is said where that is not possible."""

import ast
import traceback
from pathlib import Path

import pytest

from servicekit.database import prepare_connections
from servicekit.database_errors import diagnose, is_unavailable
from servicekit.database_password import PasswordUnreadable, read_password
from servicekit.exceptions import CommandFailed

ADDRESS = "postgresql://role@host/base"
PROGRAMS = sorted((Path(__file__).parents[3] / "services").glob("*/*/commands/*.py"))


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"s3cret", "s3cret"),
        (b"s3cret\n", "s3cret"),
        (b"s3cret\r\n", "s3cret"),
        (b" p@ss:w/rd% ' ", " p@ss:w/rd% ' "),
        ("秘密\n".encode(), "秘密"),
    ],
)
def test_password_is_the_line_without_its_end(content: bytes, password: str, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(content)
    assert read_password(tmp_path / "password") == password


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "No such file or directory"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"s3cret\nof somebody else\n", "more than one line"),
        (b"s3cret\0", "more than one line"),
        (b"s3cret\xff", "not UTF-8"),
    ],
)
def test_unusable_file_is_reported_without_its_content(content: bytes | None, cause: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(PasswordUnreadable) as raised:
        read_password(file)
    assert str(raised.value).endswith(f"the file {file}: {cause}")
    assert "s3cret" not in "".join(traceback.format_exception(raised.value))
    # As a database that is out of reach: calls are refused, and the next connection reads the file again.
    assert is_unavailable(raised.value)
    diagnosis = diagnose(raised.value)
    assert diagnosis.is_transient
    assert "TOROKU_DATABASE_PASSWORD_FILE" in diagnosis.text
    assert "s3cret" not in diagnosis.text


def test_file_is_read_for_every_connection(tmp_path: Path) -> None:
    file = tmp_path / "password"
    arguments = prepare_connections(ADDRESS, password_file=file)
    for password in ("first", "second"):
        file.write_text(password)
        assert arguments()["password"] == password


def test_password_in_file_and_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="TOROKU_DATABASE contains a password") as raised:
        prepare_connections("postgresql://role:s3cret@host/base", password_file=tmp_path / "password")
    assert "s3cret" not in str(raised.value)


def test_every_program_opens_its_database_with_the_file() -> None:
    """A process or command that leaves it out works until an instance has its password in a file."""
    opened = 0
    # `Database.of` opens it for all servers, in this file.
    for program in (*PROGRAMS, Path(__file__).parents[3] / "libraries/servicekit/servicekit/database.py"):
        for node in ast.walk(ast.parse(program.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = ast.unparse(node.func)
            opened += function == "Database.of"
            if function in ("Database.open", "cls.open"):
                opened += 1
                assert "password_file" in {keyword.arg for keyword in node.keywords}, f"{program}:{node.lineno}"
    assert opened >= 10
