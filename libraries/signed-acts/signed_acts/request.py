"""The hash of a form: what an act says of the request that it is for."""

import json
from hashlib import sha256

import rfc8785
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from refusals import Code, Refusal


def write_canonical(message: Message) -> bytes:
    """Returns a message's canonical form, which is the same for every program, in UTF-8.

    The message as JSON (the mapping of proto3) with the proto file's field names, without fields that have their
    default value, serialized by RFC 8785.
    """
    return rfc8785.dumps(MessageToDict(message, preserving_proto_field_name=True))


def hash_canonical(message: Message) -> bytes:
    """Returns the SHA-256 (32 bytes) of a message's canonical form."""
    return sha256(write_canonical(message)).digest()


def read_canonical(encoded: bytes) -> dict[str, object]:
    """Returns the values of a canonical form by the fields' names. Raises REQUEST_MALFORMED for any other bytes."""
    try:
        values = json.loads(encoded.decode("utf-8"))
        # A key that comes twice, or a number in another form, is written differently.
        is_canonical = isinstance(values, dict) and rfc8785.dumps(values) == encoded
    except (ValueError, RecursionError) as error:
        raise Refusal("REQUEST_MALFORMED", Code.INVALID_ARGUMENT) from error
    if not is_canonical:
        raise Refusal("REQUEST_MALFORMED", Code.INVALID_ARGUMENT)
    return dict(values)
