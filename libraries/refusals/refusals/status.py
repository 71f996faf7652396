"""Conversion of refusals to and from google.rpc.Status with ErrorInfo and BadRequest (AIP-193).

The metadata of a field violation are its description: a JSON object of strings, or nothing where there are none.
"""

import json
from collections.abc import Iterable
from typing import cast

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]  # comes without types

from refusals.refusal import Code, Refusal, Violation

DOMAIN = "toroku"
# All headers of a response together may have 8 KiB.
MOST_MESSAGE = 300
STATUS_METADATA_KEY = "grpc-status-details-bin"
_UNREACHABLE = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


def to_status(refusal: Refusal) -> status_pb2.Status:
    """Returns the refusal as google.rpc.Status; its message is for developers, people get the catalogue's words."""
    message = str(refusal)[:MOST_MESSAGE]
    status = status_pb2.Status(code=cast(code_pb2.Code, refusal.code.value), message=message)
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata)
    _pack(status, info)
    if refusal.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in refusal.violations:
            _pack_violation(bad_request, violation)
        _pack(status, bad_request)
    return status


def from_status(status: status_pb2.Status) -> Refusal | None:
    """Returns the refusal in a status, or None where it has another domain than Toroku."""
    info = error_details_pb2.ErrorInfo()
    bad_request = error_details_pb2.BadRequest()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(bad_request)
    if info.domain != DOMAIN:
        return None
    code = Code(status.code) if status.code in {known.value for known in Code} else Code.INTERNAL
    return Refusal(
        info.reason, code, dict(info.metadata), [_violation(entry) for entry in bad_request.field_violations]
    )


def from_rpc_error(error: grpc.RpcError) -> Refusal:
    """Returns the refusal of a failed call; any other failure becomes PEER_UNREACHABLE or PEER_FAILED."""
    call = cast(grpc.aio.AioRpcError, error)
    trailing = cast(Iterable[tuple[str, str | bytes]], call.trailing_metadata() or ())
    for key, value in trailing:
        if key == STATUS_METADATA_KEY and isinstance(value, bytes):
            refusal = from_status(status_pb2.Status.FromString(value))
            if refusal is not None:
                refusal.is_from_peer = True
                return refusal
    if call.code() in _UNREACHABLE:
        return Refusal("PEER_UNREACHABLE", Code.UNAVAILABLE, {"code": call.code().name})
    return Refusal("PEER_FAILED", Code.INTERNAL, {"code": call.code().name})


def _pack(status: status_pb2.Status, message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> None:
    detail = Any()
    detail.Pack(message)
    status.details.append(detail)


def _pack_violation(bad_request: error_details_pb2.BadRequest, violation: Violation) -> None:
    # A field violation has no map as ErrorInfo has; JSON is what a client in any language reads without loss.
    metadata = dict(violation.metadata)
    description = json.dumps(metadata, ensure_ascii=False, separators=(",", ":")) if metadata else ""
    bad_request.field_violations.add(field=violation.field, reason=violation.reason, description=description)


def _violation(entry: error_details_pb2.BadRequest.FieldViolation) -> Violation:
    try:
        metadata = json.loads(entry.description or "{}")
    except (ValueError, RecursionError):
        metadata = {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        metadata = {}
    return Violation(entry.field, entry.reason, metadata)
