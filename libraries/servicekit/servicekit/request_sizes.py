"""The largest request of each method, in bytes: enforced before it is parsed."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from refusals import Code, Refusal
from toroku.access.v1 import access_pb2

# Of a method that says nothing; enough for a certificate with its chain, and for every form.
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class OversizedRequest:
    """Stands for a request that was not parsed."""

    most: int


def build_size_table(
    services: Iterable[ServiceDescriptor], named: Mapping[str, int] = MappingProxyType({})
) -> Mapping[str, int]:
    """Returns the largest request of every method by its path (`/package.Service/Method`).

    It is the one in `named`, or else that of the method's option `toroku.access.v1.most_request_bytes`, or else
    MOST_BYTES. Raises LookupError for a path in `named` that is no method of the server.
    """
    table = {
        f"/{service.full_name}/{method.name}": method.GetOptions().Extensions[access_pb2.most_request_bytes]
        or MOST_BYTES
        for service in services
        for method in service.methods
    }
    if unknown := named.keys() - table.keys():
        raise LookupError(f"a size is given for {', '.join(sorted(unknown))}, which this server does not have")
    return {**table, **named}


def bound_deserializer(deserialize: Callable[[bytes], Any], most: int) -> Callable[[bytes], Any]:
    """Returns a deserializer that parses nothing longer than `most` bytes, and returns an OversizedRequest instead."""

    def read(serialized: bytes) -> Any:
        return deserialize(serialized) if len(serialized) <= most else OversizedRequest(most)

    return read


def check_size(request: Any) -> None:
    """Raises INPUT_TOO_LARGE, with `most`, for a request that was too long to be parsed."""
    if isinstance(request, OversizedRequest):
        raise Refusal("INPUT_TOO_LARGE", Code.INVALID_ARGUMENT, {"most": str(request.most)})
