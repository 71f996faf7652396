"""Requests whose answer may have been lost: what is needed to fetch their result later.

One small file for each, with ids and hashes; no PIN, password, key, token, name or address.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Self

from card_agent.private_files import write_private


@dataclass(frozen=True, slots=True)
class RequestKey:
    """An operation with a card at an agency in a category. `certificate_sha256` is in hexadecimal."""

    operation: str
    instance: str
    agency: str
    category: str
    certificate_sha256: str


@dataclass(frozen=True, slots=True)
class UnfinishedRequest:
    """A request that has been sent. Hashes are in hexadecimal; `other_certificate_sha256` is that of an old card."""

    key: RequestKey
    request_id: str
    request_sha256: str
    other_certificate_sha256: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Parses the content of a file; raises ValueError, KeyError or TypeError for a damaged one."""
        values: Mapping[str, Mapping[str, str] | str] = json.loads(text)
        key = values["key"]
        if isinstance(key, str):
            raise ValueError("not a request")
        texts = [values["request_id"], values["request_sha256"], values["other_certificate_sha256"]]
        request_id, request_sha256, other = [text for text in texts if isinstance(text, str)]
        return cls(RequestKey(**key), request_id, request_sha256, other)


@dataclass(frozen=True, slots=True)
class UnfinishedRequests:
    """The unfinished requests of one user of the PC, in a private directory."""

    directory: Path

    def find(self, key: RequestKey) -> UnfinishedRequest | None:
        """Returns the request with this key; None if there is none, or its file is damaged."""
        request = _read(self._file(key))
        return request if request is not None and request.key == key else None

    def list_all(self, operation: str, instance: str) -> list[UnfinishedRequest]:
        """Returns the requests of an operation at an instance, with whatever card."""
        requests = map(_read, sorted(self.directory.glob("*.json")))
        return [
            request
            for request in requests
            if request is not None and (request.key.operation, request.key.instance) == (operation, instance)
        ]

    def save(self, request: UnfinishedRequest) -> None:
        """Stores the request durably: it survives a power failure after the return."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(self._file(request.key), json.dumps(asdict(request)))

    def delete(self, key: RequestKey) -> None:
        """Deletes the request with this key, if there is one."""
        self._file(key).unlink(missing_ok=True)

    def _file(self, key: RequestKey) -> Path:
        name = sha256(json.dumps(asdict(key), sort_keys=True).encode()).hexdigest()
        return self.directory / f"{name[:32]}.json"


def _read(file: Path) -> UnfinishedRequest | None:
    try:
        return UnfinishedRequest.from_json(file.read_text("utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
