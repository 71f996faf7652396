"""Registrations whose answer may have been lost: enough to ask for the receipt again, and nothing else.

One small file each: ids and hashes, no PIN, no password, no token, no name, no address.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card is registered. `certificate_sha256` is in hexadecimal."""

    instance: str
    agency: str
    category: str
    certificate_sha256: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A registration that was sent. `request_sha256` is in hexadecimal."""

    place: Place
    request_id: str
    request_sha256: str

    @classmethod
    def _from(cls, values: Mapping[str, Mapping[str, str] | str]) -> Self:
        place, request_id, request_sha256 = values["place"], values["request_id"], values["request_sha256"]
        if isinstance(place, str) or not isinstance(request_id, str) or not isinstance(request_sha256, str):
            raise ValueError("not a registration")
        return cls(Place(**place), request_id, request_sha256)


@dataclass(frozen=True, slots=True)
class UnfinishedRegistrations:
    """Those of one user of the PC, in a directory of its own."""

    directory: Path

    def find(self, place: Place) -> Unfinished | None:
        """The registration of this card at this place; None where there is none, or its file is damaged."""
        try:
            found = Unfinished._from(json.loads(self._file(place).read_text("utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if found.place == place else None

    def remember(self, unfinished: Unfinished) -> None:
        """Kept from here on, also if the PC loses its power the next moment."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self._file(unfinished.place)
        written = file.with_suffix(".new")
        with written.open("w", encoding="utf-8") as new:
            json.dump(asdict(unfinished), new)
            new.flush()
            os.fsync(new.fileno())
        written.replace(file)

    def forget(self, place: Place) -> None:
        """Deletes it, where it is there."""
        self._file(place).unlink(missing_ok=True)

    def _file(self, place: Place) -> Path:
        name = sha256(json.dumps(asdict(place), sort_keys=True).encode()).hexdigest()
        return self.directory / f"{name[:32]}.json"
