"""Registrations whose answer may have been lost: what is needed to fetch the receipt later.

One small file for each, with ids and hashes; no PIN, password, token, name or address.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from card_agent.private_files import write_private


@dataclass(frozen=True, slots=True)
class RegistrationKey:
    """A card at an agency in a category. `certificate_sha256` is in hexadecimal."""

    instance: str
    agency: str
    category: str
    certificate_sha256: str


@dataclass(frozen=True, slots=True)
class UnfinishedRegistration:
    """A registration that has been sent. `request_sha256` is in hexadecimal."""

    key: RegistrationKey
    request_id: str
    request_sha256: str

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parses the content of a file; raises ValueError, KeyError or TypeError for a damaged one."""
        values: Mapping[str, Mapping[str, str] | str] = json.loads(text)
        key, request_id, request_sha256 = values["key"], values["request_id"], values["request_sha256"]
        if isinstance(key, str) or not isinstance(request_id, str) or not isinstance(request_sha256, str):
            raise ValueError("not a registration")
        return cls(RegistrationKey(**key), request_id, request_sha256)


@dataclass(frozen=True, slots=True)
class UnfinishedRegistrations:
    """The unfinished registrations of one user of the PC, in a private directory."""

    directory: Path

    def find(self, key: RegistrationKey) -> UnfinishedRegistration | None:
        """Returns the registration with this key; None if there is none, or its file is damaged."""
        registration = _read(self._file(key))
        return registration if registration is not None and registration.key == key else None

    def has_any(self, instance: str) -> bool:
        """Returns whether there is a registration at this instance, with whatever card."""
        return any(
            registration is not None and registration.key.instance == instance
            for registration in map(_read, self.directory.glob("*.json"))
        )

    def save(self, registration: UnfinishedRegistration) -> None:
        """Stores the registration durably: it survives a power failure after the return."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._file(registration.key), json.dumps(asdict(registration)))

    def delete(self, key: RegistrationKey) -> None:
        """Deletes the registration with this key, if there is one."""
        self._file(key).unlink(missing_ok=True)

    def _file(self, key: RegistrationKey) -> Path:
        name = sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()
        return self.directory / f"{name[:32]}.json"


def _read(file: Path) -> UnfinishedRegistration | None:
    try:
        return UnfinishedRegistration.from_json(file.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
