"""The password of a database, from a file that is read for every connection (docs/adr/0014).

So a password can be changed while processes run: new connections use the new one as soon as the file holds it.
"""

from pathlib import Path

import psycopg


class PasswordUnreadable(psycopg.OperationalError):
    """The file gives no password at the moment. The text names the file and the cause, and quotes nothing of it."""


def read_password(file: Path) -> str:
    """Returns the password: the only line of the file, without its line end. Raises PasswordUnreadable."""
    try:
        text = file.read_bytes().decode()
    except OSError as error:
        raise PasswordUnreadable(_describe(file, error.strerror or type(error).__name__)) from None
    except UnicodeDecodeError:
        raise PasswordUnreadable(_describe(file, "not UTF-8")) from None
    password = text.removesuffix("\n").removesuffix("\r")
    if not password:
        raise PasswordUnreadable(_describe(file, "empty"))
    if any(character in password for character in "\n\r\0"):
        raise PasswordUnreadable(_describe(file, "more than one line"))
    return password


def _describe(file: Path, cause: str) -> str:
    return f"no password can be read from the file {file}: {cause}"
