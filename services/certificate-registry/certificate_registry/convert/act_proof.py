"""The proof of an act ↔ domain."""

from certificate_registry.domain.act_proof import ActStatement
from certificate_registry.pki.certificate import format_serial_decimal
from servicekit.messages import write_timestamp
from servicekit.signed_statement import SignedStatement
from toroku.certificate.v1 import act_proof_pb2


def serialize_act_statement(statement: ActStatement) -> bytes:
    """Returns the statement of an act proof, as it is signed."""
    return act_proof_pb2.ActStatement(
        instance=statement.instance,
        operation=statement.operation.value,
        agency=statement.agency,
        category=statement.category,
        bidder_id=statement.bidder_id,
        certificate_sha256=statement.certificate_sha256,
        request_id=statement.request_id,
        request_sha256=statement.request_sha256,
        purpose_sha256=statement.purpose_sha256,
        serial_decimal=format_serial_decimal(statement.serial),
        holder_name=statement.holder_name or "",
        issued_at=write_timestamp(statement.issued_at),
        expires_at=write_timestamp(statement.expires_at),
    ).SerializeToString(deterministic=True)


def write_act_proof(proof: SignedStatement) -> act_proof_pb2.ActProof:
    """Returns the proof of an act."""
    return act_proof_pb2.ActProof(statement=proof.statement, key_id=proof.key_id, signature=proof.signature)
