"""The canonical form of a message, so that two programs hash the same thing."""

import hashlib

import rfc8785
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message


def canonical_sha256(message: Message) -> bytes:
    """SHA-256 (32 bytes) of a message's JSON, with the proto file's field names, in the form of RFC 8785."""
    return hashlib.sha256(rfc8785.dumps(MessageToDict(message, preserving_proto_field_name=True))).digest()
