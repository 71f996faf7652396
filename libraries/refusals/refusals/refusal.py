"""What was refused and why, without any words for people and without any transport."""

import dataclasses
from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType

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
    """One field that is wrong.

    `field` is the path in the request (`card_contact.mail_address`), or the argument of a command. `reason` is a
    reason of the catalogue. `metadata` fills the places in its words, for example `{"most": "60"}`.
    """

    field: str
    reason: str
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """A request was refused and nothing was changed.

    `reason` is UPPER_SNAKE and the key of the words in the catalogue, `metadata` fills the places in those words.
    Neither ever carries a secret or the words of a person. Raised in the domain, turned into google.rpc.Status by
    the server's interceptor, read back by the client.
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

    def __str__(self) -> str:
        details = ", ".join(f"{key}={value}" for key, value in self.metadata.items())
        fields = ", ".join(f"{violation.field}: {violation.reason}" for violation in self.violations)
        return " ".join(part for part in (self.reason, f"({details})" if details else "", fields) if part)
