"""The acts that officers are asked to sign."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text

from officers.act import hash_certificate
from officers.acts import LIFETIME
from officers.methods import ActMethod, ActMethods, name_subjects
from officers.words import ActWords, Fact
from servicekit.access import check_own_agency, check_person
from servicekit.database_connection import Connection
from servicekit.identity import Caller
from servicekit.statements import Statement
from signed_acts.keys import NONCE_BYTES
from signed_acts.purpose import Act, Purpose, PurposeType, Role, encode
from signed_acts.request import hash_canonical

_SAVE = Statement(
    text(
        """
        INSERT INTO officer_challenge (nonce_sha256, purpose_sha256, created_at)
        VALUES (:nonce_sha256, :purpose_sha256, :now)
        """
    )
)


@dataclass(frozen=True, slots=True)
class PurposeToSign:
    """An encoded purpose for an officer's key to sign unchanged, until `expires_at`."""

    purpose: bytes
    expires_at: datetime


class ActFacts(Protocol):
    """What the words of one method say beside the fields of its request."""

    @property
    def method(self) -> str:
        """The method's full name."""

    @property
    def names(self) -> Collection[str]:
        """The names of the facts, which the words have as placeholders."""

    async def find(self, connection: Connection, request: Any, officer: Caller, /) -> Mapping[str, Fact]:
        """Returns the facts by name. Raises what the method would, where there is nothing to say."""


@dataclass(frozen=True, slots=True)
class ActChallenges:
    """Makes the acts that officers have to sign for the methods of a service. `facts` are by method."""

    instance: str
    methods: ActMethods
    words: ActWords
    facts: Mapping[str, ActFacts] = field(default_factory=dict)

    def read(self, method: ActMethod, serialized: bytes, officer: Caller) -> Any:
        """Returns the request that an act is asked for, of an officer who may call the method.

        For which agency the officer may act in what the request names, the method itself checks. Raises
        OFFICER_REQUEST_MALFORMED, CALLER_NOT_ALLOWED, AGENCY_NOT_OWN.
        """
        check_person(method.access, officer, method.name)
        request = method.parse_request(serialized)
        check_own_agency(method.access, officer, request)
        return request

    async def create(
        self,
        connection: Connection,
        method: ActMethod,
        request: Any,
        request_id: UUID,
        officer: Caller,
        now: datetime,
        *,
        further: tuple[str, ...] = (),
    ) -> PurposeToSign:
        """Returns the act for a request, its lines followed by `further` ones; its nonce is good once, for 5 minutes.

        Raises PURPOSE_MALFORMED where the request's values can't stand in an act, and what finding the facts raises.
        """
        known = self.facts.get(method.name)
        facts = {} if known is None else await known.find(connection, request, officer)
        nonce = secrets.token_bytes(NONCE_BYTES)
        lines = (*self.words.write_lines(method.name, request, facts), *further)
        purpose = encode(
            Purpose(
                instance=self.instance,
                type=PurposeType.ACT,
                operation=method.name,
                role=Role.SOLE,
                nonce=nonce,
                certificate_sha256=hash_certificate(officer),
                act=Act(str(request_id), hash_canonical(request), lines),
                **name_subjects(request),
            )
        )
        await connection.change(
            _SAVE,
            nonce_sha256=sha256(nonce).digest(),
            purpose_sha256=sha256(purpose).digest(),
            now=now,
        )
        return PurposeToSign(purpose, now + LIFETIME)
