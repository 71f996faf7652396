"""The officer proof: that the portal calls for a person who is logged in (`toroku.officer.v1.OfficerProof`)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import DecodeError

from refusals import Code, Refusal
from servicekit.messages import read_timestamp, write_timestamp
from servicekit.signed_statement import (
    SignedStatement,
    SigningKey,
    VerifyingKeys,
    check_period,
    check_signature,
)
from toroku.officer.v1 import officer_proof_pb2

STATEMENT_PREFIX = b"toroku officer proof v1\x00"
METADATA_KEY = "toroku-officer-proof-bin"
LIFETIME = timedelta(minutes=5)
# The service that may show one.
PORTAL = "portal"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficerStatement:
    """What a proof says: a person is logged in, with the certificate and the session of these hashes (32 bytes)."""

    instance: str
    person_id: str
    certificate_sha256: bytes
    session_sha256: bytes
    issued_at: datetime


def write_officer_proof(key: SigningKey, statement: OfficerStatement) -> bytes:
    """Returns a proof as the metadata has it, good for five minutes."""
    signed = key.sign(
        officer_proof_pb2.OfficerStatement(
            instance=statement.instance,
            person_id=statement.person_id,
            certificate_sha256=statement.certificate_sha256,
            session_sha256=statement.session_sha256,
            issued_at=write_timestamp(statement.issued_at),
            expires_at=write_timestamp(statement.issued_at + LIFETIME),
        ).SerializeToString()
    )
    return officer_proof_pb2.OfficerProof(
        statement=signed.statement, key_id=signed.key_id, signature=signed.signature
    ).SerializeToString()


def verify_officer_proof(proof: bytes, keys: VerifyingKeys, instance: str, now: datetime) -> OfficerStatement:
    """Returns what a proof says; raises OFFICER_PROOF_INVALID, …_EXPIRED, …_FOR_ANOTHER_INSTANCE."""
    invalid = Refusal("OFFICER_PROOF_INVALID", Code.UNAUTHENTICATED)
    expired = Refusal("OFFICER_PROOF_EXPIRED", Code.UNAUTHENTICATED)
    try:
        message = officer_proof_pb2.OfficerProof.FromString(proof)
        signed = SignedStatement(message.statement, message.key_id, message.signature)
        check_signature(signed, keys, STATEMENT_PREFIX, invalid=invalid)
        statement = officer_proof_pb2.OfficerStatement.FromString(message.statement)
        issued_at, expires_at = read_timestamp(statement.issued_at), read_timestamp(statement.expires_at)
    except (DecodeError, ValueError) as error:
        raise invalid from error
    if statement.instance != instance:
        metadata = {"found": statement.instance, "expected": instance}
        raise Refusal("OFFICER_PROOF_FOR_ANOTHER_INSTANCE", Code.UNAUTHENTICATED, metadata)
    check_period(issued_at, expires_at, now, invalid=invalid, expired=expired)
    return OfficerStatement(
        instance=statement.instance,
        person_id=statement.person_id,
        certificate_sha256=statement.certificate_sha256,
        session_sha256=statement.session_sha256,
        issued_at=issued_at,
    )
