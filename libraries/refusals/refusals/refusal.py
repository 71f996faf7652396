"""The refusal of a request: reason, code and metadata, without words for people and without transport."""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

from typing_extensions import override

_NO_METADATA: Mapping[str, str] = MappingProxyType({})


class Code(Enum):
    """The canonical codes of google.rpc.Code that Toroku uses, by name and number (AIP-193)."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Violation:
    """An invalid field.

    `field` is the path in the request (`card_contact.mail_address`), or the argument of a command. `reason` is a reason
    of the catalogue. `metadata` fills the placeholders of its words, for example `{"most": "60"}`.
    """

    field: str
    reason: str
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """A request was refused and nothing was changed.

    `reason` is UPPER_SNAKE and the key of the words in the catalogue, `metadata` fills the placeholders of those words.
    Neither ever contains a secret or a text that a person typed. Raised in the domain, converted to google.rpc.Status
    by the server's interceptor, read back by the client: `is_from_peer` says that a service which was called refused,
    and knows of it.
    """

    def __init__(
        self,
        reason: str,
        code: Code = Code.FAILED_PRECONDITION,
        metadata: Mapping[str, str] = _NO_METADATA,
        violations: Sequence[Violation] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.metadata = dict(metadata)
        self.violations = tuple(violations)
        self.is_from_peer = False

    @override
    def __str__(self) -> str:
        details = ", ".join(f"{key}={value}" for key, value in self.metadata.items())
        fields = ", ".join(f"{violation.field}: {violation.reason}" for violation in self.violations)
        return " ".join(part for part in (self.reason, f"({details})" if details else "", fields) if part)
