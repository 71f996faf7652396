"""Company profiles and bidder proofs."""

from google.protobuf.message import DecodeError

from front_door.domain.bidder import BidderProof, BidderStatement, CompanyProfile
from toroku.qualification.v1 import bidder_pb2


def read_company(message: bidder_pb2.CompanyProfile) -> CompanyProfile:
    """Returns a company profile of the roster."""
    return CompanyProfile(message.bidder_id, message.name, message.branch, message.SerializeToString())


def write_company(company: CompanyProfile) -> bidder_pb2.CompanyProfile:
    """Returns a company profile as it was received."""
    return bidder_pb2.CompanyProfile.FromString(company.encoded)


def read_bidder_proof(message: bidder_pb2.BidderProof) -> BidderProof:
    """Returns a proof as received, unverified."""
    return BidderProof(message.statement, message.key_id, message.signature, _statement(message.statement))


def write_bidder_proof(proof: BidderProof) -> bidder_pb2.BidderProof:
    """Returns a proof as it was received."""
    return bidder_pb2.BidderProof(statement=proof.encoded_statement, key_id=proof.key_id, signature=proof.signature)


def _statement(encoded: bytes) -> BidderStatement | None:
    try:
        statement = bidder_pb2.BidderStatement.FromString(encoded)
    except DecodeError:
        return None
    return BidderStatement(statement.bidder_id, statement.certificate_sha256)
